//! Open streams: what one member is told as it happens, on the channels that they have opened. The
//! same rules as for timelines decide; what differs is only that a post is looked at when it comes.
//!
//! One listener serves one connection, however many channels it has. A listener that falls behind
//! ends: whoever missed something must know it, and reads again from the timeline.

use crate::{
    Social, StatusView, StreamEvent, VerbError,
    home::{Map, until_when},
    limits::{CHANNELS_PER_LISTENER, LIST_PAGES_MAX},
    read::NotificationView,
};
use model::{
    AccountId, ListId, Page, Status, StatusId, Timestamp, Visibility,
    entrance::{ListEntrance, PublicEntrance, enters_list, enters_public, enters_tag},
    list::List,
    notification::Notification,
    relation::Edge,
};
use std::{collections::HashSet, sync::Arc};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// How a listener spells a hashtag. Two spellings of one hashtag are one channel.
#[derive(Clone, Debug)]
pub struct Spelling(pub String);

impl PartialEq for Spelling {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Spelling {}

/// What can be listened to. Source: <https://docs.joinmastodon.org/methods/streaming/>.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Channel {
    /// The home timeline and the notifications.
    User,
    /// The notifications alone.
    UserNotification,
    /// A public timeline.
    Public {
        /// Of this server's authors.
        local: bool,
        /// Of other servers' authors.
        remote: bool,
        /// With media.
        only_media: bool,
    },
    /// Public posts with a hashtag (normalised).
    Hashtag {
        /// The hashtag.
        tag: String,
        /// The same as whoever listens spells it, and calls the channel.
        spelling: Spelling,
        /// Of this server's authors.
        local: bool,
    },
    /// One's own list.
    List(ListId),
    /// Direct posts.
    Direct,
}

/// What one is told.
pub enum What {
    /// A new post.
    Update(StatusView),
    /// A post in its new wording.
    StatusUpdate(StatusView),
    /// This post is gone.
    Delete(StatusId),
    /// A notification.
    Notification(NotificationView),
    /// A direct post, as the newest of its conversation.
    Conversation(StatusView),
}

/// Something to be told on these channels.
pub struct Told {
    /// On which of the open ones.
    pub channels: Vec<Channel>,
    /// What.
    pub what: What,
}

/// Why a listener ended.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// It was too slow, and has missed something.
    #[error("the listener fell behind")]
    Behind,
    /// The server is stopping.
    #[error("nothing more will come")]
    Over,
    /// What was to be told could not be gathered.
    #[error(transparent)]
    Verb(#[from] VerbError),
}

impl From<RecvError> for ListenError {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Lagged(_) => Self::Behind,
            RecvError::Closed => Self::Over,
        }
    }
}

/// A list that is listened to.
struct OpenList {
    list: List,
    members: HashSet<AccountId>,
}

/// One connection's ears.
pub struct Listener {
    social: Arc<Social>,
    viewer: AccountId,
    channels: Vec<Channel>,
    lists: Vec<OpenList>,
    /// Whom the viewer blocks (either way) or mutes, and until when.
    hidden: Map<AccountId, Timestamp>,
    user: Receiver<StreamEvent>,
    /// Only while a channel needs it: it carries everything.
    public: Option<Receiver<StreamEvent>>,
}

impl Channel {
    fn is_users(&self) -> bool {
        matches!(self, Self::User | Self::UserNotification)
    }
}

