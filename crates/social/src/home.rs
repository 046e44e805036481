//! Home timelines in memory: subscribe on read, push to the present, pull for the absent.
//!
//! The first read of a home timeline builds a ring of ids from the store and subscribes its
//! reader to the authors; later posts are pushed to the rings that exist. Nothing is written per
//! follower, so a post costs its active readers and nobody else. Posts of authors with very many
//! of them are not pushed but taken over at each reader's next read (`large.rs`).
//!
//! A ring has a version, which is another whenever a page of it might be: a front may keep a page
//! for as long as that and what the page shows stay as they are.

use crate::{
    Social, StatusView, StreamEvent, VerbError,
    large::LargePosts,
    limits::{
        FOLLOWED_BYTES, LARGE_AUTHOR_READERS, RECENT_EVENTS, RING_FIRST, RING_LENGTH,
        RINGS_BYTES_MAX, RINGS_MAX, STREAM_LAG_MAX,
    },
    marks::{Heard, KnownMarks, Wanted},
    read::Listing,
    view::Lens,
};
use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};
use model::{
    AccountId, Page, Status, StatusId, Timestamp, Visibility,
    entrance::leaves_home,
    event::Mark,
    ports::{SightFacts, TimelineQuery},
    sight::{Entrance, enters_home},
    status::Marks,
};
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::broadcast;

pub(crate) type Map<K, V> = HashMap<K, V, RandomState>;
type Set<K> = HashSet<K, RandomState>;

/// What decides, for one reader, which posts enter.
#[derive(Default, Clone)]
pub(crate) struct Facts {
    reader: Option<AccountId>,
    /// Followed, and whether their reblogs are wanted.
    following: Map<AccountId, bool>,
    /// Blocked (either way) or muted, and until when.
    restricted: Map<AccountId, Timestamp>,
    /// When the first of them ends by itself: what was built from this is then out of date.
    until: Option<Timestamp>,
    /// Only these languages are wanted of them; few readers choose, so it is mostly empty.
    languages: Map<AccountId, Vec<String>>,
    /// On an exclusive list of the reader.
    exclusive: Set<AccountId>,
}

impl Facts {
    /// What a post's sight needs to know of its author. Whom the reader only mutes counts as
    /// blocked: neither is in a home timeline.
    pub(crate) fn sight(&self, author: AccountId, now: Timestamp) -> SightFacts {
        SightFacts {
            follows: self.following.contains_key(&author),
            blocked: self.restricts(author, now),
            ..SightFacts::default()
        }
    }

    fn follows(&self, author: AccountId) -> bool {
        self.following.contains_key(&author)
    }

    fn restricts(&self, id: AccountId, at: Timestamp) -> bool {
        self.restricted.get(&id).is_some_and(|end| *end > at)
    }

    fn admits(&self, status: &Status) -> bool {
        // A restriction that ends has not ended when a post from before its end was made.
        let restricted = |id: &AccountId| self.restricts(*id, status.created);
        let is_own = self.reader == Some(status.account);
        let answered = status.in_reply_to.map(|to| to.account);
        let other = answered.filter(|a| *a != status.account);
        let enters = enters_home(&Entrance {
            is_own,
            follows: self.following.contains_key(&status.account),
            hidden_reblog: status.reblog_of.is_some()
                && self.following.get(&status.account) == Some(&false),
            other_language: self.in_other_language(status),
            replies_to_other: other.is_some(),
            knows_answered: other
                .is_some_and(|a| self.reader == Some(a) || self.following.contains_key(&a)),
            restricted: restricted(&status.account)
                || status.reblog_of.is_some_and(|of| restricted(&of.account))
                || other.as_ref().is_some_and(restricted),
            direct: status.visibility == Visibility::Direct,
            mentioned: self.reader.is_some_and(|reader| status.mentions.contains(&reader)),
        });
        enters && !leaves_home(is_own, self.exclusive.contains(&status.account))
    }

