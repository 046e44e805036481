//! What a front shows: statuses and accounts with all that hangs on them, read in a few queries
//! however many there are, and cached by what they are, never by who looks.

use crate::{Called, Social, VerbError, home::Facts};
use foldhash::fast::RandomState;
use model::{
    Account, AccountCounts, AccountId, AppId, MediaId, PollId, Status, StatusCounts, StatusId,
    Timestamp,
    app::App,
    media::Media,
    poll::Poll,
    ports::SightFacts,
    sight::{Company, Sight, may_list, may_meet, may_see},
    status::Marks,
};
use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

/// What a front made of an entry, kept for as long as the entry is: the bytes that are the same for
/// whoever looks. Opaque here, and gone with the entry when anything in it changes.
#[derive(Debug, Default)]
pub struct Rendering(OnceLock<Box<[u8]>>);

impl Rendering {
    /// The bytes, made at the first call.
    pub fn get_or_make(&self, make: impl FnOnce() -> Vec<u8>) -> &[u8] {
        self.0.get_or_init(|| make().into_boxed_slice())
    }
}

/// An account with its numbers.
#[derive(Debug)]
pub struct AccountEntry {
    /// The profile.
    pub account: Arc<Account>,
    /// Whom the profile names.
    pub called: Arc<Called>,
    /// Made of the profile alone by the front that shows it: it outlives a change of the numbers.
    pub profile: Arc<Rendering>,
    /// Its numbers.
    pub counts: AccountCounts,
    /// Made by the front that shows it.
    pub rendering: Rendering,
}

impl AccountEntry {
    /// As it was read.
    pub(crate) fn new(account: Account, called: Called, counts: AccountCounts) -> Self {
        let (account, called) = (Arc::new(account), Arc::new(called));
        let (profile, rendering) = (Arc::default(), Rendering::default());
        Self { account, called, profile, counts, rendering }
    }

    /// The same account with other numbers.
    pub(crate) fn counted(&self, counts: AccountCounts) -> Self {
        let (account, called) = (Arc::clone(&self.account), Arc::clone(&self.called));
        let (profile, rendering) = (Arc::clone(&self.profile), Rendering::default());
        Self { account, called, profile, counts, rendering }
    }
}

/// A shared account.
pub type AccountView = Arc<AccountEntry>;

/// A status with what is the same for every viewer.
#[derive(Debug)]
pub struct StatusEntry {
    /// The post, shared with the event that told of it.
    pub status: Arc<Status>,
    /// Its numbers.
    pub counts: StatusCounts,
    /// Its media, in order.
    pub media: Vec<Media>,
    /// Its poll.
    pub poll: Option<Poll>,
    /// The app that it was posted with.
    pub app: Option<Arc<App>>,
    /// Made by the front that shows it.
    pub rendering: Rendering,
}

impl StatusEntry {
    /// Of a post that was just announced, when the post and its app say all there is to know of it.
    pub(crate) fn of_new(status: &Arc<Status>, app: Option<Arc<App>>) -> Option<Self> {
        let alone = status.media.is_empty() && status.poll.is_none();
        alone.then(|| Self {
            status: Arc::clone(status),
            counts: StatusCounts::default(),
            media: Vec::new(),
            poll: None,
            app,
            rendering: Rendering::default(),
        })
    }
}

/// A status as one viewer sees it.
#[derive(Clone, Debug)]
pub struct StatusView {
    /// The post.
    pub entry: Arc<StatusEntry>,
    /// Who wrote it.
    pub author: AccountView,
    /// What it repeats.
    pub reblog: Option<Box<StatusView>>,
    /// Accounts that it mentions.
    pub mentions: Vec<AccountView>,
    /// What the viewer has done with it; `None` for visitors.
    pub marks: Option<Marks>,
    /// Whether the viewer wrote it.
    pub is_own: bool,
    /// The viewer's choices in its poll.
    pub votes: Vec<u32>,
    /// How the viewer stands to its author.
    pub(crate) facts: SightFacts,
}

impl StatusView {
    fn with_reblogged(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.reblog.as_deref())
    }

    /// What the rules about seeing and answering need to know, once somebody has looked.
    pub(crate) fn sight(&self, viewer: Option<AccountId>) -> Sight {
        let status = &self.entry.status;
        Sight {
            visibility: status.visibility,
            is_author: viewer == Some(status.account),
            follows: self.facts.follows,
            mentioned: viewer.is_some_and(|v| status.mentions.contains(&v)),
            blocked: self.facts.blocked,
            suspended: self.author.account.standing.suspended.is_some(),
        }
    }

    /// The post itself: what a reblog repeats, or this one.
    pub fn original(self) -> Self {
        match self.reblog {
            Some(inner) => *inner,
            None => self,
        }
    }
}

