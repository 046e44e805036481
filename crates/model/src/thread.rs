//! Threads: what a post answers and what answers it, out of all posts of a conversation.
//!
//! Pure: which posts there are is gathered elsewhere, and so is who may see each of them.

use crate::{AccountId, StatusId, Visibility};
use std::collections::HashMap;

/// A post of a conversation, as far as its place in it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThreadPost {
    /// It.
    pub id: StatusId,
    /// What it answers.
    pub answers: Option<StatusId>,
    /// Its author goes on in answer to themselves, in a thread that is theirs alone so far.
    pub goes_on: bool,
    /// Who may see it.
    pub visibility: Visibility,
}

/// How much of a thread is shown around a post.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThreadBounds {
    /// Posts above it. Past it: those nearest to the root are left out.
    pub ancestors: usize,
    /// Posts below it. Past it: the last in reading order are left out.
    pub descendants: usize,
    /// Answers to answers below it. Past it: left out.
    pub depth: usize,
}

impl ThreadBounds {
    /// For members, as in Mastodon.
    /// Source: <https://docs.joinmastodon.org/methods/statuses/#context>.
    pub const MEMBERS: Self = Self { ancestors: 4_096, descendants: 4_096, depth: 4_096 };
    /// For visitors, as there: each thread can be asked for from each of its posts, by anybody.
    pub const VISITORS: Self = Self { ancestors: 40, descendants: 60, depth: 20 };

    /// Those that hold for a viewer.
    #[must_use]
    pub const fn of(viewer: Option<AccountId>) -> Self {
        if viewer.is_some() { Self::MEMBERS } else { Self::VISITORS }
    }
}

/// A thread as it lies around one post.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Around {
    /// What it answers, from the root down.
    pub above: Vec<StatusId>,
    /// What answers it, in reading order: each answer is followed by those to it. Only what
    /// somebody says in answer to themselves comes before all others, as one piece.
    /// Source: Mastodon's `Status::ThreadingConcern`.
    pub below: Vec<StatusId>,
    /// How many of those are left out.
    pub more: usize,
}

