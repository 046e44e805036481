//! Reading: timelines, threads, notifications. Pages of ids come from memory or the store; what
//! the reader may not see falls out when they are shown.

use crate::{AccountView, Social, StatusView, VerbError};
use model::{
    AccountId, Page, StatusId,
    notification::{Notification, NotificationKind},
    ports::TimelineQuery,
};

/// A thread around one post.
pub struct Thread {
    /// What it answers, from the root down.
    pub ancestors: Vec<StatusView>,
    /// What answers it, in reading order.
    pub descendants: Vec<StatusView>,
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
    /// A listing as the viewer may see it. Authors whom the viewer blocks (either way) or mutes
    /// are left out of what is not their own page.
    pub async fn listing(
        &self,
        viewer: Option<AccountId>,
        query: &TimelineQuery,
        page: Page,
    ) -> Result<Vec<StatusView>, VerbError> {
        let ids = self.store.timeline(query, page).await?;
        let mut views = self.statuses(viewer, &ids).await?;
        let everybody = matches!(query, TimelineQuery::Public { .. } | TimelineQuery::Tag { .. });
        if everybody {
            views.retain(|v| v.author.account.standing.silenced.is_none());
        }
        let own_page = matches!(query, TimelineQuery::Account { .. });
        if let Some(viewer) = viewer.filter(|_| !own_page) {
            let hidden = self.store.all_restricted(viewer).await?;
            views.retain(|v| !hidden.contains(&v.author.account.id));
        }
        Ok(views)
    }

    /// What a post answers and what answers it, as far as the viewer may see.
    pub async fn thread(
        &self,
        viewer: Option<AccountId>,
        id: StatusId,
    ) -> Result<Thread, VerbError> {
        let focus = self.status(viewer, id).await?;
        let conversation = focus.entry.status.conversation;
        let all = self.store.thread(conversation, crate::limits::THREAD_MAX).await?;
        let parent = |id: StatusId| {
            all.iter().find(|s| s.id == id).and_then(|s| Some(s.in_reply_to?.status))
        };
        let mut ancestors = Vec::new();
        let mut at = parent(id);
        while let Some(up) = at {
            if ancestors.contains(&up) {
                break;
            }
            ancestors.push(up);
            at = parent(up);
        }
        ancestors.reverse();
        // Ids grow down a thread, so one pass in posting order finds every descendant.
        let mut below = vec![id];
        for status in &all {
            if status.in_reply_to.is_some_and(|to| below.contains(&to.status)) {
                below.push(status.id);
            }
        }
        Ok(Thread {
            ancestors: self.statuses(viewer, &ancestors).await?,
            descendants: self.statuses(viewer, below.get(1..).unwrap_or_default()).await?,
        })
    }

    /// Notifications, newest first.
    pub async fn notifications(
        &self,
        account: AccountId,
        kinds: &[NotificationKind],
        from: Option<AccountId>,
        page: Page,
    ) -> Result<Vec<NotificationView>, VerbError> {
        let found = self.store.notifications(account, kinds, from, page).await?;
        self.notification_views(account, found).await
    }

    /// Notifications with those they speak of; those about what is gone are left out.
    pub async fn notification_views(
        &self,
        account: AccountId,
        found: Vec<Notification>,
    ) -> Result<Vec<NotificationView>, VerbError> {
        let people: Vec<AccountId> = found.iter().map(|n| n.from).collect();
        let people = self.accounts(&people).await?;
        let posts: Vec<StatusId> = found.iter().filter_map(|n| n.status).collect();
        let posts = self.statuses(Some(account), &posts).await?;
        Ok(found
            .into_iter()
            .filter_map(|notification| {
                let from = people.iter().find(|a| a.account.id == notification.from)?.clone();
                let status = match notification.status {
                    None => None,
                    Some(id) => Some(posts.iter().find(|p| p.entry.status.id == id)?.clone()),
                };
                Some(NotificationView { notification, from, status })
            })
            .collect())
    }
}