impl Social {
    /// Accounts by id, those that exist, in the order asked.
    pub async fn accounts(&self, ids: &[AccountId]) -> Result<Vec<AccountView>, VerbError> {
        let mut found: HashMap<AccountId, AccountView> = HashMap::with_capacity(ids.len());
        let mut missing = Vec::new();
        let ticket = self.hub.accounts.ticket();
        for id in ids {
            match self.hub.accounts.get(id) {
                Some(entry) => drop(found.insert(*id, entry)),
                None => missing.push(*id),
            }
        }
        if !missing.is_empty() {
            let counts: HashMap<_, _> =
                self.store.account_counts(&missing).await?.into_iter().collect();
            for account in self.store.accounts(&missing).await? {
                let id = account.id;
                let counts = counts.get(&id).copied().unwrap_or_default();
                let called = self.called_in(&account).await?;
                let entry = Arc::new(AccountEntry::new(account, called, counts));
                self.hub.accounts.put(&ticket, id, Arc::clone(&entry));
                found.insert(id, entry);
            }
        }
        Ok(ids.iter().filter_map(|id| found.get(id).cloned()).collect())
    }

    /// The same without those that are suspended: what is shown of people.
    pub async fn people(&self, ids: &[AccountId]) -> Result<Vec<AccountView>, VerbError> {
        let mut found = self.accounts(ids).await?;
        found.retain(|view| view.account.standing.suspended.is_none());
        Ok(found)
    }

    /// The same as a reader meets them in a list that is not their own.
    pub async fn company(
        &self,
        reader: Option<AccountId>,
        ids: &[AccountId],
    ) -> Result<Vec<AccountView>, VerbError> {
        let facts: HashMap<AccountId, SightFacts> = match reader {
            Some(reader) => self.store.sight_facts(reader, ids, self.now()).await?,
            None => vec![],
        }
        .into_iter()
        .collect();
        let mut found = self.accounts(ids).await?;
        found.retain(|view| {
            let known = facts.get(&view.account.id).copied().unwrap_or_default();
            may_meet(&Company {
                is_self: reader == Some(view.account.id),
                blocked: known.blocked,
                muted: known.muted,
                suspended: view.account.standing.suspended.is_some(),
            })
        });
        Ok(found)
    }

    /// Whether a reader is shown whom an account follows and who follows it.
    pub async fn lists_edges(
        &self,
        reader: Option<AccountId>,
        of: &Account,
    ) -> Result<bool, VerbError> {
        let is_owner = reader == Some(of.id);
        let blocks_reader = match reader.filter(|_| !is_owner) {
            Some(reader) => self.relationship(reader, of.id).await?.blocked_by,
            None => false,
        };
        Ok(may_list(is_owner, of.hide_collections, blocks_reader))
    }

    /// One account that exists, suspended or not: for who says no more of it than that it is. What
    /// a member who left has left of theirs is nobody.
    pub async fn any_account(&self, id: AccountId) -> Result<AccountView, VerbError> {
        let found = self.accounts(&[id]).await?.pop().ok_or(VerbError::NotFound)?;
        let is_hidden = found.account.standing.suspended.is_some() && found.account.is_local();
        match is_hidden && self.store.member(id).await?.is_none() {
            true => Err(VerbError::NotFound),
            false => Ok(found),
        }
    }

    /// One account that exists and is not suspended.
    pub async fn account(&self, id: AccountId) -> Result<AccountView, VerbError> {
        let found = self.accounts(&[id]).await?.pop().ok_or(VerbError::NotFound)?;
        match found.account.standing.suspended {
            None => Ok(found),
            Some(_) => Err(VerbError::NotFound),
        }
    }

    /// An app by id, from memory where it was asked before: nothing of it ever changes.
    pub(crate) async fn app(&self, id: AppId) -> Result<Option<Arc<App>>, VerbError> {
        if let Some(known) = self.hub.apps.get(&id) {
            return Ok(Some(known));
        }
        let ticket = self.hub.apps.ticket();
        let found = self.store.app(id).await?.map(Arc::new);
        if let Some(app) = &found {
            self.hub.apps.put(&ticket, id, Arc::clone(app));
        }
        Ok(found)
    }