    /// Whether a post is in a language, and in none of those wanted of its author.
    fn in_other_language(&self, status: &Status) -> bool {
        let Some(wanted) = self.languages.get(&status.account) else { return false };
        status.language.as_ref().is_some_and(|language| !wanted.contains(language))
    }
}

/// Each of these with the time until which it stands; what does not end stands for ever.
pub(crate) fn until_when(
    restricted: Vec<(AccountId, Option<Timestamp>)>,
) -> Map<AccountId, Timestamp> {
    let mut found: Map<AccountId, Timestamp> = Map::default();
    for (id, end) in restricted {
        let end = end.unwrap_or(Timestamp::from_ms(i64::MAX));
        // Who is both blocked and muted for a while stays blocked.
        let known = found.entry(id).or_insert(end);
        *known = end.max(*known);
    }
    found
}

#[derive(Default)]
struct Ring {
    facts: Arc<Facts>,
    marks: KnownMarks,
    /// Oldest first, strictly growing.
    ids: VecDeque<StatusId>,
    /// Whether the store has nothing older.
    whole: bool,
    /// Whether it was built as far down as a ring reaches, or only as far as a first look goes.
    deep: bool,
    /// Another whenever a page of it might be. No two rings ever have the same.
    version: u64,
    /// What it counts in the budget.
    bytes: usize,
    /// When it was last read; the one that was not read for the longest goes first.
    read: Timestamp,
    /// How many posts of large authors had been told when the last were taken over.
    large_seen: u64,
    /// What decides has changed: nothing is read from here any more, and what comes goes on to
    /// the open streams, which look for themselves, until a new ring takes its place.
    stale: bool,
}

#[derive(Clone)]
enum Recent {
    Posted(Arc<Status>),
    Deleted(StatusId),
    Changed(AccountId),
}

/// Bytes that all rings may weigh.
struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(RINGS_BYTES_MAX)
    }
}

#[derive(Default)]
struct Inner {
    rings: Map<AccountId, Ring>,
    readers: Map<AccountId, Set<AccountId>>,
    streams: Map<AccountId, broadcast::Sender<StreamEvent>>,
    /// What all rings weigh, as counted when they were built.
    bytes: usize,
    bytes_max: Budget,
    recent: VecDeque<Recent>,
    large: LargePosts,
    posts: Heard,
    /// How many events have ever been remembered.
    heard: u64,
    /// The last version that was given to a ring.
    versions: u64,
}

/// What a page of a home timeline was made of: the version of its ring, and what the pulse was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HomeStamp {
    /// Of the timeline.
    pub version: u64,
    /// How often anything had changed.
    pub pulse: u64,
}

/// What a ring says to a page that is asked for.
#[derive(PartialEq, Eq, Debug)]
enum Found {
    /// Its posts, newest first.
    Ids(Vec<StatusId>),
    /// They lie below what is in memory; a deeper ring may have them.
    Below { deep: bool },
}

/// What a ring knows that a page needs.
struct Recalled {
    facts: Arc<Facts>,
    /// Marks of those that bear any.
    marks: Vec<(StatusId, Marks)>,
    unknown: Vec<StatusId>,
    changes: u64,
}

/// All rings and user streams.
#[derive(Default)]
pub(crate) struct Homes(Mutex<Inner>);

impl Inner {
    fn remember(&mut self, event: Recent) {
        if self.recent.len() >= RECENT_EVENTS {
            self.recent.pop_front();
        }
        self.recent.push_back(event);
        self.heard += 1;
    }

    /// What was heard after a moment; `None` if some of it is forgotten.
    fn since(&self, heard: u64) -> Option<impl Iterator<Item = &Recent>> {
        let missed = usize::try_from(self.heard - heard).ok()?;
        let skip = self.recent.len().checked_sub(missed)?;
        Some(self.recent.iter().skip(skip))
    }

