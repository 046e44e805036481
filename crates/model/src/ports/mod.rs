//! The ports: what the cores need of the world. `store` and `server` implement them, tests fake
//! them. The store's port is one trait a noun (in `ports/`), joined as [`Store`].

use crate::{Event, Timestamp};

/// The clocks. Cores take `now` as an argument; only verbs ask a clock. Tools and tests that
/// measure nothing leave out the last two: then nothing that is done elsewhere is anybody's cost.
pub trait Clock: Send + Sync {
    /// Now, UTC.
    fn now(&self) -> Timestamp;
    /// Processor time that the calling thread has used so far, in ns.
    fn thread_work_ns(&self) -> u64 {
        0
    }
    /// Time that never goes back, in ns since any moment.
    fn steady_ns(&self) -> u64 {
        0
    }
}

/// A source of unpredictable bytes (keys, codes, salts).
pub trait Random: Send + Sync {
    /// Fills the buffer.
    fn fill(&self, bytes: &mut [u8]);
}

/// One committed deed on its way to the listeners.
pub struct Announcement {
    /// What happened.
    pub event: Event,
    /// Lets the caller of the deed go on. Called once the event has been taken in, so that whoever
    /// wrote reads their own write.
    pub acknowledge: Box<dyn FnOnce() + Send>,
}

/// Hears of committed deeds, strictly in the order of their ids.
pub trait Announcer: Send + Sync {
    /// Takes a group that committed together. Must not block for long: the writer waits.
    fn announce(&self, group: Vec<Announcement>);
    /// A deed may have committed without its event (the connection to the database was lost in
    /// between): what was built from events has to be built anew from the store.
    fn gap(&self) {}
}

/// An announcer for stores that nobody listens to (tools, tests): acknowledges at once.
pub struct Unheard;

impl Announcer for Unheard {
    fn announce(&self, group: Vec<Announcement>) {
        for announcement in group {
            (announcement.acknowledge)();
        }
    }
}

mod account;
mod app;
mod decision;
mod job;
mod leaving;
mod mail;
mod media;
mod relation;
mod report;
mod scheduled;
mod search;
mod status;

pub use account::{AccountQuery, AccountStore};
pub use app::AppStore;
pub use decision::DecisionStore;
pub use job::JobStore;
pub use leaving::LeavingStore;
pub use mail::{MailError, MailStore, Mailer};
pub use media::MediaStore;
pub use relation::{NoticeFacts, RelationStore};
pub use report::ReportStore;
pub use scheduled::ScheduledStore;
pub use search::SearchStore;
pub use status::{SightFacts, StatusStore, TimelineQuery};

/// The whole store: every noun's port. Behind `dyn` at crate edges.
pub trait Store:
    AccountStore
    + AppStore
    + DecisionStore
    + JobStore
    + LeavingStore
    + MailStore
    + MediaStore
    + StatusStore
    + RelationStore
    + ScheduledStore
    + ReportStore
    + SearchStore
    + Send
    + Sync
{
}

impl<T> Store for T where
    T: AccountStore
        + AppStore
        + DecisionStore
        + JobStore
        + LeavingStore
        + MailStore
        + MediaStore
        + StatusStore
        + RelationStore
        + ScheduledStore
        + ReportStore
        + SearchStore
        + Send
        + Sync
{
}

/// What every port answers with.
pub type Stored<T> = Result<T, crate::StoreError>;
