//! Who may see what, and what enters whose timeline: the rules, each once, each with its table.
//! Every exit (API, stream, page, search) asks here and nowhere else.

use crate::Visibility;

/// All that the rule needs to know about a reader and a post, gathered by the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sight {
    /// Of the post.
    pub visibility: Visibility,
    /// Reader wrote it.
    pub is_author: bool,
    /// Reader follows the author.
    pub follows: bool,
    /// Reader is mentioned in it.
    pub mentioned: bool,
    /// Either blocks the other.
    pub blocked: bool,
    /// The author's account is suspended.
    pub suspended: bool,
}

/// Whether the reader may see the post. A visitor is a reader who follows nobody.
pub const fn may_see(sight: &Sight) -> bool {
    if sight.suspended {
        return false;
    }
    if sight.is_author {
        return true;
    }
    if sight.blocked {
        return false;
    }
    match sight.visibility {
        Visibility::Public | Visibility::Unlisted => true,
        Visibility::Followers => sight.follows || sight.mentioned,
        Visibility::Direct => sight.mentioned,
    }
}

/// Whether the reader may answer the post: whoever sees it may. A block, whichever way, takes the
/// sight and with it the answer.
pub const fn may_reply(sight: &Sight) -> bool {
    may_see(sight)
}

/// Whether the reader, who sees the post, may reblog it: what is not public may only be repeated
/// by its author, and a direct post by nobody.
pub const fn may_reblog(sight: &Sight) -> bool {
    may_see(sight)
        && match sight.visibility {
            Visibility::Public | Visibility::Unlisted => true,
            Visibility::Followers => sight.is_author,
            Visibility::Direct => false,
        }
}

/// Whether the reader may report the post: whoever sees it may, and whoever saw it until a block
/// came between them. Nobody reports their own.
pub const fn may_report(sight: &Sight) -> bool {
    !sight.is_author && may_see(&Sight { blocked: false, ..*sight })
}

/// What a list of people (who follows, who has marked a post) needs to know about one of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Company {
    /// It is the reader.
    pub is_self: bool,
    /// Either blocks the other.
    pub blocked: bool,
    /// Reader mutes them.
    pub muted: bool,
    /// Their account is suspended.
    pub suspended: bool,
}

/// Whether somebody is shown to the reader in such a list, which is not the reader's own: without
/// those whom they would not meet in their timelines either, as Mastodon has it.
pub const fn may_meet(c: &Company) -> bool {
    !c.suspended && (c.is_self || (!c.blocked && !c.muted))
}

/// Whether a reader is shown whom an account follows and who follows it: its owner always; nobody
/// else where it hides them, and never whom it blocks.
pub const fn may_list(is_owner: bool, hides: bool, blocks_reader: bool) -> bool {
    is_owner || (!hides && !blocks_reader)
}

/// What a home timeline needs to know about a post that its reader may see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entrance {
    /// Reader wrote or reblogged it.
    pub is_own: bool,
    /// Reader follows who posted or reblogged it.
    pub follows: bool,
    /// It is a reblog, and the reader hides this account's reblogs.
    pub hidden_reblog: bool,
    /// It is in a language that the reader does not want of this account.
    pub other_language: bool,
    /// It answers somebody else than its author.
    pub replies_to_other: bool,
    /// Reader follows, or is, whom it answers.
    pub knows_answered: bool,
    /// Reader mutes or blocks (either way) the poster, the reblogged author or the answered.
    pub restricted: bool,
    /// It is direct.
    pub direct: bool,
    /// Reader is mentioned in it.
    pub mentioned: bool,
}

/// Whether a post enters the reader's home timeline. A direct one does where it was sent to the
/// reader by somebody whom they follow.
pub const fn enters_home(e: &Entrance) -> bool {
    if e.is_own {
        return true;
    }
    if !e.follows || e.restricted || e.hidden_reblog || e.other_language {
        return false;
    }
    if e.direct && !e.mentioned {
        return false;
    }
    !e.replies_to_other || e.knows_answered
}