    fn drop_ring(&mut self, reader: AccountId) {
        let Some(ring) = self.rings.remove(&reader) else { return };
        self.bytes -= ring.bytes;
        for author in ring.facts.following.keys() {
            if let Some(readers) = self.readers.get_mut(author) {
                readers.remove(&reader);
                if readers.is_empty() {
                    self.readers.remove(author);
                }
            }
        }
    }

    fn insert(&mut self, reader: AccountId, mut ring: Ring) {
        // What was told until now was heard while it was built, or is in the store it was built of.
        ring.large_seen = self.large.told();
        self.versions += 1;
        ring.version = self.versions;
        ring.bytes = ring.weigh();
        if self.rings.len() >= RINGS_MAX || self.bytes + ring.bytes > self.bytes_max.0 {
            self.make_room();
        }
        self.bytes += ring.bytes;
        for author in ring.facts.following.keys() {
            self.readers.entry(*author).or_default().insert(reader);
        }
        self.rings.insert(reader, ring);
    }

    /// Drops the half that was not read for the longest, but those that open streams hang on: an
    /// app that polls keeps its timeline, and the next bound is far away.
    fn make_room(&mut self) {
        let quiet = self.rings.iter().filter(|(reader, _)| !self.streams_to(**reader));
        let mut quiet: Vec<_> = quiet.map(|(reader, ring)| (ring.read, *reader)).collect();
        quiet.sort_unstable();
        for (_, reader) in quiet.iter().take(quiet.len().div_ceil(2)) {
            self.drop_ring(*reader);
        }
    }

    fn marked(&mut self, reader: AccountId, change: impl FnOnce(&mut KnownMarks, &Heard)) {
        if let Some(ring) = self.rings.get_mut(&reader) {
            change(&mut ring.marks, &self.posts);
            self.versions += 1;
            ring.version = self.versions;
        }
    }

    fn streams_to(&self, reader: AccountId) -> bool {
        self.streams.get(&reader).is_some_and(|stream| stream.receiver_count() > 0)
    }

    /// A ring that is not to be read any more: kept as stale while streams hang on it.
    fn outdate(&mut self, reader: AccountId) {
        if !self.streams_to(reader) {
            return self.drop_ring(reader);
        }
        if let Some(ring) = self.rings.get_mut(&reader) {
            ring.stale = true;
        }
        self.send(reader, &StreamEvent::Changed);
    }

    /// Gives a ring the posts of large authors that it has not seen. `false`: some are gone, and
    /// it must be built anew.
    fn take_over(&mut self, reader: AccountId) -> bool {
        let Some(ring) = self.rings.get_mut(&reader) else { return true };
        if ring.large_seen == self.large.told() {
            return true;
        }
        let Some(missed) = self.large.since(ring.large_seen) else { return false };
        for status in missed {
            if ring.facts.follows(status.account) && ring.facts.admits(status) {
                ring.put(status.id);
                self.versions += 1;
                ring.version = self.versions;
            }
        }
        ring.large_seen = self.large.told();
        true
    }

    /// The ring brought up to date, if it may be read.
    fn look_at(&mut self, reader: AccountId, now: Timestamp) -> Option<&Ring> {
        let until = self.ring(reader)?.facts.until;
        if until.is_some_and(|end| end <= now) || !self.take_over(reader) {
            self.outdate(reader);
        }
        if let Some(ring) = self.rings.get_mut(&reader) {
            ring.read = now;
        }
        self.ring(reader)
    }

    /// The ring, if it may be read.
    fn ring(&self, reader: AccountId) -> Option<&Ring> {
        self.rings.get(&reader).filter(|ring| !ring.stale)
    }

    fn send(&self, reader: AccountId, event: &StreamEvent) {
        if let Some(stream) = self.streams.get(&reader) {
            let _ = stream.send(event.clone());
        }
    }
}

