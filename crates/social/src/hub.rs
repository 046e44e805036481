//! The hub: hears of every committed deed, in commit order, before whoever did it is answered. It
//! forgets what changed, pushes new posts into the home timelines that are in memory, and passes
//! events on to open streams. Everything here is a cache: losing it costs a rebuild, never a post.

use crate::{
    access::LiveToken,
    cache::Cache,
    home::Homes,
    limits::{ACCOUNTS_CACHED, STATUSES_CACHED, STREAM_LAG_MAX, TOKENS_CACHED},
    pulse::Pulse,
    view::{AccountEntry, StatusEntry},
};
use model::{
    AccountCounts, AccountId, Event, Status, StatusId, TokenId,
    event::Mark,
    member::Preferences,
    notification::Notification,
    ports::{Announcement, Announcer},
};
use std::sync::Arc;
use tokio::sync::{Mutex, broadcast, watch};

/// What an open stream is told.
#[derive(Clone, Debug)]
pub enum StreamEvent {
    /// A post that enters the stream.
    Update(Arc<Status>),
    /// A post has a new wording.
    StatusUpdate(Arc<Status>),
    /// A post is gone; as it was.
    Delete(Arc<Status>),
    /// Somebody is told something.
    Notification(Arc<Notification>),
    /// Whom the member follows, blocks, mutes or lists has changed: what was remembered of that
    /// is to be asked for again.
    Changed,
}

/// How much is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Posts with what is the same for every viewer.
    pub statuses: u64,
    /// Accounts with their counters.
    pub accounts: u64,
    /// Tokens that were verified.
    pub tokens: u64,
    /// Home timelines.
    pub rings: u64,
}

/// Caches, timelines and streams, kept true by events.
pub struct Hub {
    pub(crate) statuses: Cache<StatusId, StatusEntry>,
    pub(crate) accounts: Cache<AccountId, AccountEntry>,
    pub(crate) tokens: Cache<TokenId, LiveToken>,
    pub(crate) preferences: Cache<AccountId, Preferences>,
    /// Who asked to be told of an author's posts: for most authors nobody.
    pub(crate) watchers: Cache<AccountId, Vec<AccountId>>,
    pub(crate) homes: Homes,
    public: broadcast::Sender<StreamEvent>,
    pulse: Pulse,
    rights: watch::Sender<u64>,
    /// Whoever holds it reads for all others who want the same.
    pub(crate) preparing: Mutex<()>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            statuses: Cache::new(STATUSES_CACHED),
            accounts: Cache::new(ACCOUNTS_CACHED),
            tokens: Cache::new(TOKENS_CACHED),
            preferences: Cache::new(ACCOUNTS_CACHED),
            watchers: Cache::new(ACCOUNTS_CACHED),
            homes: Homes::default(),
            public: broadcast::channel(STREAM_LAG_MAX).0,
            pulse: Pulse::default(),
            rights: watch::Sender::new(0),
            preparing: Mutex::new(()),
        }
    }
}

impl Hub {
    /// All posts, edits and deletions; who may see which is the listener's question.
    pub fn listen_public(&self) -> broadcast::Receiver<StreamEvent> {
        self.public.subscribe()
    }

    /// Changes when a token or an account may have lost its rights: who holds a stream open asks
    /// again whether it may.
    pub fn listen_rights(&self) -> watch::Receiver<u64> {
        self.rights.subscribe()
    }

    /// How many events have changed something that visitors see. Whoever keeps an answer for them
    /// reads it first, then gathers, and asks [`Self::changed`] before showing it again.
    pub fn pulse(&self) -> u64 {
        self.pulse.beats()
    }

    /// Whether one of these [`crate::pulse::Topic`]s, by number, has changed since the pulse was
    /// so much. No topics: whether anything public has.
    pub fn changed(&self, topics: &[u64], since: u64) -> bool {
        self.pulse.changed(topics, since)
    }

    /// How much is in memory now.
    pub fn figures(&self) -> Figures {
        Figures {
            statuses: self.statuses.len() as u64,
            accounts: self.accounts.len() as u64,
            tokens: self.tokens.len() as u64,
            rings: self.homes.rings() as u64,
        }
    }

    /// What concerns one member.
    pub fn listen_user(&self, account: AccountId) -> broadcast::Receiver<StreamEvent> {
        self.homes.listen(account)
    }

    fn posted(&self, status: &Arc<Status>, notifications: &[Notification], posts: Option<i64>) {
        self.accounts.change(&status.account, |entry| {
            let statuses = posts.unwrap_or_else(|| {
                let is_new = status.id.get() >= entry.counts.posts_below;
                entry.counts.statuses + i64::from(is_new)
            });
            let last_status = Some(status.created);
            entry.counted(AccountCounts { statuses, last_status, ..entry.counts })
        });
        if let Some(entry) = StatusEntry::of_new(status) {
            self.statuses.hear(status.id, Arc::new(entry));
        }
        for touched in
            [status.in_reply_to.map(|to| to.status), status.reblog_of.map(|of| of.status)]
                .into_iter()
                .flatten()
        {
            self.statuses.forget(&touched);
        }
        self.homes.push(status);
        self.notified(notifications);
        let _ = self.public.send(StreamEvent::Update(Arc::clone(status)));
    }

