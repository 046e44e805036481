//! The verbs: post, follow, read a timeline, log in. Each reads like the sentence that it is:
//! gather, ask the rule, store, and the hub tells the rest.
//!
//! No HTTP, JSON or SQL here: fronts parse and render, the store keeps. Rules that are pure live
//! in `model`; this room asks them with what it has gathered.

pub mod access;
mod apart;
pub mod cache;
mod called;
pub mod decide;
pub mod error;
pub mod follow;
pub mod home;
pub mod hub;
pub mod jobs;
mod large;
pub mod leaving;
pub mod limits;
pub mod mail;
mod marks;
pub mod media;
pub mod members;
mod notice;
pub mod post;
pub mod pulse;
pub mod read;
pub mod report;
pub mod scheduled;
pub mod search;
pub mod session;
pub mod streams;
mod throttle;
pub mod view;

pub use called::Called;
pub use error::VerbError;
pub use follow::FollowWish;
pub use home::HomeStamp;
pub use hub::{Hub, Rights, StreamEvent};
pub use pulse::{Shows, Topic};
pub use view::{AccountView, StatusView};

use model::ports::{Clock, Random, Store};
use std::sync::Arc;

/// How this instance differs from others, as far as the verbs care.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether anybody may sign up.
    pub signup_open: bool,
    /// The domain of this place, where it has one: who is mentioned with it is mentioned here.
    pub domain: Option<String>,
    /// Most characters in a post.
    pub status_characters: usize,
    /// How many rules this place has; they are numbered from one.
    pub rules: usize,
}

/// All verbs, and what they need.
pub struct Social {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) settings: Settings,
    pub(crate) hashing: Arc<tokio::sync::Semaphore>,
    pub(crate) jobs_changed: tokio::sync::Notify,
    pub(crate) mail: Option<mail::MailRoom>,
    pub(crate) mail_changed: tokio::sync::Notify,
    pub(crate) throttle: throttle::Throttle,
    pub(crate) tokens_used: parking_lot::Mutex<Vec<model::TokenId>>,
    pub(crate) active: tokio::sync::Mutex<Option<members::Active>>,
}

impl Social {
    /// On a store whose announcer is this hub.
    pub fn new(
        store: Arc<dyn Store>,
        hub: Arc<Hub>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        settings: Settings,
    ) -> Self {
        let hashing = Arc::new(tokio::sync::Semaphore::new(limits::HASHES_AT_ONCE));
        let mut seed = [0; 16];
        random.fill(&mut seed);
        Self {
            store,
            clock,
            random,
            hub,
            settings,
            hashing,
            jobs_changed: tokio::sync::Notify::new(),
            mail: None,
            mail_changed: tokio::sync::Notify::new(),
            throttle: throttle::Throttle::new(seed),
            tokens_used: parking_lot::Mutex::default(),
            active: tokio::sync::Mutex::default(),
        }
    }
    /// The store, for what needs no rule (apps, markers, lists of one's own).
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }
    /// Now.
    pub fn now(&self) -> model::Timestamp {
        self.clock.now()
    }
    /// How this instance differs from others.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
    /// The hub, to listen to.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }
}