    async fn entries(
        &self,
        ids: &[StatusId],
    ) -> Result<HashMap<StatusId, Arc<StatusEntry>>, VerbError> {
        let mut found = HashMap::with_capacity(ids.len());
        let ticket = self.hub.statuses.ticket();
        let mut missing = Vec::new();
        for id in ids {
            match self.hub.statuses.get(id) {
                Some(entry) => drop(found.insert(*id, entry)),
                None => missing.push(*id),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let counts: HashMap<_, _> = self.store.status_counts(&missing).await?.into_iter().collect();
        let statuses = self.store.statuses(&missing).await?;
        let media_ids: Vec<MediaId> = statuses.iter().flat_map(|s| s.media.clone()).collect();
        let media: HashMap<MediaId, Media> =
            self.store.media(&media_ids).await?.into_iter().map(|m| (m.id, m)).collect();
        let poll_ids: Vec<PollId> = statuses.iter().filter_map(|s| s.poll).collect();
        let polls: HashMap<PollId, Poll> =
            self.store.polls(&poll_ids).await?.into_iter().map(|p| (p.id, p)).collect();
        for status in statuses {
            let app = match status.app {
                Some(id) => self.app(id).await?,
                None => None,
            };
            let entry = Arc::new(StatusEntry {
                app,
                counts: counts.get(&status.id).copied().unwrap_or_default(),
                media: status.media.iter().filter_map(|id| media.get(id).cloned()).collect(),
                poll: status.poll.and_then(|id| polls.get(&id).cloned()),
                rendering: Rendering::default(),
                status: Arc::new(status),
            });
            self.hub.statuses.put(&ticket, entry.status.id, Arc::clone(&entry));
            found.insert(entry.status.id, entry);
        }
        Ok(found)
    }

    /// Statuses by id as this viewer sees them: in the order asked, without those that are gone
    /// or not theirs to see.
    pub async fn statuses(
        &self,
        viewer: Option<AccountId>,
        ids: &[StatusId],
    ) -> Result<Vec<StatusView>, VerbError> {
        let views = self.gather(ids).await?;
        self.seen(viewer, views).await
    }

    /// Of what was gathered, what this viewer sees, as they see it.
    pub(crate) async fn seen(
        &self,
        viewer: Option<AccountId>,
        views: Vec<StatusView>,
    ) -> Result<Vec<StatusView>, VerbError> {
        let lens = match viewer {
            None => Lens::default(),
            Some(viewer) => self.lens(viewer, &views).await?,
        };
        Ok(lens.all(views))
    }

    /// Statuses with all that hangs on them, in the order asked, for nobody's eyes yet: who looks
    /// has still to be asked for.
    pub(crate) async fn gather(&self, ids: &[StatusId]) -> Result<Vec<StatusView>, VerbError> {
        if let Some(views) = self.recall_all(ids) {
            return Ok(views);
        }
        let mut entries = self.entries(ids).await?;
        let inner: Vec<StatusId> =
            entries.values().filter_map(|e| Some(e.status.reblog_of?.status)).collect();
        entries.extend(self.entries(&inner).await?);
        let mut people: Vec<AccountId> = Vec::new();
        for entry in entries.values() {
            people.push(entry.status.account);
            people.extend(entry.status.mentions.iter().copied());
        }
        people.sort_unstable();
        people.dedup();
        let people: HashMap<AccountId, AccountView> =
            self.accounts(&people).await?.into_iter().map(|a| (a.account.id, a)).collect();
        let entry = |id: &StatusId| entries.get(id).cloned();
        let person = |id: &AccountId| people.get(id).cloned();
        Ok(ids.iter().filter_map(|id| assemble(id, &entry, &person)).collect())
    }

    /// The same from memory alone; `None` if anything is missing there.
    pub(crate) fn recall_all(&self, ids: &[StatusId]) -> Option<Vec<StatusView>> {
        let entry = |id: &StatusId| self.hub.statuses.get(id);
        let person = |id: &AccountId| self.hub.accounts.get(id);
        let whole = |id| {
            let view = assemble(id, &entry, &person)?;
            let mentioned = |v: &StatusView| v.mentions.len() == v.entry.status.mentions.len();
            (mentioned(&view) && view.reblog.as_deref().is_none_or(mentioned)).then_some(view)
        };
        ids.iter().map(whole).collect()
    }

    /// What the viewer has voted for in the polls of these.
    pub(crate) async fn votes(
        &self,
        viewer: AccountId,
        views: &[StatusView],
    ) -> Result<HashMap<PollId, Vec<u32>>, VerbError> {
        let each = views.iter().flat_map(StatusView::with_reblogged);
        let polls: Vec<PollId> = each.filter_map(|v| v.entry.status.poll).collect();
        let mut votes: HashMap<PollId, Vec<u32>> = HashMap::new();
        if !polls.is_empty() {
            for (poll, choice) in self.store.votes_of(viewer, &polls).await? {
                votes.entry(poll).or_default().push(choice);
            }
        }
        Ok(votes)
    }

    /// One status, if the viewer may see it.
    pub async fn status(
        &self,
        viewer: Option<AccountId>,
        id: StatusId,
    ) -> Result<StatusView, VerbError> {
        self.statuses(viewer, &[id]).await?.pop().ok_or(VerbError::NotFound)
    }

    async fn lens(&self, viewer: AccountId, views: &[StatusView]) -> Result<Lens, VerbError> {
        let each = || views.iter().flat_map(StatusView::with_reblogged);
        let mut authors: Vec<AccountId> = each().map(|v| v.entry.status.account).collect();
        authors.sort_unstable();
        authors.dedup();
        let ids: Vec<StatusId> = each().map(|v| v.entry.status.id).collect();
        let votes = self.votes(viewer, views).await?;
        let facts = self.store.sight_facts(viewer, &authors, self.now()).await?;
        Ok(Lens {
            viewer: Some(viewer),
            marks: self.store.marks(viewer, &ids).await?.into_iter().collect(),
            facts: SightOf::Asked(facts.into_iter().collect()),
            votes,
        })
    }
}

/// Puts a view together from where its parts are.
fn assemble(
    id: &StatusId,
    entry: &impl Fn(&StatusId) -> Option<Arc<StatusEntry>>,
    person: &impl Fn(&AccountId) -> Option<AccountView>,
) -> Option<StatusView> {
    let found = entry(id)?;
    let reblog = match found.status.reblog_of {
        Some(of) => Some(Box::new(assemble(&of.status, entry, person)?)),
        None => None,
    };
    Some(StatusView {
        author: person(&found.status.account)?,
        mentions: found.status.mentions.iter().filter_map(person).collect(),
        marks: None,
        is_own: false,
        votes: Vec::new(),
        facts: SightFacts::default(),
        entry: found,
        reblog,
    })
}

/// How a viewer stands to authors.
enum SightOf {
    /// As the store said.
    Asked(HashMap<AccountId, SightFacts>),
    /// As their home timeline knows, at this time.
    Remembered(Arc<Facts>, Timestamp),
}

impl Default for SightOf {
    fn default() -> Self {
        Self::Asked(HashMap::new())
    }
}

/// What makes a viewer's sight their own; a visitor's is empty.
#[derive(Default)]
pub(crate) struct Lens {
    viewer: Option<AccountId>,
    /// Of those that bear any.
    marks: hashbrown::HashMap<StatusId, Marks, RandomState>,
    facts: SightOf,
    votes: HashMap<PollId, Vec<u32>>,
}

impl Lens {
    /// Of a reader whose home timeline is in memory.
    pub(crate) fn remembered(
        viewer: AccountId,
        facts: Arc<Facts>,
        now: Timestamp,
        marks: hashbrown::HashMap<StatusId, Marks, RandomState>,
        votes: HashMap<PollId, Vec<u32>>,
    ) -> Self {
        Self { viewer: Some(viewer), marks, facts: SightOf::Remembered(facts, now), votes }
    }

    /// Those that the viewer sees.
    pub(crate) fn all(&self, mut views: Vec<StatusView>) -> Vec<StatusView> {
        views.retain_mut(|view| self.look(view));
        views
    }

    /// Whether the viewer sees it, and makes it theirs.
    fn look(&self, view: &mut StatusView) -> bool {
        let author = view.entry.status.account;
        let facts = match &self.facts {
            SightOf::Asked(facts) => facts.get(&author).copied().unwrap_or_default(),
            SightOf::Remembered(facts, now) => facts.sight(author, *now),
        };
        view.facts = facts;
        view.is_own = self.viewer == Some(author);
        if !may_see(&view.sight(self.viewer))
            || view.reblog.as_deref_mut().is_some_and(|of| !self.look(of))
        {
            return false;
        }
        let status = &view.entry.status;
        let own = || self.marks.get(&status.id).copied().unwrap_or_default();
        // A reblog bears the marks of what it repeats: that is what gets favourited.
        let repeated = view.reblog.as_ref().and_then(|of| of.marks);
        view.marks = self.viewer.map(|_| repeated.unwrap_or_else(own));
        view.votes =
            status.poll.and_then(|poll| self.votes.get(&poll).cloned()).unwrap_or_default();
        true
    }
}
