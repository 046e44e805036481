//! Posts of authors whom very many present readers follow: kept once, taken over at the next read.
//!
//! A push costs each present follower a step, and the post's author waits for nobody; with tens of
//! thousands of them everybody else's posts would wait behind that one. Their newest posts stand
//! here instead, and each timeline takes over those that it admits before it is read. What is
//! admitted is decided by the timeline (`home.rs`); this only keeps order and counts what is lost.

use crate::limits::LARGE_POSTS_MAX;
use model::{Status, StatusId};
use std::{collections::VecDeque, sync::Arc};

/// The newest posts of large authors, oldest first, in the order of their ids.
#[derive(Default)]
pub(crate) struct LargePosts {
    /// `None` where one was deleted: the count goes on.
    kept: VecDeque<(StatusId, Option<Arc<Status>>)>,
    /// How many there have ever been.
    told: u64,
}

impl LargePosts {
    /// Keeps a post. Past the bound the oldest goes, and timelines that had not taken it over are
    /// built anew.
    pub(crate) fn keep(&mut self, status: &Arc<Status>) {
        // A replayed announcement is already here.
        if self.kept.back().is_some_and(|(last, _)| *last >= status.id) {
            return;
        }
        if self.kept.len() >= LARGE_POSTS_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back((status.id, Some(Arc::clone(status))));
        self.told += 1;
    }

    /// Forgets a deleted post.
    pub(crate) fn remove(&mut self, id: StatusId) {
        if let Ok(at) = self.kept.binary_search_by_key(&id, |(kept, _)| *kept)
            && let Some((_, status)) = self.kept.get_mut(at)
        {
            *status = None;
        }
    }

    /// How many there have ever been: what a timeline that took over all of them has seen.
    pub(crate) fn told(&self) -> u64 {
        self.told
    }

    /// Those that came after a count, oldest first; `None` if some of them are gone.
    pub(crate) fn since(&self, seen: u64) -> Option<impl Iterator<Item = &Arc<Status>>> {
        let missed = usize::try_from(self.told.checked_sub(seen)?).ok()?;
        let skip = self.kept.len().checked_sub(missed)?;
        Some(self.kept.iter().skip(skip).filter_map(|(_, status)| status.as_ref()))
    }

    /// Forgets all: something was not heard. No timeline may believe that it has seen everything.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
        self.told += 1;
    }
}
