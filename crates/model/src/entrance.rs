//! What enters a list, a public or hashtag timeline, and the notifications: the rules, each once,
//! each with its table. The home timeline's rule is in `sight`, beside the one on which all of
//! these rest: nothing enters anywhere that its reader may not see.
//! Sources: <https://docs.joinmastodon.org/entities/List/>,
//! <https://docs.joinmastodon.org/methods/timelines/>, <https://docs.joinmastodon.org/admin/moderation/>.

use crate::{Visibility, list::RepliesPolicy, notification::NotificationKind};

/// What a list needs to know about a post that its owner may see.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ListEntrance {
    /// Who posted or reblogged it is on the list.
    pub on_list: bool,
    /// Of the list.
    pub policy: RepliesPolicy,
    /// It answers somebody else than its author.
    pub replies_to_other: bool,
    /// Whom it answers is on the list, or is its owner.
    pub answered_on_list: bool,
    /// The owner follows, or is, whom it answers.
    pub knows_answered: bool,
    /// It is a reblog, and the owner hides this account's reblogs.
    pub hidden_reblog: bool,
    /// The owner mutes or blocks (either way) the poster, the reblogged author or the answered.
    pub restricted: bool,
    /// It is direct.
    pub direct: bool,
}

/// Whether a post enters the list.
pub const fn enters_list(e: &ListEntrance) -> bool {
    if !e.on_list || e.restricted || e.hidden_reblog || e.direct {
        return false;
    }
    if !e.replies_to_other {
        return true;
    }
    match e.policy {
        RepliesPolicy::Followed => e.knows_answered,
        RepliesPolicy::List => e.answered_on_list,
        RepliesPolicy::None => false,
    }
}

/// Whether a post leaves the home timeline because its author is on an exclusive list of the
/// reader. One's own posts always stay.
pub const fn leaves_home(is_own: bool, on_exclusive_list: bool) -> bool {
    on_exclusive_list && !is_own
}

/// What a public or hashtag timeline needs to know about a post.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PublicEntrance {
    /// Of the post.
    pub visibility: Visibility,
    /// It repeats another.
    pub is_reblog: bool,
    /// It answers somebody else than its author.
    pub replies_to_other: bool,
    /// Moderators have limited its author.
    pub silenced: bool,
    /// Moderators have suspended its author.
    pub suspended: bool,
    /// The reader wrote it or follows its author; never so for a visitor.
    pub is_known: bool,
    /// The reader mutes or blocks (either way) its author; never so for a visitor.
    pub restricted: bool,
}

/// Whether a post enters the public timelines: those are for what strangers begin.
pub const fn enters_public(e: &PublicEntrance) -> bool {
    enters_tag(e) && !e.replies_to_other
}

/// Whether a post with the hashtag enters its timeline, where replies belong too.
pub const fn enters_tag(e: &PublicEntrance) -> bool {
    matches!(e.visibility, Visibility::Public)
        && !e.is_reblog
        && !e.suspended
        && !e.restricted
        && (!e.silenced || e.is_known)
}

/// What the rule needs to know before somebody is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Why they would be told.
    pub kind: NotificationKind,
    /// They caused it themselves.
    pub from_self: bool,
    /// Either blocks the other.
    pub blocked: bool,
    /// They mute who caused it, notifications included.
    pub muted: bool,
    /// They have muted the thread it is about.
    pub thread_muted: bool,
    /// Who caused it is limited by moderators.
    pub silenced: bool,
    /// Who caused it is suspended.
    pub suspended: bool,
    /// They follow who caused it.
    pub follows: bool,
}

/// Whether somebody is told.
pub const fn notifies(n: &Notice) -> bool {
    // What the server itself has to say (an ended poll, moderators' matters) is nobody's company.
    if matches!(
        n.kind,
        NotificationKind::Poll | NotificationKind::AdminSignUp | NotificationKind::AdminReport
    ) {
        return true;
    }
    let from_stranger_in_disfavour = n.silenced && !n.follows;
    let about_thread = matches!(
        n.kind,
        NotificationKind::Mention | NotificationKind::Reblog | NotificationKind::Favourite
    );
    let is_unwelcome = n.from_self || n.blocked || n.muted || n.suspended;
    let is_quiet_thread = n.thread_muted && about_thread;
    !(is_unwelcome || from_stranger_in_disfavour || is_quiet_thread)
}

/// Whether followers who asked for it are told of a new post: of what enters their home by itself.
pub const fn tells_followers(
    visibility: Visibility,
    is_reblog: bool,
    replies_to_other: bool,
) -> bool {
    !matches!(visibility, Visibility::Direct) && !is_reblog && !replies_to_other
}

