//! OAuth scopes: names, groups, containment. Source: <https://docs.joinmastodon.org/api/oauth-scopes/>.

use crate::token::Scopes;

/// In the order of their bits, which are stored: new ones go to the end.
const LEAVES: [&str; 46] = [
    "profile",
    "read:accounts",
    "read:blocks",
    "read:bookmarks",
    "read:favourites",
    "read:filters",
    "read:follows",
    "read:lists",
    "read:mutes",
    "read:notifications",
    "read:search",
    "read:statuses",
    "write:accounts",
    "write:blocks",
    "write:bookmarks",
    "write:conversations",
    "write:favourites",
    "write:filters",
    "write:follows",
    "write:lists",
    "write:media",
    "write:mutes",
    "write:notifications",
    "write:reports",
    "write:statuses",
    "push",
    "admin:read",
    "admin:write",
    "email",
    "follow",
    "read:collections",
    "write:collections",
    "admin:read:accounts",
    "admin:read:reports",
    "admin:read:domain_allows",
    "admin:read:domain_blocks",
    "admin:read:ip_blocks",
    "admin:read:email_domain_blocks",
    "admin:read:canonical_email_blocks",
    "admin:write:accounts",
    "admin:write:reports",
    "admin:write:domain_allows",
    "admin:write:domain_blocks",
    "admin:write:ip_blocks",
    "admin:write:email_domain_blocks",
    "admin:write:canonical_email_blocks",
];

/// Leaves that their group did not have from the beginning. Whoever was given the whole group then
/// has them too.
const LATER: [(&str, &str); 2] = [("read", "read:collections"), ("write", "write:collections")];

/// The deprecated `follow` scope, spelt out. It keeps a bit of its own, so that whoever asked for
/// it by name is told that they got it.
const FOLLOW: [&str; 7] = [
    "follow",
    "read:blocks",
    "read:follows",
    "read:mutes",
    "write:blocks",
    "write:follows",
    "write:mutes",
];

/// The bits of one name: a leaf, a group (`read`), or `follow`.
fn bits(name: &str) -> Option<u64> {
    let of = |pick: &dyn Fn(&str) -> bool| {
        LEAVES.iter().enumerate().filter(|(_, leaf)| pick(leaf)).fold(0, |all, (i, _)| all | 1 << i)
    };
    let found = match name {
        "follow" => of(&|leaf| FOLLOW.contains(&leaf)),
        "read" | "write" | "admin" | "admin:read" | "admin:write" => of(&|leaf| {
            let rest = leaf.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(':') || rest.is_empty())
        }),
        _ => of(&|leaf| leaf == name),
    };
    (found != 0).then_some(found)
}

/// Scopes as they were stored, perhaps before some of today's were known.
pub fn stored(raw: u64) -> Scopes {
    let widen = |all: u64, (group, leaf): &(&str, &str)| {
        let (group, leaf) = (bits(group).unwrap_or(0), bits(leaf).unwrap_or(0));
        if all & (group & !leaf) == group & !leaf { all | leaf } else { all }
    };
    Scopes(LATER.iter().fold(raw, widen))
}

/// The scopes of a space-separated list; `None` if one is unknown.
pub fn parse(text: &str) -> Option<Scopes> {
    let mut all = 0;
    for name in text.split_ascii_whitespace() {
        all |= bits(name)?;
    }
    Some(Scopes(all))
}

/// The names of scopes, groups first where they are whole.
pub fn names(scopes: Scopes) -> Vec<&'static str> {
    let mut left = scopes.0;
    let mut names = Vec::new();
    for group in ["read", "write", "follow", "admin:read", "admin:write"] {
        let all = bits(group).unwrap_or(0);
        if all != 0 && scopes.0 & all == all && (group != "follow" || left & all != 0) {
            names.push(group);
            left &= !all;
        }
    }
    for (i, leaf) in LEAVES.iter().enumerate() {
        if left & (1 << i) != 0 {
            names.push(leaf);
        }
    }
    names
}

/// Every name that an app may ask for, for the server's metadata.
pub fn all_names() -> Vec<&'static str> {
    let mut names = vec!["read", "write"];
    names.extend(LEAVES);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_contain_their_leaves_and_names_come_back() {
        let of = |text| parse(text).unwrap();
        assert!(of("read").contains(of("read:statuses")));
        assert!(!of("read").contains(of("write:statuses")));
        assert!(of("follow").contains(of("write:blocks")));
        assert!(!of("read:statuses").contains(of("read")));
        assert_eq!(parse("read nonsense"), None);
        assert_eq!(names(of("write read")), ["read", "write"]);
        assert_eq!(names(of("follow")), ["follow"]);
        assert_eq!(names(of("read write follow push")), ["read", "write", "follow", "push"]);
        assert_eq!(names(of("read follow push")), ["read", "follow", "push"]);
        assert_eq!(names(of("read:lists")), ["read:lists"]);
        assert!(of("admin:read").contains(of("admin:read:accounts admin:read:ip_blocks")));
        assert!(!of("admin:read").contains(of("admin:write:accounts")));
        assert!(!of("read write").contains(of("admin:read:accounts")));
        assert!(of("read").contains(of("read:collections")));
        assert_eq!(names(of("read admin:read:accounts")), ["read", "admin:read:accounts"]);
        assert_eq!(names(of("admin:read")), ["admin:read"]);
    }

    #[test]
    fn every_name_is_told_once_and_known() {
        let mut names = all_names();
        assert!(names.iter().all(|name| parse(name).is_some()), "{names:?}");
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn what_was_stored_before_a_leaf_was_known_is_still_the_whole_group() {
        let leaf = |name| bits(name).unwrap();
        let before = leaf("read") & !leaf("read:collections");
        assert_eq!(names(stored(before)), ["read"]);
        let part = before & !leaf("read:lists");
        assert_eq!(stored(part).0, part);
        assert_eq!(stored(0).0, 0);
    }
}
