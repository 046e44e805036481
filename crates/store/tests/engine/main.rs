//! The engines beneath the nouns, both through the same cases: deeds whole or not at all, ids in
//! commit order, events in id order, recovery from whatever breaks.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails should say where"
)]

mod access;
mod accounts;
mod copies;
mod costs;
mod counts;
mod deeds;
mod jobs;
mod leaving;
mod mail;
mod media;
mod members;
mod notices;
mod order;
mod outage;
mod ports;
mod power;
mod relations;
mod reports;
mod schema;
mod search;
mod statuses;

use std::sync::Arc;
use store::{Batch, CommitError, Db, Done, Row, params};

/// A tag: the smallest row there is, with a unique name to stumble over.
pub(crate) const INSERT_TAG: &str = "INSERT INTO tag (id, name) VALUES (?1, ?2)";

/// Stores a tag; its id.
pub(crate) async fn put(db: &Db, name: &str) -> Result<i64, CommitError> {
    let mut batch = Batch::new();
    let id = batch.id();
    batch.add(INSERT_TAG, params![id, name]);
    Ok(raw_id(&db.commit(batch).await?, id))
}

pub(crate) fn raw_id(done: &Done, slot: store::IdSlot) -> i64 {
    done.id::<model::StatusId>(slot).unwrap().get()
}

/// A public post with nothing on it.
pub(crate) fn plain_post(author: model::AccountId) -> model::status::NewStatus {
    model::status::NewStatus {
        account: author,
        uri: None,
        created: testkit::clock::START,
        visibility: model::Visibility::Public,
        sensitive: false,
        spoiler: String::new(),
        text: "so".into(),
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

/// Names of all tags, by id.
pub(crate) async fn names(db: &Db) -> Vec<String> {
    let rows = db.query("SELECT name FROM tag ORDER BY id", params![]).await.unwrap();
    rows.iter().map(|row: &Row| row.text(0).unwrap().to_owned()).collect()
}

/// As many tasks, all begun before any is awaited.
pub(crate) async fn side_by_side<F, Fut>(tasks: usize, run: F)
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let barrier = Arc::new(tokio::sync::Barrier::new(tasks));
    let mut set = tokio::task::JoinSet::new();
    for task in 0..tasks {
        let (barrier, work) = (Arc::clone(&barrier), run(task));
        set.spawn(async move {
            barrier.wait().await;
            work.await;
        });
    }
    while let Some(ended) = set.join_next().await {
        ended.unwrap();
    }
}
