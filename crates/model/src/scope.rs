//! OAuth scopes: names, groups, containment. Source: <https://docs.joinmastodon.org/api/oauth-scopes/>.

use crate::token::Scopes;

const LEAVES: [&str; 30] = [
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
];

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
        "read" | "write" | "admin" => {
            of(&|leaf| leaf.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')))
        }
        _ => of(&|leaf| leaf == name),
    };
    (found != 0).then_some(found)
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
    for group in ["read", "write", "follow"] {
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
    let mut names = vec!["read", "write", "follow"];
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
    }
}
