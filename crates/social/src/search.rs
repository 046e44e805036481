//! Searching posts: by words, among those that the asker may see and that want to be found.
//! Source: <https://docs.joinmastodon.org/methods/search/>.

use crate::{
    Social, StatusView, VerbError,
    limits::{INDEXED_AT_ONCE, SEARCH_ROUNDS_MAX, SEARCH_WORDS_MAX},
};
use model::{AccountId, Page, StatusId, Visibility};

/// Whether an asker who sees a post may find it: it is theirs, or they have had to do with it, or
/// it is public and its author lets themselves be found.
fn may_find(view: &StatusView, viewer: AccountId) -> bool {
    let status = &view.entry.status;
    let marks = view.marks.unwrap_or_default();
    status.account == viewer
        || status.mentions.contains(&viewer)
        || marks.favourited
        || marks.bookmarked
        || marks.reblogged
        || (status.visibility == Visibility::Public && view.author.account.indexable)
}

impl Social {
    /// Posts that have all these words, newest first, from `offset`.
    pub async fn search_statuses(
        &self,
        viewer: AccountId,
        text: &str,
        author: Option<AccountId>,
        page: Page,
        offset: usize,
    ) -> Result<Vec<StatusView>, VerbError> {
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .take(SEARCH_WORDS_MAX)
            .map(str::to_lowercase)
            .collect();
        let wanted = usize::try_from(page.limit).unwrap_or(usize::MAX).saturating_add(offset);
        let (mut found, mut window) = (Vec::new(), Page { limit: 40, ..page });
        for _ in 0..SEARCH_ROUNDS_MAX {
            let ids: Vec<StatusId> = self.store.search_posts(&words, author, window).await?;
            let views = self.statuses(Some(viewer), &ids).await?;
            found.extend(views.into_iter().filter(|view| may_find(view, viewer)));
            let last = if window.ascending() { ids.first() } else { ids.last() };
            let Some(last) = last.filter(|_| ids.len() >= 40 && found.len() < wanted) else {
                break;
            };
            match window.ascending() {
                true => window.min_id = Some(last.get()),
                false => window.max_id = Some(last.get()),
            }
        }
        found.sort_by_key(|view| std::cmp::Reverse(view.entry.status.id));
        found.truncate(wanted);
        Ok(found.split_off(offset.min(found.len())))
    }

    /// Lets the search index take in what was posted; `true` while there may be more.
    pub async fn index_search(&self) -> Result<bool, VerbError> {
        Ok(self.store.index_posts(INDEXED_AT_ONCE).await? == INDEXED_AT_ONCE)
    }
}
