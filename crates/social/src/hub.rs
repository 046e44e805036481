//! The hub: hears of every committed deed, in commit order, before whoever did it is answered. It
//! forgets what changed, pushes new posts into the home timelines that are in memory, and passes
//! events on to open streams. Everything here is a cache: losing it costs a rebuild, never a post.

use crate::{
    access::LiveToken,
    cache::Cache,
    home::Homes,
    limits::{ACCOUNTS_CACHED, APPS_CACHED, STATUSES_CACHED, STREAM_LAG_MAX, TOKENS_CACHED},
    pulse::Pulse,
    view::{AccountEntry, StatusEntry},
};
use model::{
    AccountCounts, AccountId, AppId, Event, Status, StatusId, TokenId,
    app::App,
    event::Mark,
    member::Preferences,
    notification::Notification,
    ports::{Announcement, Announcer},
};
use std::sync::Arc;
use tokio::sync::{Mutex, broadcast};

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

/// Whose rights may have become less.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rights {
    /// Of all tokens of an account.
    Account(AccountId),
    /// Of one token.
    Token(TokenId),
    /// Nobody knows whose.
    Everybody,
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
    /// What posts were posted with. Never forgotten: nothing of an app changes.
    pub(crate) apps: Cache<AppId, App>,
    /// Who asked to be told of an author's posts: for most authors nobody.
    pub(crate) watchers: Cache<AccountId, Vec<AccountId>>,
    pub(crate) homes: Homes,
    public: broadcast::Sender<StreamEvent>,
    pulse: Pulse,
    rights: broadcast::Sender<Rights>,
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
            apps: Cache::new(APPS_CACHED),
            watchers: Cache::new(ACCOUNTS_CACHED),
            homes: Homes::default(),
            public: broadcast::channel(STREAM_LAG_MAX).0,
            pulse: Pulse::default(),
            rights: broadcast::channel(STREAM_LAG_MAX).0,
            preparing: Mutex::new(()),
        }
    }
}

impl Hub {
    /// All posts, edits and deletions; who may see which is the listener's question.
    pub fn listen_public(&self) -> broadcast::Receiver<StreamEvent> {
        self.public.subscribe()
    }

    /// Whose rights may have become less: who holds a stream of theirs open asks again whether it
    /// may, and so does whoever has missed something here.
    pub fn listen_rights(&self) -> broadcast::Receiver<Rights> {
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
        // Whoever posts has asked for the app before; a post by another way is looked up when it is
        // read.
        let app = status.app.map(|id| self.apps.get(&id));
        if app.as_ref().is_none_or(Option::is_some)
            && let Some(entry) = StatusEntry::of_new(status, app.flatten())
        {
            self.statuses.hear(status.id, Arc::new(entry));
        }
        for touched in
            [status.in_reply_to.and_then(|to| to.status), status.reblog_of.map(|of| of.status)]
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
            Event::Edited { status, notifications } => {
                self.statuses.forget(&status.id);
                let event = StreamEvent::StatusUpdate(Arc::clone(status));
                self.homes.tell_holders(status.id, &event);
                self.notified(notifications);
                let _ = self.public.send(event);
            }
            Event::Deleted { status, rebloggers, answers } => {
                answers.iter().for_each(|answer| self.statuses.forget(answer));
                self.deleted(status, rebloggers);
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
            Event::ProfileChanged(account) => {
                self.accounts.forget(account);
                self.preferences.forget(account);
            }
            Event::AccountChanged(account) | Event::AccountRestored(account) => {
                self.accounts.forget(account);
                // Its tokens may be dead, and it may follow nobody any more: both are looked up
                // again.
                self.tokens.forget_all(|live| live.account == Some(*account));
                self.watchers.clear();
                let _ = self.rights.send(Rights::Account(*account));
            }
            Event::TokenRevoked(token) => {
                self.tokens.forget(token);
                let _ = self.rights.send(Rights::Token(*token));
            }
            Event::SessionEnded(_) => {}
        }
    }

    fn deleted(&self, status: &Arc<Status>, rebloggers: &[AccountId]) {
        rebloggers.iter().for_each(|account| self.accounts.forget(account));
        self.statuses.forget(&status.id);
        self.accounts.forget(&status.account);
        for touched in
            [status.in_reply_to.and_then(|to| to.status), status.reblog_of.map(|of| of.status)]
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
        let _ = self.rights.send(Rights::Everybody);
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

    fn live(id: i64, account: Option<AccountId>) -> (TokenId, Arc<LiveToken>) {
        let id = TokenId::new(id).expect("an id");
        let token = Token {
            id,
            app: AppId::new(1).expect("an id"),
            account,
            scopes: Scopes::default(),
            created: Timestamp::from_ms(0),
            revoked: None,
            used: None,
        };
        (id, Arc::new(LiveToken { token, unconfirmed: false }))
    }

    #[test]
    fn what_an_account_may_do_is_asked_again_for_that_account_alone() {
        let hub = Hub::default();
        let account = |id| AccountId::new(id).expect("an id");
        let mut rights = hub.listen_rights();
        let ticket = hub.tokens.ticket();
        for (id, of) in [(1, Some(account(7))), (2, Some(account(8))), (3, None)] {
            let (id, token) = live(id, of);
            hub.tokens.put(&ticket, id, token);
        }
        let known = |id| hub.tokens.get(&TokenId::new(id).expect("an id")).is_some();
        hub.hear(&Event::ProfileChanged(account(7)));
        assert!(known(1) && known(2) && known(3) && rights.try_recv().is_err());
        hub.hear(&Event::AccountChanged(account(7)));
        assert!(!known(1) && known(2) && known(3));
        assert_eq!(rights.try_recv().ok(), Some(Rights::Account(account(7))));
        // What was read before comes too late.
        let (id, token) = live(1, Some(account(7)));
        hub.tokens.put(&ticket, id, token);
        assert!(!known(1));
        hub.hear(&Event::TokenRevoked(TokenId::new(2).expect("an id")));
        assert!(!known(2) && known(3));
        hub.gap();
        assert!(!known(3));
    }

    #[test]
    fn after_a_gap_no_cache_is_believed() {
        let hub = Hub::default();
        let (id, token) = live(3, None);
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