#[cfg(test)]
mod tests {
    use super::*;
    use Visibility::{Direct, Followers, Public, Unlisted};

    #[test]
    fn who_is_met_in_lists_of_people() {
        // Facts: i = the reader, b = blocked, m = muted, s = suspended.
        for (facts, expected) in
            [("", true), ("b", false), ("m", false), ("s", false), ("i", true), ("is", false)]
        {
            let has = |letter: char| facts.contains(letter);
            let (is_self, blocked, muted) = (has('i'), has('b'), has('m'));
            let company = Company { is_self, blocked, muted, suspended: has('s') };
            assert_eq!(may_meet(&company), expected, "{facts}");
        }
        for (owner, hides, blocks, expected) in [
            (true, true, false, true),
            (false, false, false, true),
            (false, true, false, false),
            (false, false, true, false),
        ] {
            assert_eq!(may_list(owner, hides, blocks), expected, "{owner} {hides} {blocks}");
        }
    }

    #[test]
    fn who_may_see_answer_and_reblog() {
        // Facts: a = author, f = follows, m = mentioned, b = blocked, s = suspended author.
        for (visibility, facts, see, reblog) in [
            (Public, "", true, true),
            (Unlisted, "", true, true),
            (Followers, "", false, false),
            (Followers, "f", true, false),
            (Followers, "m", true, false),
            (Followers, "a", true, true),
            (Direct, "f", false, false),
            (Direct, "m", true, false),
            (Direct, "a", true, false),
            (Public, "b", false, false),
            (Followers, "fb", false, false),
            (Direct, "mb", false, false),
            (Public, "s", false, false),
            (Public, "as", false, false),
        ] {
            let has = |c| facts.contains(c);
            let sight = Sight {
                visibility,
                is_author: has('a'),
                follows: has('f'),
                mentioned: has('m'),
                blocked: has('b'),
                suspended: has('s'),
            };
            assert_eq!(may_see(&sight), see, "{visibility:?} {facts}");
            assert_eq!(may_reply(&sight), see, "{visibility:?} {facts}");
            assert_eq!(may_reblog(&sight), reblog, "{visibility:?} {facts}");
        }
    }

    #[test]
    fn who_may_report() {
        for (visibility, facts, report) in [
            (Public, "", true),
            (Public, "b", true),
            (Public, "a", false),
            (Public, "s", false),
            (Followers, "", false),
            (Followers, "f", true),
            (Followers, "b", false),
            (Direct, "f", false),
            (Direct, "mb", true),
        ] {
            let has = |c| facts.contains(c);
            let sight = Sight {
                visibility,
                is_author: has('a'),
                follows: has('f'),
                mentioned: has('m'),
                blocked: has('b'),
                suspended: has('s'),
            };
            assert_eq!(may_report(&sight), report, "{visibility:?} {facts}");
        }
    }

    #[test]
    fn what_enters_home() {
        // o = own, f = follows, h = hidden reblog, r = replies to other, k = knows the answered,
        // x = restricted, d = direct, m = mentioned, w = wrong language.
        for (facts, enters) in [
            ("o", true),
            ("ow", true),
            ("fw", false),
            ("frkw", false),
            ("or", true),
            ("", false),
            ("f", true),
            ("fh", false),
            ("fr", false),
            ("frk", true),
            ("rk", false),
            ("fx", false),
            ("frkx", false),
            ("fd", false),
            ("fdm", true),
            ("dm", false),
            ("m", false),
            ("fdmx", false),
            ("fdmw", false),
            ("fdmr", false),
            ("fdmrk", true),
            ("fdrk", false),
            ("od", true),
        ] {
            let has = |c| facts.contains(c);
            let e = Entrance {
                is_own: has('o'),
                follows: has('f'),
                hidden_reblog: has('h'),
                other_language: has('w'),
                replies_to_other: has('r'),
                knows_answered: has('k'),
                restricted: has('x'),
                direct: has('d'),
                mentioned: has('m'),
            };
            assert_eq!(enters_home(&e), enters, "{facts}");
        }
    }
}
