//! Reading: timelines, threads, notifications. Pages of ids come from memory or the store; what
//! the reader may not see falls out when they are shown.

use crate::{AccountView, Social, StatusView, VerbError};
use model::{
    AccountId, ConversationId, ListId, Page, StatusId, Visibility,
    entrance::{
        ListEntrance, Notice, PublicEntrance, enters_list, enters_public, enters_tag, notifies,
    },
    list::List,
    notification::{Notification, NotificationKind},
    ports::{SightFacts, TimelineQuery},
    thread::{self, ThreadBounds, ThreadPost},
};
use std::collections::HashMap;

/// First (newest) and last id of what the store gave for a page; what is hidden of it pages too.
pub type Ends = Option<(i64, i64)>;

/// A page of posts.
pub struct Listing {
    /// Those that the reader sees, newest first.
    pub views: Vec<StatusView>,
    /// Where the pages beside it begin.
    pub ends: Ends,
    /// Whether some of the page is not for the reader's eyes now.
    pub hides: bool,
}

impl Listing {
    /// What is seen of these ids.
    pub(crate) fn of(ids: &[StatusId], views: Vec<StatusView>) -> Self {
        Self { ends: ends(ids), hides: views.len() < ids.len(), views }
    }
}

fn ends(ids: &[StatusId]) -> Ends {
    ids.first().zip(ids.last()).map(|(first, last)| (first.get(), last.get()))
}

/// A thread around one post.
pub struct Thread {
    /// What it answers, from the root down.
    pub ancestors: Vec<StatusView>,
    /// What answers it, in reading order.
    pub descendants: Vec<StatusView>,
    /// How many answers are left out.
    pub more: usize,
    /// Which thread it is.
    pub conversation: ConversationId,
    /// Who wrote the post that was asked about.
    pub author: AccountId,
}

/// A notification with those it speaks of.
pub struct NotificationView {
    /// It.
    pub notification: Notification,
    /// Who caused it.
    pub from: AccountView,
    /// About which post.
    pub status: Option<StatusView>,
}

impl Social {
    /// A listing as the viewer may see it. A public or hashtag timeline asks its rule; one's own
    /// page shows all that may be seen.
    pub async fn listing(
        &self,
        viewer: Option<AccountId>,
        query: &TimelineQuery,
        page: Page,
    ) -> Result<Listing, VerbError> {
        let ids = self.store.timeline(query, page).await?;
        let mut views = self.statuses(viewer, &ids).await?;
        let enters: Option<fn(&PublicEntrance) -> bool> = match query {
            TimelineQuery::Public { .. } => Some(enters_public),
            TimelineQuery::Tag { .. } => Some(enters_tag),
            _ => None,
        };
        if let Some(enters) = enters {
            views.retain(|view| enters(&public_entrance(view, viewer)));
        }
        Ok(Listing::of(&ids, views))
    }

    /// What one of the reader's lists holds.
    ///
    /// # Errors
    /// `NotFound` for a list that is not the reader's own.
    pub async fn list_timeline(
        &self,
        reader: AccountId,
        list: ListId,
        page: Page,
    ) -> Result<Listing, VerbError> {
        let list = self.store.list(list).await?.filter(|list| list.account == reader);
        let list = list.ok_or(VerbError::NotFound)?;
        let ids = self.store.timeline(&TimelineQuery::List(list.id), page).await?;
        let mut views = self.statuses(Some(reader), &ids).await?;
        let mut answered: Vec<AccountId> = views.iter().filter_map(answered).collect();
        answered.sort_unstable();
        answered.dedup();
        let mut near = Answered::default();
        if !answered.is_empty() {
            let facts = self.store.sight_facts(reader, &answered, self.now()).await?;
            near.facts = facts.into_iter().collect();
            near.on_list = self.store.on_list(list.id, &answered).await?;
        }
        views.retain(|view| enters_list(&list_entrance(view, reader, &list, &near)));
        Ok(Listing::of(&ids, views))
    }

    /// What a post answers and what answers it, as far as the viewer may see.
    pub async fn thread(
        &self,
        viewer: Option<AccountId>,
        id: StatusId,
        bounds: &ThreadBounds,
    ) -> Result<Thread, VerbError> {
        let focus = self.status(viewer, id).await?;
        let conversation = focus.entry.status.conversation;
        let all = self.store.thread(conversation, crate::limits::THREAD_MAX).await?;
        // What no visitor sees need not be read to find that out.
        let is_shown = |post: &ThreadPost| viewer.is_some() || post.visibility.is_for_everybody();
        let around = thread::around(&all, id, bounds, is_shown);
        Ok(Thread {
            conversation,
            author: focus.author.account.id,
            ancestors: self.unmuted(viewer, &around.above).await?,
            descendants: self.unmuted(viewer, &around.below).await?,
            more: around.more,
        })
    }