impl Ring {
    /// Its bytes, near enough: a full ring, whom it follows (and is subscribed to), whom it shuns.
    fn weigh(&self) -> usize {
        let facts = &self.facts;
        let languages: usize = facts.languages.values().map(|wanted| 64 + 32 * wanted.len()).sum();
        let shunned = facts.restricted.len() + facts.exclusive.len();
        RING_LENGTH * size_of::<StatusId>()
            + size_of::<Ring>()
            + facts.following.len() * FOLLOWED_BYTES
            + shunned * FOLLOWED_BYTES
            + languages
    }

    fn push(&mut self, id: StatusId) {
        // Events come in commit order, which is id order; a replayed one is already here.
        if self.ids.back().is_some_and(|last| *last >= id) {
            return;
        }
        if self.ids.len() >= RING_LENGTH {
            self.ids.pop_front();
            self.whole = false;
        }
        self.ids.push_back(id);
    }

    /// Like `push`, of a post that others may have overtaken.
    fn put(&mut self, id: StatusId) {
        let Err(at) = self.ids.binary_search(&id) else { return };
        // Below the oldest the store is asked, unless it has nothing there.
        if at == 0 && !self.whole {
            return;
        }
        self.ids.insert(at, id);
        if self.ids.len() > RING_LENGTH {
            self.ids.pop_front();
            self.whole = false;
        }
    }

    /// The page, newest first, if this ring can give all of it.
    fn page(&self, page: &Page) -> Option<Vec<StatusId>> {
        let from = self.ids.partition_point(|id| id.get() <= page.above());
        let to = self.ids.partition_point(|id| id.get() < page.below());
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let found = to.saturating_sub(from);
        // Below the ring's oldest entry the store may have more.
        let reaches = self.whole || from > 0;
        if page.ascending() {
            if !reaches {
                return None;
            }
            let mut ids: Vec<StatusId> =
                self.ids.range(from..from + found.min(limit)).copied().collect();
            ids.reverse();
            return Some(ids);
        }
        if found < limit && !reaches {
            return None;
        }
        Some(self.ids.range(to - found.min(limit)..to).rev().copied().collect())
    }
}

impl Homes {
    /// A new post: into the rings and streams of those whom it concerns.
    pub(crate) fn push(&self, status: &Arc<Status>) {
        let mut inner = self.0.lock();
        let inner = &mut *inner;
        inner.remember(Recent::Posted(Arc::clone(status)));
        inner.posts.post(status.id);
        if let Some(of) = status.reblog_of {
            inner.marked(status.account, |marks, heard| marks.reblogged(heard, of.status, true));
        }
        let event = StreamEvent::Update(Arc::clone(status));
        let author = std::iter::once(status.account);
        let all = inner.readers.get(&status.account);
        // The others of a large author take it over when they read.
        let large = all.filter(|readers| readers.len() > LARGE_AUTHOR_READERS);
        if large.is_some() {
            inner.large.keep(status);
        }
        let streamed = large
            .into_iter()
            .flat_map(|readers| inner.streams.keys().filter(|reader| readers.contains(*reader)));
        let pushed = all.filter(|_| large.is_none()).into_iter().flatten();
        let mut admitted = Vec::new();
        for reader in pushed.chain(streamed).copied().chain(author) {
            if let Some(ring) = inner.rings.get_mut(&reader)
                && ring.facts.admits(status)
            {
                ring.push(status.id);
                inner.versions += 1;
                ring.version = inner.versions;
                if inner.streams.contains_key(&reader) {
                    admitted.push(reader);
                }
            }
        }
        for reader in admitted {
            inner.send(reader, &event);
        }
    }

    /// A reader's mark on a post.
    pub(crate) fn marked(&self, reader: AccountId, id: StatusId, mark: Mark, on: bool) {
        let mut inner = self.0.lock();
        inner.marked(reader, |marks, heard| marks.marked(heard, id, mark, on));
    }

