//! Finding posts by their words.

use super::Stored;
use crate::{AccountId, Page, StatusId};
use async_trait::async_trait;

/// The index of posts. It follows what is posted within seconds; edits and deletions it knows at
/// once.
#[async_trait]
pub trait SearchStore {
    /// Takes at most so many posts in that are not in it yet, oldest first. How many it took: fewer
    /// than `limit` means that it has caught up.
    async fn index_posts(&self, limit: u32) -> Stored<u32>;
    /// Posts with all of these words, the last one perhaps unfinished; of one author, if named.
    /// Whether somebody may see them is the caller's question.
    async fn search_posts(
        &self,
        words: &[String],
        author: Option<AccountId>,
        page: Page,
    ) -> Stored<Vec<StatusId>>;
}