impl Listener {
    /// Ears of a member, with nothing to listen to yet.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn new(social: Arc<Social>, viewer: AccountId) -> Result<Self, VerbError> {
        let user = social.hub().listen_user(viewer);
        let hidden = until_when(social.store().all_restricted(viewer, social.now()).await?);
        let (channels, lists, public) = (Vec::new(), Vec::new(), None);
        Ok(Self { social, viewer, channels, lists, hidden, user, public })
    }

    /// What is listened to.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// Listens to one more; to one that is open already it changes nothing.
    ///
    /// # Errors
    /// `NotFound` for a list that is not one's own, `Invalid` past the bound of open channels.
    pub async fn open(&mut self, channel: Channel) -> Result<(), VerbError> {
        if self.channels.contains(&channel) {
            return Ok(());
        }
        if self.channels.len() >= CHANNELS_PER_LISTENER {
            return Err(VerbError::Invalid("too many streams on one connection".into()));
        }
        match &channel {
            Channel::User => self.social.attend_home(self.viewer).await?,
            Channel::List(id) => {
                let open = self.read_list(*id).await?.ok_or(VerbError::NotFound)?;
                self.lists.push(open);
            }
            _ => {}
        }
        if !channel.is_users() && self.public.is_none() {
            self.public = Some(self.social.hub().listen_public());
        }
        self.channels.push(channel);
        Ok(())
    }

    /// Listens to it no more.
    pub fn close(&mut self, channel: &Channel) {
        self.channels.retain(|open| open != channel);
        self.lists.retain(|open| *channel != Channel::List(open.list.id));
        if self.channels.iter().all(Channel::is_users) {
            self.public = None;
        }
    }

    /// Waits for the next thing to be told. Cancel safe: nothing is lost between two calls.
    ///
    /// # Errors
    /// After any of them the listener is of no more use.
    pub async fn next(&mut self) -> Result<StreamedFrom, ListenError> {
        match &mut self.public {
            None => Ok(StreamedFrom::User(self.user.recv().await?)),
            Some(public) => tokio::select! {
                // A block is heard before what was posted after it.
                biased;
                event = self.user.recv() => Ok(StreamedFrom::User(event?)),
                event = public.recv() => Ok(StreamedFrom::Public(event?)),
            },
        }
    }

    /// What of it is to be told, on which channels.
    ///
    /// # Errors
    /// When it cannot be gathered.
    pub async fn told(&mut self, event: StreamedFrom) -> Result<Vec<Told>, ListenError> {
        Ok(match event {
            StreamedFrom::User(event) => self.told_by_user(event).await?,
            StreamedFrom::Public(event) => self.told_by_public(event).await?,
        })
    }

    async fn told_by_user(&mut self, event: StreamEvent) -> Result<Vec<Told>, VerbError> {
        let home = || self.channels.iter().filter(|c| **c == Channel::User).cloned().collect();
        let (channels, what): (Vec<Channel>, _) = match event {
            StreamEvent::Update(status) if self.has_home() => {
                (home(), self.at_home(status.id).await?.map(What::Update))
            }
            StreamEvent::StatusUpdate(status) if self.has_home() => {
                (home(), self.at_home(status.id).await?.map(What::StatusUpdate))
            }
            StreamEvent::Delete(status) => (home(), Some(What::Delete(status.id))),
            StreamEvent::Notification(notification) => {
                let users = self.channels.iter().filter(|c| c.is_users()).cloned().collect();
                (users, self.notification(&notification).await?.map(What::Notification))
            }
            StreamEvent::Changed => {
                self.refresh().await?;
                return Ok(vec![]);
            }
            StreamEvent::Update(_) | StreamEvent::StatusUpdate(_) => return Ok(vec![]),
        };
        let told = what.filter(|_| !channels.is_empty()).map(|what| Told { channels, what });
        Ok(told.into_iter().collect())
    }

    fn has_home(&self) -> bool {
        self.channels.contains(&Channel::User)
    }

    async fn at_home(&self, id: StatusId) -> Result<Option<StatusView>, VerbError> {
        self.social.prepare(&[id]).await?;
        Ok(self.social.home_views(self.viewer, &[id]).await?.pop())
    }

    async fn notification(&self, n: &Notification) -> Result<Option<NotificationView>, VerbError> {
        Ok(self.social.notification_views(self.viewer, vec![n.clone()]).await?.pop())
    }

    async fn told_by_public(&mut self, event: StreamEvent) -> Result<Vec<Told>, VerbError> {
        let (status, is_edit) = match event {
            StreamEvent::Update(status) => (status, false),
            StreamEvent::StatusUpdate(status) => (status, true),
            StreamEvent::Delete(status) => return self.told_of_deletion(&status).await,
            StreamEvent::Notification(_) | StreamEvent::Changed => return Ok(vec![]),
        };
        let (everybodys, own) = self.entered(&status).await?;
        let (mut told, ids) = (Vec::new(), [status.id]);
        let update = |view| if is_edit { What::StatusUpdate(view) } else { What::Update(view) };
        if !everybodys.is_empty() {
            self.social.prepare(&ids).await?;
            let seen = self.social.statuses(None, &ids).await?.pop();
            told.extend(seen.map(|view| Told { channels: everybodys, what: update(view) }));
        }
        if !own.is_empty() {
            let (direct, lists): (Vec<_>, Vec<_>) =
                own.into_iter().partition(|channel| *channel == Channel::Direct);
            if let Some(view) = self.social.statuses(Some(self.viewer), &ids).await?.pop() {
                if !lists.is_empty() {
                    told.push(Told { channels: lists, what: update(view.clone()) });
                }
                if !direct.is_empty() && !is_edit {
                    told.push(Told { channels: direct, what: What::Conversation(view) });
                }
            }
        }
        Ok(told)
    }

    async fn told_of_deletion(&self, status: &Status) -> Result<Vec<Told>, VerbError> {
        let (mut channels, own) = self.entered(status).await?;
        channels.extend(own.into_iter().filter(|channel| *channel != Channel::Direct));
        let what = What::Delete(status.id);
        Ok(if channels.is_empty() { vec![] } else { vec![Told { channels, what }] })
    }

    /// The open channels that a post enters: those that show everybody the same, and one's own.
    async fn entered(&self, status: &Status) -> Result<(Vec<Channel>, Vec<Channel>), VerbError> {
        let (mut everybodys, mut own) = (Vec::new(), Vec::new());
        let is_public = status.visibility == Visibility::Public && status.reblog_of.is_none();
        let author = match self.channels.iter().any(|c| !c.is_users()) {
            true if is_public => self.social.accounts(&[status.account]).await?.pop(),
            _ => None,
        };
        let answered = status.in_reply_to.map(|to| to.account);
        let other = answered.filter(|to| *to != status.account);
        let hides = |id: &AccountId| self.hidden.get(id).is_some_and(|end| *end > status.created);
        let entrance = |standing: &model::account::Standing| PublicEntrance {
            visibility: status.visibility,
            is_reblog: status.reblog_of.is_some(),
            replies_to_other: other.is_some(),
            silenced: standing.silenced.is_some(),
            suspended: standing.suspended.is_some(),
            is_known: status.account == self.viewer,
            restricted: hides(&status.account),
        };
        for channel in &self.channels {
            match channel {
                Channel::User | Channel::UserNotification => {}
                Channel::Public { local, remote, only_media } => {
                    let Some(author) = author.as_deref().map(|a| &a.account) else { continue };
                    if (!*local || author.is_local())
                        && (!*remote || !author.is_local())
                        && (!*only_media || !status.media.is_empty())
                        && enters_public(&entrance(&author.standing))
                    {
                        everybodys.push(channel.clone());
                    }
                }
                Channel::Hashtag { tag, local, .. } => {
                    let Some(author) = author.as_deref().map(|a| &a.account) else { continue };
                    if status.tags.contains(tag)
                        && (!*local || author.is_local())
                        && enters_tag(&entrance(&author.standing))
                    {
                        everybodys.push(channel.clone());
                    }
                }
                Channel::List(id) => {
                    let open = self.lists.iter().find(|open| open.list.id == *id);
                    if open.is_some_and(|open| self.enters(open, status, other)) {
                        own.push(channel.clone());
                    }
                }
                Channel::Direct => {
                    let mine =
                        status.account == self.viewer || status.mentions.contains(&self.viewer);
                    if mine && status.visibility == Visibility::Direct {
                        own.push(channel.clone());
                    }
                }
            }
        }
        Ok((everybodys, own))
    }

    fn enters(&self, open: &OpenList, status: &Status, other: Option<AccountId>) -> bool {
        let hides = |id: &AccountId| self.hidden.get(id).is_some_and(|end| *end > status.created);
        let on_list = |id: AccountId| open.members.contains(&id);
        enters_list(&ListEntrance {
            on_list: on_list(status.account),
            policy: open.list.replies_policy,
            replies_to_other: other.is_some(),
            answered_on_list: other.is_some_and(|id| id == self.viewer || on_list(id)),
            // Whoever is on a list is followed.
            knows_answered: other.is_some_and(|id| id == self.viewer || on_list(id)),
            hidden_reblog: false,
            restricted: hides(&status.account)
                || status.reblog_of.is_some_and(|of| hides(&of.account))
                || other.as_ref().is_some_and(hides),
            direct: status.visibility == Visibility::Direct,
        })
    }

    /// Whom the viewer follows, hides or lists has changed.
    async fn refresh(&mut self) -> Result<(), VerbError> {
        let social = Arc::clone(&self.social);
        let hidden = social.store().all_restricted(self.viewer, social.now()).await?;
        if self.has_home() {
            social.attend_home(self.viewer).await?;
        }
        let mut lists = Vec::with_capacity(self.lists.len());
        for open in &self.lists {
            // A list that is gone stays open and is silent, as on Mastodon.
            lists.extend(self.read_list(open.list.id).await?);
        }
        // All or nothing: half of it would be a list that is silent, or a block that is not heard.
        (self.hidden, self.lists) = (until_when(hidden), lists);
        Ok(())
    }

    async fn read_list(&self, id: ListId) -> Result<Option<OpenList>, VerbError> {
        let store = self.social.store();
        let Some(list) = store.list(id).await?.filter(|l| l.account == self.viewer) else {
            return Ok(None);
        };
        let members = self.social.list_members(id).await?;
        let members = members.into_iter().map(|edge| edge.account).collect();
        Ok(Some(OpenList { list, members }))
    }
}

/// Something that happened, and through which ear it came.
pub enum StreamedFrom {
    /// What concerns the member.
    User(StreamEvent),
    /// What concerns everybody.
    Public(StreamEvent),
}

impl Social {
    /// Everybody on a list, the newest first, as far as `LIST_PAGES_MAX` pages go.
    pub async fn list_members(&self, id: ListId) -> Result<Vec<Edge>, VerbError> {
        let (mut members, mut page) = (Vec::new(), Page::newest(200));
        for _ in 0..LIST_PAGES_MAX {
            let found = self.store.list_members(id, page).await?;
            page.max_id = found.last().map(|edge| edge.id.get());
            let whole = found.len() < 200;
            members.extend(found);
            if whole {
                break;
            }
        }
        Ok(members)
    }

    /// Has a new post with all that hangs on it in memory, read once however many listeners want
    /// it at the same moment.
    async fn prepare(&self, ids: &[StatusId]) -> Result<(), VerbError> {
        if self.recall_all(ids).is_some() {
            return Ok(());
        }
        let _turn = self.hub.preparing.lock().await;
        if self.recall_all(ids).is_none() {
            self.gather(ids).await?;
        }
        Ok(())
    }
}
