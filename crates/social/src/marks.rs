//! What one reader has done with the posts of their home timeline, remembered beside its ring, so
//! that a page asks the store nothing: a post that came after the ring was built carries no mark
//! but those heard of since, and an older one is looked up once.

use crate::limits::MARKS_REMEMBERED;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use model::{Status, StatusId, event::Mark, status::Marks};

/// Which posts were heard of as they were posted, in the order of ids: the others were there
/// before this process listened.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Heard {
    first: Option<StatusId>,
    newest: Option<StatusId>,
}

impl Heard {
    /// A post was announced.
    pub(crate) fn post(&mut self, id: StatusId) {
        self.first.get_or_insert(id);
        self.newest = self.newest.max(Some(id));
    }

    /// Whether a post was announced, and later than `floor`.
    fn since(&self, floor: Option<StatusId>, id: StatusId) -> bool {
        self.first.is_some_and(|first| id >= first) && Some(id) > floor
    }
}

/// Marks of one reader. Unknown is an answer too: it means that the store must be asked.
#[derive(Default, Debug)]
pub(crate) struct KnownMarks {
    /// Marks that were looked up, or heard of for posts that bear no others.
    known: HashMap<StatusId, Known, RandomState>,
    /// Posts announced after this one bear only marks that were heard of.
    floor: Option<StatusId>,
    /// Grows with every change, so that what was looked up before one is not learnt after it.
    changes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    marks: Marks,
    /// It was looked up, so that it also says whether the thread is muted.
    whole: bool,
}

/// A post whose marks are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// It.
    pub id: StatusId,
    /// Whether it may belong to a thread that its reader had muted before it came.
    pub in_thread: bool,
}

impl Wanted {
    pub(crate) fn of(status: &Status) -> Self {
        Self { id: status.id, in_thread: status.in_reply_to.is_some() }
    }
}

impl KnownMarks {
    /// Knowing nothing of what was heard until now.
    pub(crate) fn after(heard: &Heard) -> Self {
        Self { floor: heard.newest, ..Self::default() }
    }

    /// The marks, if they are known.
    pub(crate) fn get(&self, heard: &Heard, wanted: Wanted) -> Option<Marks> {
        match self.known.get(&wanted.id) {
            Some(known) if known.whole || !wanted.in_thread => Some(known.marks),
            Some(_) => None,
            None => {
                let new = heard.since(self.floor, wanted.id);
                (new && !wanted.in_thread).then(Marks::default)
            }
        }
    }

    /// How much has changed: taken before a look-up, given back with what it found.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// What the store said, unless something has changed since.
    pub(crate) fn learn(
        &mut self,
        heard: &Heard,
        changes: u64,
        found: impl Iterator<Item = (StatusId, Marks)>,
    ) {
        if changes != self.changes {
            return;
        }
        for (id, marks) in found {
            self.make_room(heard);
            self.known.insert(id, Known { marks, whole: true });
        }
    }

    fn make_room(&mut self, heard: &Heard) {
        if self.known.len() >= MARKS_REMEMBERED {
            *self = Self { changes: self.changes + 1, ..Self::after(heard) };
        }
    }

    /// A mark was set or taken away.
    pub(crate) fn marked(&mut self, heard: &Heard, id: StatusId, mark: Mark, on: bool) {
        match mark {
            Mark::Favourite => self.change(heard, id, |marks| marks.favourited = on),
            Mark::Bookmark => self.change(heard, id, |marks| marks.bookmarked = on),
            Mark::Pin => self.change(heard, id, |marks| marks.pinned = on),
            // It marks a whole thread, whose posts nobody can name here: all is asked for again.
            Mark::Mute => *self = Self { changes: self.changes + 1, ..Self::after(heard) },
        }
    }

    /// The reader reblogged a post, or no longer does.
    pub(crate) fn reblogged(&mut self, heard: &Heard, id: StatusId, on: bool) {
        self.change(heard, id, |marks| marks.reblogged = on);
    }

