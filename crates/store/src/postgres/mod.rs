//! PostgreSQL: deeds side by side on a pool of connections, each one pipeline and one round trip.
//! The order that SQLite's single writer gives for free is kept by [`flight`].

mod commit;
mod connection;
mod dump;
mod error;
mod flight;
mod fold;
mod hold;
mod migrate;
mod share;
mod value;

use crate::{
    Batch, CommitError, Done, OpenError, PostgresOptions, Row, Value,
    ids::Issuer,
    limits::{POSTGRES_VERSION_MIN, QUERY_DEADLINE, READ_QUEUE_MAX, WRITE_QUEUE_MAX},
};
pub use dump::Restoring;
pub(crate) use dump::{dump, inspect, is_empty, look_into, restore};

pub(crate) use connection::in_the_clear;
use connection::{Connection, Connector, pool, spoils, take};
use deadpool::managed::{Object, Pool};
use error::{away, store_error, unsettled};
use flight::Flights;
use fold::{Folding, Moved};
use hold::{Hold, Keeping};
use model::{
    StoreError,
    ports::{Announcer, Clock},
    work::{self, Made},
};
use share::Shares;
use std::{
    path::Path,
    sync::{Arc, OnceLock},
};
use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};

/// An open PostgreSQL database.
pub(crate) struct Postgres {
    options: PostgresOptions,
    writers: Pool<Connector>,
    readers: Pool<Connector>,
    flights: Arc<Flights>,
    clock: Arc<dyn Clock>,
    shares: Shares,
    write_places: Arc<Semaphore>,
    read_places: Semaphore,
    moved: Arc<Moved>,
    folding: OnceLock<Folding>,
    hold: Option<Arc<Hold>>,
    keeping: OnceLock<Keeping>,
}

/// The tables whose key is an issued id.
const KEYED_TABLES: &str = "SELECT c.table_name::text FROM information_schema.columns c \
    JOIN information_schema.table_constraints t ON t.table_schema = c.table_schema \
    AND t.table_name = c.table_name AND t.constraint_type = 'PRIMARY KEY' \
    JOIN information_schema.key_column_usage k ON k.constraint_name = t.constraint_name \
    AND k.table_schema = t.table_schema AND k.column_name = c.column_name \
    WHERE c.table_schema = current_schema() AND c.column_name = 'id'";

impl Postgres {
    /// Connects, migrates where needed.
    pub async fn open(
        options: &PostgresOptions,
        clock: Arc<dyn Clock>,
        announcer: Arc<dyn Announcer>,
    ) -> Result<Arc<Self>, OpenError> {
        let hold = match options.alone {
            true => Some(Arc::new(hold::take(options).await?)),
            false => None,
        };
        let mut first = Connector::new(options)?.first().await?;
        fit_to_serve(&first).await?;
        migrate::migrate(&mut first, crate::migrate::MIGRATIONS).await?;
        let last = last_id(&first).await?;
        drop(first);
        let opened = Arc::new(Self {
            options: options.clone(),
            writers: pool(options)?,
            readers: pool(options)?,
            flights: Arc::new(Flights::new(Issuer::after(last, options.node), announcer)),
            shares: Shares::new(Arc::clone(&clock)),
            clock,
            write_places: Arc::new(Semaphore::new(WRITE_QUEUE_MAX)),
            read_places: Semaphore::new(READ_QUEUE_MAX),
            moved: Arc::default(),
            folding: OnceLock::new(),
            hold: hold.clone(),
            keeping: OnceLock::new(),
        });
        if let Some(hold) = hold {
            opened.keeping.get_or_init(|| hold::keep(&opened, hold));
        }
        opened.folding.get_or_init(|| fold::start(&opened));
        Ok(opened)
    }

    pub async fn commit(self: &Arc<Self>, batch: Batch) -> Result<Done, CommitError> {
        if self.hold.as_ref().is_some_and(|hold| !hold.is_held()) {
            return Err(away().into());
        }
        let place = Arc::clone(&self.write_places).try_acquire_owned().map_err(|_| away())?;
        let (answer, answered) = oneshot::channel();
        let postgres = Arc::clone(self);
        tokio::spawn(async move {
            commit::run(postgres, batch, answer).await;
            drop(place);
        });
        // The task is gone, and with it what it knew.
        answered.await.map_or_else(|_| Err(unsettled().into()), Made::taken)
    }

