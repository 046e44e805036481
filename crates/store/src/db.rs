//! The database as the nouns see it: commit a batch, run a query. Which engine is beneath is
//! decided once, at opening.

use crate::{
    Batch, CommitError, Done, Inspection, Look, OpenError, Restoring, Row, Value,
    limits::ID_LIST_ARITIES,
    postgres::{self, Postgres},
    sqlite::{self, Sqlite},
};
use model::{
    Page, StoreError,
    ports::{Announcer, Clock},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

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

/// How a PostgreSQL database is reached.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`, or `host=... user=...`. With
    /// `sslmode=require` the connection is TLS and the server's certificate is verified; without it
    /// the connection is plain.
    pub url: String,
    /// Which of the nodes on this database this is, from 0.
    pub node: u16,
    /// Whether it must be the only process at work on the database that says so. One that comes
    /// while another is there is refused.
    pub alone: bool,
    /// Certificates (DER) trusted for the server besides the public ones.
    pub root_certificates: Vec<Vec<u8>>,
}

impl std::fmt::Debug for PostgresOptions {
    /// Without the address: it may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresOptions").field("node", &self.node).finish_non_exhaustive()
    }
}

impl PostgresOptions {
    /// The host that is spoken to in the clear over a network, where anybody between can read and
    /// change what is said, the password too. None on this machine, and none over TLS.
    pub fn in_the_clear(&self) -> Option<String> {
        postgres::in_the_clear(&self.url)
    }

    /// The only node on this database.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), node: 0, alone: false, root_certificates: vec![] }
    }
}

/// Work that waits for a disk, away from what answers requests.
async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StoreError::Broken(format!("{what}: {error}")))
}

/// Which database.
#[derive(Clone, Debug)]
pub enum Engine {
    /// A file.
    Sqlite(Options),
    /// A server.
    Postgres(PostgresOptions),
}

/// An open database. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Db {
    driver: Driver,
}

/// An engine's way to speak SQL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

#[derive(Clone)]
enum Driver {
    Sqlite(Arc<Sqlite>),
    Postgres(Arc<Postgres>),
}

impl Db {
    /// Opens an SQLite database, migrates it where needed, and starts writer, readers and
    /// checkpointer.
    pub fn open(
        options: &Options,
        clock: Arc<dyn Clock>,
        announcer: Arc<dyn Announcer>,
    ) -> Result<Self, StoreError> {
        let opened = sqlite::open(options, clock, announcer)?;
        Ok(Self { driver: Driver::Sqlite(Arc::new(opened)) })
    }

    /// Opens a database of either engine and migrates it where needed.
    pub async fn connect(
        engine: &Engine,
        clock: Arc<dyn Clock>,
        announcer: Arc<dyn Announcer>,
    ) -> Result<Self, OpenError> {
        match engine {
            Engine::Sqlite(options) => {
                let options = options.clone();
                let opening = move || Self::open(&options, clock, announcer);
                let opened = tokio::task::spawn_blocking(opening).await;
                Ok(opened.map_err(|e| StoreError::Broken(format!("opening: {e}")))??)
            }
            Engine::Postgres(options) => {
                let opened = Postgres::open(options, clock, announcer).await?;
                Ok(Self { driver: Driver::Postgres(opened) })
            }
        }
    }