/// What lies around a post of a conversation. `is_shown` says which posts can be shown at all: the
/// others use up no bound and are not counted, but answers to them may be shown.
pub fn around(
    all: &[ThreadPost],
    focus: StatusId,
    bounds: &ThreadBounds,
    is_shown: impl Fn(&ThreadPost) -> bool,
) -> Around {
    let posts: HashMap<StatusId, &ThreadPost> = all.iter().map(|post| (post.id, post)).collect();
    let parent = |id: StatusId| posts.get(&posts.get(&id)?.answers?).copied();
    let mut found = Around::default();
    // Who answers whom comes from outside too, and may go in a circle.
    let (mut at, mut steps) = (parent(focus), 0);
    while let Some(up) = at.filter(|up| up.id != focus && steps < all.len()) {
        if found.above.len() == bounds.ancestors {
            break;
        }
        if is_shown(up) {
            found.above.push(up.id);
        }
        (at, steps) = (parent(up.id), steps + 1);
    }
    found.above.reverse();
    let mut answers: HashMap<StatusId, Vec<&ThreadPost>> = HashMap::new();
    for post in all.iter().filter(|post| post.id != focus) {
        if let Some(to) = post.answers {
            answers.entry(to).or_default().push(post);
        }
    }
    // Each post answers one other, so that none is met twice.
    let mut open: Vec<(&ThreadPost, usize)> = Vec::new();
    let under = |id, depth, open: &mut Vec<_>| {
        let all = answers.get(&id).into_iter().flatten().rev();
        open.extend(all.map(|post| (*post, depth)));
    };
    under(focus, 1, &mut open);
    while let Some((post, depth)) = open.pop() {
        if is_shown(post) {
            if found.below.len() < bounds.descendants && depth <= bounds.depth {
                found.below.push(post.id);
            } else {
                found.more += 1;
            }
        }
        under(post.id, depth + 1, &mut open);
    }
    let goes_on = |id: &StatusId| posts.get(id).is_some_and(|post| post.goes_on);
    // Stable: both halves stay in order.
    found.below.sort_by_key(|id| !goes_on(id));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(raw: i64) -> StatusId {
        StatusId::new(raw).expect("an id")
    }

    /// Posts by number, and what each answers; those above 100 are for followers, and with those of
    /// the twenties somebody goes on.
    fn posts(all: &[(i64, i64)]) -> Vec<ThreadPost> {
        let post = |(raw, to): &(i64, i64)| ThreadPost {
            id: id(*raw),
            answers: StatusId::new(*to),
            goes_on: (20..30).contains(raw),
            visibility: if *raw > 100 { Visibility::Followers } else { Visibility::Public },
        };
        all.iter().map(post).collect()
    }

    fn raw(ids: &[StatusId]) -> Vec<i64> {
        ids.iter().map(|id| id.get()).collect()
    }

    const WIDE: ThreadBounds = ThreadBounds { ancestors: 9, descendants: 9, depth: 9 };
    const TREE: [(i64, i64); 8] =
        [(1, 0), (2, 1), (3, 1), (4, 2), (5, 4), (6, 3), (7, 2), (101, 3)];

    #[test]
    fn what_is_above_and_below_and_what_is_left_out() {
        let bounds = |ancestors, descendants, depth| ThreadBounds { ancestors, descendants, depth };
        for (focus, bounds, above, below, more) in [
            (1, WIDE, &[][..], &[2, 4, 5, 7, 3, 6][..], 0),
            (4, WIDE, &[1, 2], &[5], 0),
            (5, WIDE, &[1, 2, 4], &[], 0),
            (5, bounds(2, 9, 9), &[2, 4], &[], 0),
            (5, bounds(0, 9, 9), &[], &[], 0),
            (1, bounds(9, 3, 9), &[], &[2, 4, 5], 3),
            (1, bounds(9, 9, 1), &[], &[2, 3], 4),
            (1, bounds(9, 9, 2), &[], &[2, 4, 7, 3, 6], 1),
            (2, bounds(9, 0, 9), &[1], &[], 3),
            // A post that is not of the conversation has nothing around it.
            (50, WIDE, &[], &[], 0),
        ] {
            let found = around(&posts(&TREE), id(focus), &bounds, |p| p.id.get() < 100);
            assert_eq!((raw(&found.above), raw(&found.below)), (above.to_vec(), below.to_vec()));
            assert_eq!(found.more, more, "{focus} {bounds:?}");
        }
    }

    #[test]
    fn what_cannot_be_shown_uses_up_no_bound_and_hides_no_answer() {
        let all = posts(&[(1, 0), (101, 1), (2, 101), (3, 2), (102, 3), (4, 3)]);
        let bounds = ThreadBounds { ancestors: 2, descendants: 2, depth: 9 };
        let open = |post: &ThreadPost| post.visibility.is_for_everybody();
        let found = around(&all, id(1), &bounds, open);
        assert_eq!((raw(&found.below), found.more), (vec![2, 3], 1));
        assert_eq!(raw(&around(&all, id(3), &bounds, open).above), [1, 2]);
        let found = around(&all, id(1), &bounds, |_| true);
        assert_eq!((raw(&found.below), found.more), (vec![101, 2], 3));
    }

    #[test]
    fn who_goes_on_is_read_first_and_in_one_piece() {
        let all = posts(&[(1, 0), (2, 1), (3, 2), (20, 1), (4, 20), (21, 20), (5, 1), (22, 21)]);
        let below = |bounds| raw(&around(&all, id(1), &bounds, |_| true).below);
        assert_eq!(below(WIDE), [20, 21, 22, 2, 3, 4, 5]);
        assert_eq!(below(ThreadBounds { descendants: 4, ..WIDE }), [20, 2, 3, 4]);
    }

    #[test]
    fn a_circle_ends() {
        let all = posts(&[(1, 3), (2, 1), (3, 2), (4, 4)]);
        let found = around(&all, id(2), &WIDE, |_| true);
        assert_eq!((raw(&found.above), raw(&found.below)), (vec![3, 1], vec![3, 1]));
        let other = posts(&[(1, 3), (2, 1), (3, 2), (5, 1)]);
        let found = around(&other, id(5), &WIDE, |_| true);
        assert_eq!(raw(&found.below), [0; 0]);
        assert!(found.above.len() <= other.len());
    }

    #[test]
    fn visitors_are_shown_less() {
        assert_eq!(ThreadBounds::of(None), ThreadBounds::VISITORS);
        assert_eq!(ThreadBounds::of(AccountId::new(1)), ThreadBounds::MEMBERS);
    }
}
