//! The truth: one SQL text, run by a driver; every write is a batch that commits as a whole.
//!
//! Noun by noun (`account`, `app`, `relation`, `status`) this room implements the ports of `model`
//! on [`Db`]. It knows nothing of HTTP, timelines or rules: a condition that guards a deed is in
//! its SQL, a rule about who may do what is asked before the store is.

mod account;
mod account_change;
mod account_find;
mod announce;
pub mod app;
pub mod batch;
mod count;
pub mod db;
mod decision;
mod ids;
mod job;
mod leaving;
pub mod limits;
mod list;
mod mail;
mod media;
pub mod migrate;
mod notification;
mod open_error;
#[cfg(test)]
mod plans;
mod poll;
mod postgres;
mod relation;
mod report;
mod row;
mod scheduled;
mod search;
mod sqlite;
mod status;
mod status_write;
mod text;
mod timeline;
mod value;

pub use batch::{Batch, CommitError, Done, IdSlot};
pub use db::{Db, Engine, Options, PostgresOptions};
pub use open_error::OpenError;
pub use postgres::Restoring;
pub use row::Row;
pub use sqlite::inspect::{Inspection, Look};
pub use value::Value;

/// The store of one instance: the ports of `model` on a database. Cheap to clone.
#[derive(Clone)]
pub struct SqlStore {
    pub(crate) db: Db,
}

impl SqlStore {
    /// On an open database.
    pub fn new(db: Db) -> Self {
        Self { db }
    }
    /// The database beneath, for backup and maintenance.
    pub fn db(&self) -> &Db {
        &self.db
    }
}
