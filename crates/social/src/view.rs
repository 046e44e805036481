//! What a front shows: statuses and accounts with all that hangs on them, read in a few queries
//! however many there are, and cached by what they are, never by who looks.

use crate::{Social, VerbError};
use model::{
    Account, AccountCounts, AccountId, MediaId, PollId, Status, StatusCounts, StatusId,
    media::Media,
    poll::Poll,
    ports::SightFacts,
    sight::{Sight, may_see},
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
    pub account: Account,
    /// Its numbers.
    pub counts: AccountCounts,
    /// Made by the front that shows it.
    pub rendering: Rendering,
}

/// A shared account.
pub type AccountView = Arc<AccountEntry>;

/// A status with what is the same for every viewer.
#[derive(Debug)]
pub struct StatusEntry {
    /// The post.
    pub status: Status,
    /// Its numbers.
    pub counts: StatusCounts,
    /// Its media, in order.
    pub media: Vec<Media>,
    /// Its poll.
    pub poll: Option<Poll>,
    /// Made by the front that shows it.
    pub rendering: Rendering,
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
    /// The viewer's choices in its poll.
    pub votes: Vec<u32>,
}

impl StatusView {
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
                let entry =
                    Arc::new(AccountEntry { account, counts, rendering: Rendering::default() });
                self.hub.accounts.put(&ticket, id, Arc::clone(&entry));
                found.insert(id, entry);
            }
        }
        Ok(ids.iter().filter_map(|id| found.get(id).cloned()).collect())
    }

    /// One account that exists and is not suspended.
    pub async fn account(&self, id: AccountId) -> Result<AccountView, VerbError> {
        let found = self.accounts(&[id]).await?.pop().ok_or(VerbError::NotFound)?;
        match found.account.standing.suspended {
            None => Ok(found),
            Some(_) => Err(VerbError::NotFound),
        }
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
            let entry = Arc::new(StatusEntry {
                counts: counts.get(&status.id).copied().unwrap_or_default(),
                media: status.media.iter().filter_map(|id| media.get(id).cloned()).collect(),
                poll: status.poll.and_then(|id| polls.get(&id).cloned()),
                rendering: Rendering::default(),
                status,
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
        let mut entries = self.entries(ids).await?;
        let inner: Vec<StatusId> =
            entries.values().filter_map(|e| Some(e.status.reblog_of?.status)).collect();
        entries.extend(self.entries(&inner).await?);
        let all: Vec<StatusId> = entries.keys().copied().collect();
        let mut people: Vec<AccountId> = Vec::new();
        for entry in entries.values() {
            people.push(entry.status.account);
            people.extend(entry.status.mentions.iter().copied());
        }
        people.sort_unstable();
        people.dedup();
        let people: HashMap<AccountId, AccountView> =
            self.accounts(&people).await?.into_iter().map(|a| (a.account.id, a)).collect();
        let lens = self.lens(viewer, &all, &entries).await?;
        Ok(ids.iter().filter_map(|id| lens.view(*id, &entries, &people)).collect())
    }

    /// One status, if the viewer may see it.
    pub async fn status(
        &self,
        viewer: Option<AccountId>,
        id: StatusId,
    ) -> Result<StatusView, VerbError> {
        self.statuses(viewer, &[id]).await?.pop().ok_or(VerbError::NotFound)
    }

    async fn lens(
        &self,
        viewer: Option<AccountId>,
        ids: &[StatusId],
        entries: &HashMap<StatusId, Arc<StatusEntry>>,
    ) -> Result<Lens, VerbError> {
        let Some(viewer) = viewer else { return Ok(Lens::default()) };
        let mut authors: Vec<AccountId> = entries.values().map(|e| e.status.account).collect();
        authors.sort_unstable();
        authors.dedup();
        let polls: Vec<PollId> = entries.values().filter_map(|e| e.status.poll).collect();
        let mut votes: HashMap<PollId, Vec<u32>> = HashMap::new();
        if !polls.is_empty() {
            for (poll, choice) in self.store.votes_of(viewer, &polls).await? {
                votes.entry(poll).or_default().push(choice);
            }
        }
        Ok(Lens {
            viewer: Some(viewer),
            marks: self.store.marks(viewer, ids).await?.into_iter().collect(),
            facts: self.store.sight_facts(viewer, &authors).await?.into_iter().collect(),
            votes,
        })
    }
}

/// What makes a viewer's sight their own.
#[derive(Default)]
struct Lens {
    viewer: Option<AccountId>,
    marks: HashMap<StatusId, Marks>,
    facts: HashMap<AccountId, SightFacts>,
    votes: HashMap<PollId, Vec<u32>>,
}

impl Lens {
    fn view(
        &self,
        id: StatusId,
        entries: &HashMap<StatusId, Arc<StatusEntry>>,
        people: &HashMap<AccountId, AccountView>,
    ) -> Option<StatusView> {
        let entry = Arc::clone(entries.get(&id)?);
        let author = Arc::clone(people.get(&entry.status.account)?);
        let facts = self.facts.get(&entry.status.account).copied().unwrap_or_default();
        let sight = Sight {
            visibility: entry.status.visibility,
            is_author: self.viewer == Some(entry.status.account),
            follows: facts.follows,
            mentioned: self.viewer.is_some_and(|v| entry.status.mentions.contains(&v)),
            blocked: facts.blocked,
            suspended: author.account.standing.suspended.is_some(),
        };
        if !may_see(&sight) {
            return None;
        }
        let reblog = match entry.status.reblog_of {
            Some(of) => Some(Box::new(self.view(of.status, entries, people)?)),
            None => None,
        };
        let mentioned = |m: &AccountId| people.get(m).cloned();
        Some(StatusView {
            mentions: entry.status.mentions.iter().filter_map(mentioned).collect(),
            marks: self.viewer.map(|_| self.marks.get(&id).copied().unwrap_or_default()),
            votes: entry.status.poll.and_then(|p| self.votes.get(&p).cloned()).unwrap_or_default(),
            entry,
            author,
            reblog,
        })
    }
}
