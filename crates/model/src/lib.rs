//! The nouns of a microblog, their ids, pure rules and limits, and the ports through which the
//! rest of the house reaches the world (`Store`, `Clock`, `Random`, `Announcer`).
//!
//! Nothing here does I/O, reads a clock, or knows JSON, HTML pages or SQL: each protocol owns its
//! wire types, and `store` owns the statements. That is what makes the rules testable as tables.

pub mod account;
pub mod app;
pub mod browser;
pub mod decision;
pub mod entrance;
pub mod event;
pub mod handle;
pub mod id;
pub mod job;
pub mod language;
pub mod limits;
pub mod list;
pub mod mail;
pub mod marker;
pub mod media;
pub mod member;
pub mod notification;
pub mod page;
pub mod poll;
pub mod ports;
pub mod relation;
pub mod report;
pub mod scheduled;
pub mod scope;
pub mod sight;
pub mod status;
pub mod store_error;
pub mod text;
pub mod thread;
pub mod time;
pub mod token;
pub mod work;

pub use account::{Account, AccountCounts};
pub use event::Event;
pub use id::*;
pub use page::Page;
pub use status::{Status, StatusCounts, Visibility};
pub use store_error::StoreError;
pub use time::Timestamp;