    /// What is known of a reader and of the marks on these posts; `None` without a ring.
    fn recall(&self, reader: AccountId, wanted: &[Wanted]) -> Option<Recalled> {
        let inner = self.0.lock();
        let ring = inner.ring(reader)?;
        let (mut marks, mut unknown) = (Vec::new(), Vec::new());
        for wanted in wanted {
            match ring.marks.get(&inner.posts, *wanted) {
                None => unknown.push(wanted.id),
                Some(known) if known == Marks::default() => {}
                Some(known) => marks.push((wanted.id, known)),
            }
        }
        let facts = Arc::clone(&ring.facts);
        Some(Recalled { facts, marks, unknown, changes: ring.marks.changes() })
    }

    /// Remembers marks that the store was asked for.
    fn learn(&self, reader: AccountId, recalled: &Recalled, found: &Map<StatusId, Marks>) {
        let mut inner = self.0.lock();
        let inner = &mut *inner;
        // A ring that was built meanwhile counts its changes anew.
        let same = |ring: &&mut Ring| Arc::ptr_eq(&ring.facts, &recalled.facts);
        if let Some(ring) = inner.rings.get_mut(&reader).filter(same) {
            let all = recalled.unknown.iter();
            let found = all.map(|id| (*id, found.get(id).copied().unwrap_or_default()));
            ring.marks.learn(&inner.posts, recalled.changes, found);
        }
    }

    pub(crate) fn remove(&self, status: &Status) {
        let mut inner = self.0.lock();
        let inner = &mut *inner;
        let id = status.id;
        inner.remember(Recent::Deleted(id));
        if let Some(of) = status.reblog_of {
            inner.marked(status.account, |marks, heard| marks.reblogged(heard, of.status, false));
        }
        inner.large.remove(id);
        for ring in inner.rings.values_mut() {
            if let Ok(at) = ring.ids.binary_search(&id) {
                ring.ids.remove(at);
                inner.versions += 1;
                ring.version = inner.versions;
            }
        }
    }

    /// What a reader sees has changed: the ring is built anew at the next read, and right away
    /// by its open streams.
    pub(crate) fn forget(&self, reader: AccountId) {
        let mut inner = self.0.lock();
        inner.remember(Recent::Changed(reader));
        inner.outdate(reader);
    }

    /// Something may have happened that was not heard: every ring is built anew when it is next
    /// read, and one that is being built now is not kept.
    pub(crate) fn forget_all(&self) {
        let mut inner = self.0.lock();
        let readers: Vec<_> = inner.rings.keys().copied().collect();
        for reader in readers {
            inner.outdate(reader);
        }
        inner.recent.clear();
        inner.large.clear();
        inner.posts = Heard::default();
        // The unheard counts as heard and forgotten, so that no build believes it missed nothing.
        inner.heard += 1;
    }

    pub(crate) fn tell(&self, reader: AccountId, event: &StreamEvent) {
        self.0.lock().send(reader, event);
    }

    /// Tells the open streams whose timelines hold a status.
    pub(crate) fn tell_holders(&self, id: StatusId, event: &StreamEvent) {
        let inner = self.0.lock();
        for (reader, stream) in &inner.streams {
            let holds = inner.rings.get(reader).is_some_and(|r| r.ids.binary_search(&id).is_ok());
            if holds {
                let _ = stream.send(event.clone());
            }
        }
    }

    pub(crate) fn listen(&self, reader: AccountId) -> broadcast::Receiver<StreamEvent> {
        let mut inner = self.0.lock();
        inner.streams.retain(|_, stream| stream.receiver_count() > 0);
        let new = || broadcast::channel(STREAM_LAG_MAX).0;
        inner.streams.entry(reader).or_insert_with(new).subscribe()
    }

    fn page(&self, reader: AccountId, page: &Page, now: Timestamp) -> Option<Found> {
        let mut inner = self.0.lock();
        let ring = inner.look_at(reader, now)?;
        Some(ring.page(page).map_or(Found::Below { deep: ring.deep }, Found::Ids))
    }

    /// The version of a ring that may be read.
    fn version(&self, reader: AccountId, now: Timestamp) -> Option<u64> {
        self.0.lock().look_at(reader, now).map(|ring| ring.version)
    }