#[cfg(test)]
mod tests {
    use super::*;
    use NotificationKind as Kind;
    use RepliesPolicy::{Followed, List, None};
    use Visibility::{Direct, Followers, Public, Unlisted};

    #[test]
    fn what_enters_a_list() {
        // o = on list, r = replies to other, l = answered on list, k = knows the answered,
        // h = hidden reblog, x = restricted, d = direct.
        for (facts, followed, list, none) in [
            ("", false, false, false),
            ("o", true, true, true),
            ("or", false, false, false),
            ("orl", false, true, false),
            ("ork", true, false, false),
            ("orkl", true, true, false),
            ("rkl", false, false, false),
            ("oh", false, false, false),
            ("ox", false, false, false),
            ("orklx", false, false, false),
            ("od", false, false, false),
        ] {
            for (policy, enters) in [(Followed, followed), (List, list), (None, none)] {
                let has = |c| facts.contains(c);
                let e = ListEntrance {
                    on_list: has('o'),
                    policy,
                    replies_to_other: has('r'),
                    answered_on_list: has('l'),
                    knows_answered: has('k'),
                    hidden_reblog: has('h'),
                    restricted: has('x'),
                    direct: has('d'),
                };
                assert_eq!(enters_list(&e), enters, "{facts} {policy:?}");
            }
        }
    }

    #[test]
    fn what_leaves_home_for_an_exclusive_list() {
        assert!(leaves_home(false, true));
        assert!(!leaves_home(true, true));
        assert!(!leaves_home(false, false));
    }

    #[test]
    fn what_enters_public_and_tag_timelines() {
        // b = reblog, r = reply to other, l = limited author, s = suspended author,
        // k = known to the reader, x = restricted.
        for (visibility, facts, public, tag) in [
            (Public, "", true, true),
            (Unlisted, "", false, false),
            (Followers, "k", false, false),
            (Direct, "k", false, false),
            (Public, "b", false, false),
            (Public, "r", false, true),
            (Public, "rk", false, true),
            (Public, "l", false, false),
            (Public, "lk", true, true),
            (Public, "s", false, false),
            (Public, "sk", false, false),
            (Public, "x", false, false),
            (Public, "kx", false, false),
        ] {
            let has = |c| facts.contains(c);
            let e = PublicEntrance {
                visibility,
                is_reblog: has('b'),
                replies_to_other: has('r'),
                silenced: has('l'),
                suspended: has('s'),
                is_known: has('k'),
                restricted: has('x'),
            };
            assert_eq!(enters_public(&e), public, "{visibility:?} {facts}");
            assert_eq!(enters_tag(&e), tag, "{visibility:?} {facts}");
        }
    }

    #[test]
    fn what_followers_are_told_of() {
        for (visibility, is_reblog, replies_to_other, told) in [
            (Public, false, false, true),
            (Unlisted, false, false, true),
            (Followers, false, false, true),
            (Direct, false, false, false),
            (Public, true, false, false),
            (Public, false, true, false),
        ] {
            let tells = tells_followers(visibility, is_reblog, replies_to_other);
            assert_eq!(tells, told, "{visibility:?} {is_reblog} {replies_to_other}");
        }
    }

    #[test]
    fn who_is_told() {
        // o = from oneself, b = blocked, m = muted with notifications, t = thread muted,
        // l = limited, s = suspended, f = follows them.
        for (kind, facts, told) in [
            (Kind::Mention, "", true),
            (Kind::Favourite, "o", false),
            (Kind::Mention, "b", false),
            (Kind::Mention, "bf", false),
            (Kind::Mention, "m", false),
            (Kind::Mention, "t", false),
            (Kind::Reblog, "t", false),
            (Kind::Favourite, "t", false),
            (Kind::Follow, "t", true),
            (Kind::Status, "tf", true),
            (Kind::Mention, "l", false),
            (Kind::Mention, "lf", true),
            (Kind::Follow, "l", false),
            (Kind::Follow, "s", false),
            (Kind::Mention, "sf", false),
            (Kind::Poll, "o", true),
            (Kind::Poll, "bt", true),
            (Kind::AdminReport, "", true),
        ] {
            let has = |c| facts.contains(c);
            let notice = Notice {
                kind,
                from_self: has('o'),
                blocked: has('b'),
                muted: has('m'),
                thread_muted: has('t'),
                silenced: has('l'),
                suspended: has('s'),
                follows: has('f'),
            };
            assert_eq!(notifies(&notice), told, "{kind:?} {facts}");
        }
    }
}