    /// Those that the viewer may see, without those of people whom they mute.
    async fn unmuted(
        &self,
        viewer: Option<AccountId>,
        ids: &[StatusId],
    ) -> Result<Vec<StatusView>, VerbError> {
        let mut views = self.statuses(viewer, ids).await?;
        views.retain(|view| !view.facts.muted);
        Ok(views)
    }

    /// Notifications, newest first, and the ends of the page that they were found on.
    pub async fn notifications(
        &self,
        account: AccountId,
        kinds: &[NotificationKind],
        from: Option<AccountId>,
        page: Page,
    ) -> Result<(Vec<NotificationView>, Ends), VerbError> {
        let found = self.store.notifications(account, kinds, from, page).await?;
        let ends = found.first().zip(found.last()).map(|(a, z)| (a.id.get(), z.id.get()));
        Ok((self.notification_views(account, found).await?, ends))
    }

    /// Notifications with those they speak of; without those about what is gone, and from whom
    /// the rule keeps away now. A thread that is muted is quiet from then on: what was told of it
    /// before stays.
    pub async fn notification_views(
        &self,
        account: AccountId,
        found: Vec<Notification>,
    ) -> Result<Vec<NotificationView>, VerbError> {
        let mut people: Vec<AccountId> = found.iter().map(|n| n.from).collect();
        people.sort_unstable();
        people.dedup();
        let facts = self.store.sight_facts(account, &people, self.now()).await?;
        let facts: HashMap<AccountId, SightFacts> = facts.into_iter().collect();
        let people = self.accounts(&people).await?;
        let posts: Vec<StatusId> = found.iter().filter_map(|n| n.status).collect();
        let posts = self.statuses(Some(account), &posts).await?;
        Ok(found
            .into_iter()
            .filter_map(|notification| {
                let from = people.iter().find(|a| a.account.id == notification.from)?.clone();
                let known = facts.get(&notification.from).copied().unwrap_or_default();
                let told = notifies(&Notice {
                    kind: notification.kind,
                    from_self: notification.from == account,
                    blocked: known.blocked,
                    muted: known.notifications_muted,
                    thread_muted: false,
                    silenced: from.account.standing.silenced.is_some(),
                    suspended: from.account.standing.suspended.is_some(),
                    follows: known.follows,
                });
                let status = match notification.status {
                    None => None,
                    Some(id) => Some(posts.iter().find(|p| p.entry.status.id == id)?.clone()),
                };
                told.then_some(NotificationView { notification, from, status })
            })
            .collect())
    }
}

/// What a list needs to know of those whom its posts answer.
#[derive(Default)]
struct Answered {
    facts: HashMap<AccountId, SightFacts>,
    on_list: Vec<AccountId>,
}

/// Whom a post answers, if that is somebody else than its author.
fn answered(view: &StatusView) -> Option<AccountId> {
    let status = &view.entry.status;
    status.in_reply_to.map(|to| to.account).filter(|to| *to != status.account)
}

fn public_entrance(view: &StatusView, viewer: Option<AccountId>) -> PublicEntrance {
    let status = &view.entry.status;
    let standing = &view.author.account.standing;
    PublicEntrance {
        visibility: status.visibility,
        is_reblog: status.reblog_of.is_some(),
        replies_to_other: answered(view).is_some(),
        silenced: standing.silenced.is_some(),
        suspended: standing.suspended.is_some(),
        is_known: viewer == Some(status.account) || view.facts.follows,
        restricted: view.facts.blocked || view.facts.muted,
    }
}

fn list_entrance(
    view: &StatusView,
    reader: AccountId,
    list: &List,
    near: &Answered,
) -> ListEntrance {
    let status = &view.entry.status;
    let other = answered(view);
    let hidden = |facts: &SightFacts| facts.blocked || facts.muted;
    let known = other.and_then(|id| near.facts.get(&id).copied()).unwrap_or_default();
    ListEntrance {
        // The store gave what those on the list have posted.
        on_list: true,
        policy: list.replies_policy,
        replies_to_other: other.is_some(),
        answered_on_list: other.is_some_and(|id| id == reader || near.on_list.contains(&id)),
        knows_answered: known.follows || other == Some(reader),
        hidden_reblog: status.reblog_of.is_some() && view.facts.hides_reblogs,
        restricted: hidden(&view.facts)
            || hidden(&known)
            || view.reblog.as_ref().is_some_and(|of| hidden(&of.facts)),
        direct: status.visibility == Visibility::Direct,
    }
}