    /// Which engine's own words are to be used, where the shared text does not reach.
    pub(crate) fn dialect(&self) -> Dialect {
        match &self.driver {
            Driver::Sqlite(_) => Dialect::Sqlite,
            Driver::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Commits a deed; returns once it is durable and its event has been taken in. Runs to its end
    /// even when the caller goes away.
    pub async fn commit(&self, batch: Batch) -> Result<Done, CommitError> {
        match &self.driver {
            Driver::Sqlite(sqlite) => sqlite.commit(batch).await,
            Driver::Postgres(postgres) => Box::pin(postgres.commit(batch)).await,
        }
    }

    /// Every id below is settled: visible to a query that starts now, or never to be. Listings
    /// that are paged by id stay below it, else a late committer would be skipped for good.
    pub fn horizon(&self) -> i64 {
        match &self.driver {
            // One writer issues and commits in the same order: what is visible has no holes.
            Driver::Sqlite(_) => i64::MAX,
            Driver::Postgres(postgres) => postgres.horizon(),
        }
    }

    /// The page, cut at the horizon.
    pub fn settled(&self, page: Page) -> Page {
        match self.horizon() {
            i64::MAX => page,
            horizon => Page { max_id: Some(page.below().min(horizon)), ..page },
        }
    }

    /// Rows of a query. `sql` has numbered parameters.
    pub async fn query(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        match &self.driver {
            Driver::Sqlite(sqlite) => sqlite.query(sql.to_owned(), values).await,
            // In a box of its own: its many kilobytes would else be part of every future that asks
            // the store something, and be moved with it, on SQLite too.
            Driver::Postgres(postgres) => Box::pin(postgres.query(sql, &values)).await,
        }
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
        let [.., largest] = ID_LIST_ARITIES;
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
            rows.extend(self.query(&text, bound).await?);
        }
        Ok(rows)
    }

    /// Whether the database is a file; then a copy by [`Db::backup`] is one too.
    pub fn is_file(&self) -> bool {
        matches!(self.driver, Driver::Sqlite(_))
    }

    /// A copy of one moment, taken while serving: with SQLite a fresh file, with PostgreSQL a fresh
    /// folder with a file for each table and, written last, their list. [`Db::restore`] reads it.
    ///
    /// # Errors
    /// When it could not be written as a whole; what is there then is no copy.
    pub async fn backup(&self, into: PathBuf) -> Result<(), StoreError> {
        match &self.driver {
            Driver::Sqlite(sqlite) => sqlite.backup(into).await,
            Driver::Postgres(postgres) => postgres.backup(&into).await,
        }
    }

    /// Puts a copy that [`Db::backup`] took with the same engine where no database is yet; the
    /// next opening migrates it where needed.
    ///
    /// # Errors
    /// When there is a database, or the copy is damaged, unfinished or of a newer version; nothing
    /// was changed then.
    pub async fn restore(engine: &Engine, from: &Path) -> Result<(), OpenError> {
        match engine {
            Engine::Sqlite(options) => {
                let (options, from) = (options.clone(), from.to_owned());
                let work = tokio::task::spawn_blocking(move || sqlite::restore(&options, &from));
                work.await.map_err(|e| StoreError::Broken(format!("restoring: {e}")))?
            }
            Engine::Postgres(options) => {
                postgres::restore(options, from, Restoring::default()).await
            }
        }
    }

    /// The same into PostgreSQL, such that it can be begun anew, with a place for what is there.
    ///
    /// # Errors
    /// Nothing was changed, unless it is [`StoreError::Away`]: then perhaps all was.
    pub async fn restore_tables(
        options: &PostgresOptions,
        from: &Path,
        how: Restoring<'_>,
    ) -> Result<(), OpenError> {
        postgres::restore(options, from, how).await
    }

    /// Copies what is there as it is, migrated or not, whether somebody serves it or not; as
    /// [`Db::backup`] does.
    ///
    /// # Errors
    /// When it could not be written as a whole; what is there then is no copy.
    pub async fn snapshot(engine: &Engine, into: &Path) -> Result<(), StoreError> {
        match engine {
            Engine::Sqlite(options) => {
                let (path, into) = (options.path.clone(), into.to_owned());
                blocking("copying", move || sqlite::inspect::snapshot_sqlite(&path, &into)).await?
            }
            Engine::Postgres(options) => postgres::dump(options, into).await,
        }
    }

    /// What is in a copy that was taken with either engine.
    ///
    /// # Errors
    /// When it is none, or was written by a newer version of this program.
    pub async fn inspect_copy(copy: &Path, look: Look) -> Result<Inspection, OpenError> {
        if copy.is_dir() {
            return postgres::inspect(copy, look).await;
        }
        let path = copy.to_owned();
        let inspecting = move || sqlite::inspect::inspect_sqlite(&path, look);
        Ok(blocking("looking", inspecting).await??)
    }

    /// What is in a database, whether somebody serves it or not; it is not migrated.
    ///
    /// # Errors
    /// When it cannot be reached, or was written by a newer version of this program.
    pub async fn inspect(engine: &Engine, look: Look) -> Result<Inspection, OpenError> {
        match engine {
            Engine::Sqlite(options) => Self::inspect_copy(&options.path, look).await,
            Engine::Postgres(options) => postgres::look_into(options, look).await,
        }
    }

    /// Whether nothing is there yet.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn is_empty(engine: &Engine) -> Result<bool, OpenError> {
        match engine {
            Engine::Sqlite(options) => Ok(!options.path.exists()),
            Engine::Postgres(options) => postgres::is_empty(options).await,
        }
    }

    /// Versions of the migrations that opening would apply to the data that is there, without
    /// applying them; none where there is no data yet.
    ///
    /// # Errors
    /// When it cannot be read, or was written by a newer version.
    pub async fn pending_migrations(engine: &Engine) -> Result<Vec<i64>, OpenError> {
        match engine {
            Engine::Sqlite(options) => {
                let options = options.clone();
                let work = tokio::task::spawn_blocking(move || sqlite::pending(&options));
                Ok(work.await.map_err(|e| StoreError::Broken(format!("migrations: {e}")))??)
            }
            Engine::Postgres(options) => postgres::pending(options).await,
        }
    }
}