    /// Whether there is a ring that may be read, as far down as a ring reaches.
    fn is_deep(&self, reader: AccountId, now: Timestamp) -> bool {
        self.0.lock().look_at(reader, now).is_some_and(|ring| ring.deep)
    }

    /// How many rings there are.
    pub(crate) fn rings(&self) -> usize {
        self.0.lock().rings.len()
    }

    fn heard(&self) -> u64 {
        self.0.lock().heard
    }

    /// Puts a built ring in place, with what happened while it was built. `false`: too much did.
    fn settle(&self, reader: AccountId, mut ring: Ring, heard: u64) -> bool {
        let mut inner = self.0.lock();
        // One that reaches further down is as true, and a stream may rely on its reach.
        if !ring.deep && inner.ring(reader).is_some_and(|there| there.deep) {
            return true;
        }
        let Some(missed) = inner.since(heard) else { return false };
        for event in missed {
            match event {
                Recent::Changed(who) if *who == reader => return false,
                Recent::Changed(_) => {}
                Recent::Posted(status) if ring.facts.admits(status) => ring.push(status.id),
                Recent::Posted(_) => {}
                Recent::Deleted(id) => {
                    if let Ok(at) = ring.ids.binary_search(id) {
                        ring.ids.remove(at);
                    }
                }
            }
        }
        ring.marks = KnownMarks::after(&inner.posts);
        inner.drop_ring(reader);
        inner.insert(reader, ring);
        true
    }
}

/// How often a build that was overtaken is repeated before the store answers by itself.
const BUILDS_MAX: usize = 3;
/// Pages of the store that one deep read may look through for admitted posts.
const DEEP_ROUNDS_MAX: usize = 8;

impl Social {
    /// Ids of a page of the home timeline, newest first.
    pub async fn home(&self, reader: AccountId, page: Page) -> Result<Vec<StatusId>, VerbError> {
        for _ in 0..BUILDS_MAX {
            match self.hub.homes.page(reader, &page, self.now()) {
                Some(Found::Ids(ids)) => return Ok(ids),
                Some(Found::Below { deep: true }) => break,
                // Few go further down than a first look; who does gets all of it.
                Some(Found::Below { deep: false }) => self.build_home(reader, RING_LENGTH).await?,
                None => self.build_home(reader, RING_FIRST).await?,
            }
        }
        let facts = self.home_facts(reader).await?;
        self.admitted(&facts, reader, page).await.map(|(ids, _)| ids)
    }

    /// What a page of the home timeline would be made of now; `None` where it is not in memory.
    /// Whoever keeps a page takes this first, and then gathers.
    pub fn home_stamp(&self, reader: AccountId) -> Option<HomeStamp> {
        let pulse = self.hub.pulse();
        let version = self.hub.homes.version(reader, self.now())?;
        Some(HomeStamp { version, pulse })
    }

    /// Whether a page that was made of one stamp, and shows these topics by number, would be made
    /// the same of a later one.
    pub fn is_same_home(&self, then: HomeStamp, now: HomeStamp, topics: &[u64]) -> bool {
        then.version == now.version
            && (then.pulse == now.pulse || !self.hub.changed(topics, then.pulse))
    }

    /// A page of the home timeline as its reader sees it.
    pub async fn home_timeline(&self, reader: AccountId, page: Page) -> Result<Listing, VerbError> {
        let ids = self.home(reader, page).await?;
        Ok(Listing::of(&ids, self.home_views(reader, &ids).await?))
    }

