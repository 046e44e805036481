//! How long a post takes to the last of 10,000 timelines in memory, and how many deliveries a
//! second one core makes. Run by `cargo xtask bench fanout`; prints one row of JSON a line.
//!
//! The store is a real SQLite with full synchronisation, the hub is its announcer, and a member's
//! timeline exists because they read it: what is timed is what a post goes through, without HTTP.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use model::{
    AccountId, Event, Page, Status, StatusId, Timestamp,
    member::{NewMember, Role},
    ports::{AccountStore, Announcement, Announcer, Clock, Random, RelationStore, StatusStore},
    relation::FollowOptions,
    status::{NewStatus, Visibility},
};
use social::{Hub, Settings, Social};
use store::{Db, Options, SqlStore};

/// Followers whose timelines are in memory.
const FOLLOWERS: usize = 10_000;
/// Deeds under way at once while the scene is made.
const AT_ONCE: usize = 256;
/// Posts through the store that are timed.
const DEEDS: usize = 50;
/// Posts that are only announced.
const ANNOUNCED: i64 = 500;

type Failed = Box<dyn std::error::Error>;

struct Wall;

impl Clock for Wall {
    #[expect(clippy::disallowed_methods, reason = "a bench is its own program and wires its clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp::from_ms(since.map_or(0, |past| i64::try_from(past.as_millis()).unwrap_or(0)))
    }
}

/// Nothing here needs to be unpredictable.
struct Plain;

impl Random for Plain {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures")]
fn tick() -> Instant {
    Instant::now()
}

fn main() -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let hub = Arc::new(Hub::default());
    let announcer: Arc<dyn Announcer> = Arc::<Hub>::clone(&hub);
    let db = Db::open(&Options::at(folder.path().join("fanout.db")), Arc::new(Wall), announcer)?;
    let store = Arc::new(SqlStore::new(db));
    let settings = Settings { signup_open: false, domain: None, status_characters: 500, rules: 0 };
    let ports: Arc<dyn model::ports::Store> = Arc::<SqlStore>::clone(&store);
    let social = Social::new(ports, Arc::clone(&hub), Arc::new(Wall), Arc::new(Plain), settings);

    let author = member(&store, 0).await?;
    let followers: Vec<AccountId> = stream::iter(1..=FOLLOWERS)
        .map(|number| member(&store, number))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let options = FollowOptions::default();
    stream::iter(&followers)
        .map(|reader| store.follow(*reader, author, &options, Wall.now()))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    for reader in &followers {
        social.home(*reader, Page::newest(20)).await?;
    }
    through_the_store(&store, &social, author, &followers).await?;
    announced(&hub, author)
}

async fn member(store: &SqlStore, number: usize) -> Result<AccountId, Failed> {
    let new = NewMember {
        username: format!("member{number}"),
        display_name: String::new(),
        email: format!("member{number}@example.org"),
        password_hash: "!".to_owned(),
        role: Role::Member,
        confirmed: true,
        locale: "en".to_owned(),
        reason: None,
        created_by_app: None,
        private_key_pem: None,
        public_key_pem: None,
        created: Wall.now(),
    };
    Ok(store.create_member(new).await?)
}

/// From the deed's start until it is durable and the last timeline has it.
async fn through_the_store(
    store: &SqlStore,
    social: &Social,
    author: AccountId,
    followers: &[AccountId],
) -> Result<(), Failed> {
    let mut times = Vec::with_capacity(DEEDS);
    for number in 0..DEEDS {
        let begun = tick();
        let (status, _) = store.create_status(post(author, number)).await?;
        times.push(begun.elapsed());
        for reader in [followers.first(), followers.last()].into_iter().flatten() {
            let newest = social.home(*reader, Page::newest(1)).await?;
            if newest.first() != Some(&status.id) {
                return Err("a follower's timeline lacks the post".into());
            }
        }
    }
    times.sort();
    let slow = times.get(DEEDS * 99 / 100).copied().unwrap_or(Duration::MAX);
    let name = format!("durable post to the last of {FOLLOWERS} timelines, p99");
    println!("{{\"name\":\"{name}\",\"value\":{},\"unit\":\"ms\"}}", slow.as_secs_f64() * 1_000.0);
    Ok(())
}

fn post(author: AccountId, number: usize) -> NewStatus {
    NewStatus {
        account: author,
        uri: None,
        created: Wall.now(),
        visibility: Visibility::Public,
        sensitive: false,
        spoiler: String::new(),
        text: format!("Two fulmars on the wall, {number}"),
        language: None,
        in_reply_to: None,
        reblog_of: None,
        app: None,
        media: Default::default(),
        mentions: Default::default(),
        tags: Vec::new(),
        poll: None,
        idempotency_key: None,
        notify: Vec::new(),
    }
}

/// The delivery alone: what one core can push.
fn announced(hub: &Hub, author: AccountId) -> Result<(), Failed> {
    let first = Wall.now().plus_ms(1_000).floor_id();
    let begun = tick();
    for number in 0..ANNOUNCED {
        let id = StatusId::new(first + number).ok_or("an id")?;
        let status = Arc::new(announced_status(id, author)?);
        let event = Event::Posted { status, notifications: Vec::new(), posts: Some(1) };
        hub.announce(vec![Announcement { event, acknowledge: Box::new(|| {}) }]);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let posts = f64::from(i32::try_from(ANNOUNCED)?);
    let deliveries = posts * f64::from(i32::try_from(FOLLOWERS)?);
    let each_ms = seconds * 1_000.0 / posts;
    let name = format!("a post to the last of {FOLLOWERS} timelines, mean");
    println!("{{\"name\":\"{name}\",\"value\":{each_ms},\"unit\":\"ms\"}}");
    let rate = deliveries / seconds;
    println!("{{\"name\":\"timeline deliveries, one core\",\"value\":{rate},\"unit\":\"/s\"}}");
    Ok(())
}

fn announced_status(id: StatusId, author: AccountId) -> Result<Status, Failed> {
    Ok(Status {
        id,
        account: author,
        uri: None,
        created: id.issued(),
        edited: None,
        visibility: Visibility::Public,
        sensitive: false,
        spoiler: String::new(),
        text: "Two fulmars on the wall".to_owned(),
        language: None,
        in_reply_to: None,
        conversation: model::ConversationId::new(id.get()).ok_or("an id")?,
        reblog_of: None,
        app: None,
        media: Default::default(),
        mentions: Default::default(),
        tags: Vec::new(),
        poll: None,
    })
}