    fn notified(&self, notifications: &[Notification]) {
        for notification in notifications {
            let event = StreamEvent::Notification(Arc::new(notification.clone()));
            self.homes.tell(notification.account, &event);
        }
    }

    fn hear(&self, event: &Event) {
        match event {
            Event::Posted { status, notifications, posts } => {
                self.posted(status, notifications, *posts);
            }
            Event::PreferencesChanged(account) => self.preferences.forget(account),
            Event::Edited { status, notifications } => {
                self.statuses.forget(&status.id);
                let event = StreamEvent::StatusUpdate(Arc::clone(status));
                self.homes.tell_holders(status.id, &event);
                self.notified(notifications);
                let _ = self.public.send(event);
            }
            Event::Deleted { status, rebloggers } => {
                rebloggers.iter().for_each(|account| self.accounts.forget(account));
                self.deleted(status);
            }
            Event::Marked { account, status, mark, on, notification } => {
                self.homes.marked(*account, *status, *mark, *on);
                if *mark == Mark::Favourite {
                    self.statuses.forget(status);
                }
                self.notified(notification.as_slice());
            }
            Event::Voted { status, .. } => self.statuses.forget(status),
            Event::PollEnded { status, notifications } => {
                self.statuses.forget(status);
                self.notified(notifications);
            }
            Event::Followed { account, target, notification, .. } => {
                self.accounts.forget(account);
                self.accounts.forget(target);
                self.watchers.forget(target);
                self.homes.forget(*account);
                self.notified(notification.as_slice());
            }
            Event::Unfollowed { account, target } => {
                self.accounts.forget(account);
                self.accounts.forget(target);
                self.watchers.forget(target);
                self.homes.forget(*account);
            }
            Event::Restricted { account, target, .. } => {
                // A block ends follows both ways: both timelines and both counters change.
                for side in [account, target] {
                    self.accounts.forget(side);
                    self.watchers.forget(side);
                    self.homes.forget(*side);
                }
            }
            Event::Notified(notification) => self.notified(std::slice::from_ref(notification)),
            Event::ListChanged { account, .. } => self.homes.forget(*account),
            Event::AccountChanged(account) => {
                self.accounts.forget(account);
                // Its tokens may be dead, and it may follow nobody any more: all are looked up
                // again.
                self.tokens.clear();
                self.watchers.clear();
                self.rights.send_modify(|n| *n += 1);
            }
            Event::TokenRevoked(token) => {
                self.tokens.forget(token);
                self.rights.send_modify(|n| *n += 1);
            }
            Event::SessionEnded(_) => {}
        }
    }

    fn deleted(&self, status: &Arc<Status>) {
        self.statuses.forget(&status.id);
        self.accounts.forget(&status.account);
        for touched in
            [status.in_reply_to.map(|to| to.status), status.reblog_of.map(|of| of.status)]
                .into_iter()
                .flatten()
        {
            self.statuses.forget(&touched);
        }
        let event = StreamEvent::Delete(Arc::clone(status));
        self.homes.tell_holders(status.id, &event);
        self.homes.remove(status);
        let _ = self.public.send(event);
    }
}

impl Announcer for Hub {
    fn announce(&self, group: Vec<Announcement>) {
        for announcement in group {
            self.hear(&announcement.event);
            // The caches know by now, so what is gathered from here on is of after it.
            self.pulse.hear(&announcement.event);
            (announcement.acknowledge)();
        }
    }

    fn gap(&self) {
        tracing::warn!("a deed may have gone unheard: timelines and caches are built anew");
        self.statuses.clear();
        self.accounts.clear();
        self.tokens.clear();
        self.preferences.clear();
        self.watchers.clear();
        self.homes.forget_all();
        self.rights.send_modify(|n| *n += 1);
        self.pulse.beat_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        AppId, Timestamp,
        token::{Scopes, Token},
    };

    #[test]
    fn after_a_gap_no_cache_is_believed() {
        let hub = Hub::default();
        let id = TokenId::new(3).expect("an id");
        let token = Token {
            id,
            app: AppId::new(1).expect("an id"),
            account: None,
            scopes: Scopes::default(),
            created: Timestamp::from_ms(0),
            revoked: None,
            used: None,
        };
        let token = Arc::new(LiveToken { token, unconfirmed: false });
        let before = hub.tokens.ticket();
        hub.tokens.put(&before, id, Arc::clone(&token));
        assert!(hub.tokens.get(&id).is_some());
        hub.gap();
        assert!(hub.tokens.get(&id).is_none());
        // What was read before the gap comes too late.
        hub.tokens.put(&before, id, token);
        assert!(hub.tokens.get(&id).is_none());
    }
}