    fn change(&mut self, heard: &Heard, id: StatusId, change: impl FnOnce(&mut Marks)) {
        self.changes += 1;
        if let Some(known) = self.known.get_mut(&id) {
            change(&mut known.marks);
        } else if heard.since(self.floor, id) {
            self.make_room(heard);
            let mut marks = Marks::default();
            change(&mut marks);
            if heard.since(self.floor, id) {
                self.known.insert(id, Known { marks, whole: false });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(raw: i64) -> StatusId {
        StatusId::new(raw).expect("an id")
    }
    fn post(raw: i64) -> Wanted {
        Wanted { id: id(raw), in_thread: false }
    }
    fn reply(raw: i64) -> Wanted {
        Wanted { id: id(raw), in_thread: true }
    }
    const FAVOURITE: Marks = Marks {
        favourited: true,
        reblogged: false,
        bookmarked: false,
        muted: false,
        pinned: false,
    };

    fn heard(first: i64, newest: i64) -> Heard {
        let mut heard = Heard::default();
        heard.post(id(first));
        heard.post(id(newest));
        heard
    }

    #[test]
    fn what_came_later_is_unmarked_and_what_was_there_is_asked_for_once() {
        let mut marks = KnownMarks::after(&heard(5, 10));
        let heard = heard(5, 20);
        assert_eq!(marks.get(&heard, post(11)), Some(Marks::default()));
        assert_eq!(marks.get(&heard, reply(11)), None, "its thread may be muted");
        assert_eq!(marks.get(&heard, post(10)), None);
        let found = [(id(10), FAVOURITE), (id(11), Marks::default())];
        marks.learn(&heard, marks.changes(), found.into_iter());
        assert_eq!(marks.get(&heard, post(10)), Some(FAVOURITE));
        assert_eq!(marks.get(&heard, reply(11)), Some(Marks::default()));
    }

    #[test]
    fn what_was_there_before_anything_was_heard_is_asked_for() {
        let marks = KnownMarks::after(&Heard::default());
        assert_eq!(marks.get(&Heard::default(), post(11)), None);
        assert_eq!(marks.get(&heard(12, 20), post(11)), None);
        assert_eq!(marks.get(&heard(12, 20), post(12)), Some(Marks::default()));
    }

    #[test]
    fn what_is_heard_is_true_at_once() {
        let mut marks = KnownMarks::after(&heard(5, 10));
        let heard = heard(5, 20);
        marks.learn(&heard, 0, [(id(10), Marks::default())].into_iter());
        marks.marked(&heard, id(10), Mark::Favourite, true);
        assert_eq!(marks.get(&heard, post(10)), Some(FAVOURITE));
        marks.marked(&heard, id(10), Mark::Favourite, false);
        assert_eq!(marks.get(&heard, post(10)), Some(Marks::default()));
        marks.marked(&heard, id(12), Mark::Favourite, true);
        assert_eq!(marks.get(&heard, post(12)), Some(FAVOURITE));
        assert_eq!(marks.get(&heard, reply(12)), None, "its thread may be muted");
        marks.reblogged(&heard, id(9), true);
        assert_eq!(marks.get(&heard, post(9)), None, "other marks of it are not known");
        marks.marked(&heard, id(9), Mark::Mute, true);
        for raw in 9..=20 {
            assert_eq!(marks.get(&heard, post(raw)), None, "{raw} may be in that thread");
        }
    }

    #[test]
    fn what_a_change_overtook_is_not_learnt() {
        let heard = heard(5, 10);
        let mut marks = KnownMarks::after(&heard);
        let before = marks.changes();
        marks.marked(&heard, id(10), Mark::Favourite, true);
        marks.learn(&heard, before, [(id(10), Marks::default())].into_iter());
        assert_eq!(marks.get(&heard, post(10)), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut marks = KnownMarks::after(&heard(1, 1));
        let heard = heard(1, 20_000);
        for raw in 2..10_000 {
            marks.learn(&heard, marks.changes(), [(id(raw), FAVOURITE)].into_iter());
            assert_eq!(marks.get(&heard, post(raw)), Some(FAVOURITE));
            marks.marked(&heard, id(10_000 + raw), Mark::Favourite, true);
        }
        assert!(marks.known.len() <= MARKS_REMEMBERED);
        assert_eq!(marks.get(&heard, post(2)), None, "forgotten, so asked for");
    }
}
