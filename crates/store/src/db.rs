//! The database as the nouns see it: commit a batch, run a query. Which engine is beneath is
//! decided once, at opening.

use crate::{
    Batch, CommitError, Done, Row, Value,
    limits::ID_LIST_ARITIES,
    sqlite::{self, Sqlite},
};
use model::{
    StoreError,
    ports::{Announcer, Clock},
};
use std::{path::PathBuf, sync::Arc};

/// How an SQLite database is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file. Its folder must exist.
    pub path: PathBuf,
    /// Whether every commit waits for the disk (`synchronous=FULL`). Only tests that show what is
    /// lost otherwise say no.
    pub durable: bool,
    /// Most pages the file may have; 0 for the engine's own bound. A host's quota, and how tests
    /// fill the disk.
    pub pages_max: i64,
    /// The virtual file system to use; `None` for the platform's.
    pub vfs: Option<String>,
}

impl Options {
    /// Durable, unbounded.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), durable: true, pages_max: 0, vfs: None }
    }
}

/// An open database. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Db {
    engine: Arc<Sqlite>,
}

impl Db {
    /// Opens, migrates where needed, and starts writer, readers and checkpointer.
    pub fn open(
        options: &Options,
        clock: Arc<dyn Clock>,
        announcer: Arc<dyn Announcer>,
    ) -> Result<Self, StoreError> {
        Ok(Self { engine: Arc::new(sqlite::open(options, clock, announcer)?) })
    }

    /// Commits a deed; returns once it is durable and its event has been taken in.
    pub async fn commit(&self, batch: Batch) -> Result<Done, CommitError> {
        self.engine.commit(batch).await
    }

    /// Rows of a query. `sql` has numbered parameters.
    pub async fn query(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.engine.query(sql.to_owned(), values).await
    }

    /// The first row of a query.
    pub async fn first(&self, sql: &str, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// Rows for a list of ids. `{ids}` in `sql` becomes numbered parameters after those of
    /// `values`; lists are padded to a few sizes, and cut into several queries past the largest.
    pub async fn query_ids<T: Into<i64> + Copy>(
        &self,
        sql: &str,
        values: Vec<Value>,
        ids: &[T],
    ) -> Result<Vec<Row>, StoreError> {
        let largest = ID_LIST_ARITIES[ID_LIST_ARITIES.len() - 1];
        let mut rows = Vec::new();
        for chunk in ids.chunks(largest) {
            let Some(last) = chunk.last().copied() else { continue };
            let arity = ID_LIST_ARITIES.into_iter().find(|a| *a >= chunk.len()).unwrap_or(largest);
            let first = values.len() + 1;
            let marks: Vec<String> = (first..first + arity).map(|n| format!("?{n}")).collect();
            let mut bound = values.clone();
            bound.extend(chunk.iter().map(|id| Value::Int((*id).into())));
            bound.resize(values.len() + arity, Value::Int(last.into()));
            let text = sql.replace("{ids}", &marks.join(","));
            rows.extend(self.engine.query(text, bound).await?);
        }
        Ok(rows)
    }

    /// A consistent copy into a fresh file, while serving.
    pub async fn backup(&self, into: PathBuf) -> Result<(), StoreError> {
        self.engine.backup(into).await
    }
}