    pub async fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let _place = self.read_places.try_acquire().map_err(|_| away())?;
        let asked = async {
            // A connection that died while it was idle says so only when it is used: one more try.
            match self.attempt(sql, values).await {
                Err(Attempt::Lost) => self.attempt(sql, values).await,
                other => other,
            }
        };
        match timeout(QUERY_DEADLINE, asked).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(Attempt::Lost)) | Err(_) => Err(away()),
            Ok(Err(Attempt::Failed(error))) => Err(error),
        }
    }

    async fn attempt(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Attempt> {
        let mut connection = take(&self.readers).await.map_err(Attempt::Failed)?;
        connection.busy = true;
        let result = match connection.prepare(sql, values, false).await {
            Ok(statement) => {
                let trip = self.shares.begin();
                let got = commit::rows_of(&connection.client, &statement, values, &[]).await;
                work::spent(trip.work_ns());
                got
            }
            Err(error) => Err(error),
        };
        connection.busy = false;
        match result {
            Ok((rows, _)) => Ok(rows),
            Err(error) if spoils(&connection, &error) => {
                drop(Object::take(connection));
                Err(Attempt::Lost)
            }
            Err(error) => Err(Attempt::Failed(store_error(&error))),
        }
    }

    /// Copies all tables into a fresh folder while serving.
    pub async fn backup(&self, into: &Path) -> Result<(), StoreError> {
        dump::dump(&self.options, into).await
    }

    /// Ids below this are settled.
    pub fn horizon(&self) -> i64 {
        self.flights.horizon(self.clock.now())
    }
}

/// Why one attempt at a query failed.
enum Attempt {
    /// The connection ended.
    Lost,
    Failed(StoreError),
}

/// Whether this server and this database can keep what we write.
async fn fit_to_serve(connection: &Connection) -> Result<(), OpenError> {
    let sql = "SELECT current_setting('server_version'), \
               current_setting('server_version_num')::bigint / 10000, \
               current_setting('server_encoding'), \
               has_schema_privilege(current_schema(), 'CREATE')";
    let failed = |e| store_error(&e);
    let row = connection.client.query_one(sql, &[]).await.map_err(failed)?;
    let major: i64 = row.try_get(1).map_err(failed)?;
    if major < POSTGRES_VERSION_MIN {
        return Err(OpenError::Version { found: row.try_get(0).map_err(failed)? });
    }
    let encoding: String = row.try_get(2).map_err(failed)?;
    if encoding != "UTF8" {
        return Err(OpenError::Encoding { found: encoding });
    }
    // NULL where there is no schema at all that the user may look into.
    match row.try_get::<_, Option<bool>>(3).map_err(failed)? {
        Some(true) => Ok(()),
        _ => Err(OpenError::Rights),
    }
}

/// Versions that opening would apply to the data that is there; none where there is none.
pub(crate) async fn pending(options: &PostgresOptions) -> Result<Vec<i64>, OpenError> {
    let connection = Connector::new(options)?.first().await?;
    let applied = migrate::applied_in(&connection.client).await.map_err(|e| store_error(&e))?;
    Ok(crate::migrate::pending(&applied)?)
}

/// The highest id in use: ids never go back, even where the clock did.
async fn last_id(connection: &Connection) -> Result<i64, StoreError> {
    let failed = |e| store_error(&e);
    let mut last = 0;
    for table in connection.client.query(KEYED_TABLES, &[]).await.map_err(failed)? {
        let name: String = table.try_get(0).map_err(failed)?;
        let text = format!("SELECT COALESCE(MAX(id), 0) FROM \"{name}\"");
        let row = connection.client.query_one(&text, &[]).await.map_err(failed)?;
        last = last.max(row.try_get(0).map_err(failed)?);
    }
    Ok(last)
}