    /// Posts of a home timeline as its reader sees them.
    pub(crate) async fn home_views(
        &self,
        reader: AccountId,
        ids: &[StatusId],
    ) -> Result<Vec<StatusView>, VerbError> {
        let views = self.gather(ids).await?;
        let mut wanted = Vec::with_capacity(views.len());
        for view in &views {
            // A reblog bears the marks of what it repeats.
            let marked = view.reblog.as_deref().unwrap_or(view);
            wanted.push(Wanted::of(&marked.entry.status));
        }
        let Some(recalled) = self.hub.homes.recall(reader, &wanted) else {
            return self.seen(Some(reader), views).await;
        };
        let mut marks: Map<_, _> = recalled.marks.iter().copied().collect();
        if !recalled.unknown.is_empty() {
            let found = self.store.marks(reader, &recalled.unknown).await?;
            let found: Map<_, _> = found.into_iter().collect();
            self.hub.homes.learn(reader, &recalled, &found);
            marks.extend(found);
        }
        let votes = self.votes(reader, &views).await?;
        Ok(Lens::remembered(reader, recalled.facts, self.now(), marks, votes).all(views))
    }

    /// Makes sure that posts are pushed to this reader; what an open stream needs, which is also
    /// told of edits far down.
    pub async fn attend_home(&self, reader: AccountId) -> Result<(), VerbError> {
        for _ in 0..BUILDS_MAX {
            if self.hub.homes.is_deep(reader, self.now()) {
                return Ok(());
            }
            self.build_home(reader, RING_LENGTH).await?;
        }
        // So much happens that no build catches up: the stream would miss posts without a word.
        Err(VerbError::Busy)
    }

    async fn build_home(&self, reader: AccountId, length: usize) -> Result<(), VerbError> {
        let heard = self.hub.homes.heard();
        let facts = self.home_facts(reader).await?;
        let window = Page::newest(u32::try_from(length).unwrap_or(u32::MAX));
        let (mut ids, whole) = self.admitted(&facts, reader, window).await?;
        ids.reverse();
        let (facts, deep) = (Arc::new(facts), whole || length >= RING_LENGTH);
        let read = self.now();
        let ring = Ring { facts, ids: ids.into(), whole, deep, read, ..Ring::default() };
        self.hub.homes.settle(reader, ring, heard);
        Ok(())
    }

    async fn home_facts(&self, reader: AccountId) -> Result<Facts, VerbError> {
        let following = self.store.all_following(reader).await?;
        let restricted = self.store.all_restricted(reader, self.now()).await?;
        let exclusive = self.store.on_exclusive_lists(reader).await?;
        Ok(Facts {
            reader: Some(reader),
            following: following.iter().map(|(id, how)| (*id, how.reblogs)).collect(),
            languages: following
                .into_iter()
                .filter(|(_, how)| !how.languages.is_empty())
                .map(|(id, how)| (id, how.languages))
                .collect(),
            exclusive: exclusive.into_iter().collect(),
            until: restricted.iter().filter_map(|(_, end)| *end).min(),
            restricted: until_when(restricted),
        })
    }

    /// Admitted posts from the store, newest first, and whether nothing lies beyond them.
    async fn admitted(
        &self,
        facts: &Facts,
        reader: AccountId,
        page: Page,
    ) -> Result<(Vec<StatusId>, bool), VerbError> {
        let query = TimelineQuery::Home(reader);
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let (mut window, mut found, mut whole) = (page, Vec::new(), false);
        for _ in 0..DEEP_ROUNDS_MAX {
            let ids = self.store.timeline(&query, window).await?;
            let edge = if page.ascending() { ids.first() } else { ids.last() };
            let Some(edge) = edge.copied() else {
                whole = true;
                break;
            };
            let statuses = self.store.statuses(&ids).await?;
            found.extend(statuses.iter().filter(|s| facts.admits(s)).map(|s| s.id));
            if ids.len() < usize::try_from(window.limit).unwrap_or(usize::MAX) {
                whole = true;
                break;
            }
            if found.len() >= limit {
                break;
            }
            if page.ascending() {
                window.min_id = Some(edge.get());
            } else {
                window.max_id = Some(edge.get());
            }
        }
        found.sort_unstable();
        if found.len() > limit {
            whole = false;
            if page.ascending() {
                found.truncate(limit);
            } else {
                found.drain(..found.len() - limit);
            }
        }
        found.reverse();
        Ok((found, whole))
    }
}

#[cfg(test)]
mod tests;
