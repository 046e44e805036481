//! One process at a time works on a database: two would not hear of each other's deeds, and would
//! issue the same ids. The hold is a lock of the server's that ends with its connection, so it ends
//! with its process however that ends. Where the connection is lost while serving, nothing is
//! written until the lock is ours again; whatever another process wrote meanwhile is told as a gap.
//! Source: PostgreSQL documentation, Advisory Locks.

use super::{
    Postgres,
    connection::{Connection, Connector},
    error::store_error,
    last_id,
};
use crate::{
    OpenError, PostgresOptions,
    limits::{COMMIT_DEADLINE, HOLD_LOOK, HOLD_LOOKS_A_QUESTION, TAKEN_LOOK, TAKEN_WAIT},
};
use model::StoreError;
use parking_lot::Mutex;
use std::sync::{Arc, Weak};
use tokio::{
    task::AbortHandle,
    time::{sleep, timeout},
};
use tokio_postgres::{Error, GenericClient};

/// The number after the one of migrations. Of a machine that went without a word the server learns
/// within seconds: its hold must not outlive it for hours.
const TRY: &str = "SELECT pg_try_advisory_lock(112624795116915)";
const TRY_IN_TRANSACTION: &str = "SELECT pg_try_advisory_xact_lock(112624795116915)";
const NOTICE_DEATH: &str = "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 3; \
    SET tcp_keepalives_count = 3";
const WHO: &str = "SELECT COALESCE(host(a.client_addr), 'this machine'), \
        to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') \
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
    WHERE l.locktype = 'advisory' AND l.granted \
    AND l.classid::bigint * 4294967296 + l.objid::bigint = 112624795116915 \
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1";

/// Since when the process that serves a connection lives: numbers of processes come again.
const BIRTH: &str = "SELECT backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()";
/// Ends what holds the lock for a connection of ours that the server does not know to be lost.
const END: &str = "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity \
    WHERE pid = $1 AND backend_start::text = $2 AND usename = current_user \
    AND application_name = 'fulmar'";

/// The hold of this process.
pub(super) struct Hold {
    connection: Mutex<Option<Arc<Connection>>>,
    /// The server's process behind the connection that had it last, and its birth.
    last: Mutex<(i32, String)>,
}

/// Ends the keeping when the database is closed.
pub(super) struct Keeping(AbortHandle);

impl Drop for Keeping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Hold {
    /// Whether the lock is ours, as far as is known at this moment.
    pub fn is_held(&self) -> bool {
        self.connection.lock().as_ref().is_some_and(|held| !held.client.is_closed())
    }

    async fn answers(&self) -> bool {
        let held = self.connection.lock().clone();
        let Some(held) = held.filter(|held| !held.client.is_closed()) else { return false };
        matches!(timeout(COMMIT_DEADLINE, held.client.check_connection()).await, Ok(Ok(())))
    }
}

async fn birth(connection: &Connection) -> Result<(i32, String), Error> {
    let row = connection.client.query_one(BIRTH, &[]).await?;
    Ok((connection.backend, row.try_get(0)?))
}

async fn is_ours(connection: &Connection) -> Result<bool, Error> {
    connection.client.query_one(TRY, &[]).await?.try_get(0)
}

/// Who has it, in words for the host.
async fn taken_by(client: &impl GenericClient) -> OpenError {
    let found = client.query_opt(WHO, &[]).await.ok().flatten();
    let said = found.and_then(|row| {
        let (from, since) = (row.try_get::<_, String>(0).ok()?, row.try_get::<_, String>(1).ok()?);
        Some(format!("connected from {from} since {since} UTC"))
    });
    OpenError::Taken { by: said.unwrap_or_else(|| "it does not say where".to_owned()) }
}

/// Takes the hold. One that ends right now, killed or drained, is waited for a little.
pub(super) async fn take(options: &PostgresOptions) -> Result<Hold, OpenError> {
    let connection = Connector::new(options)?.first().await?;
    let failed = |e: Error| store_error(&e);
    connection.client.batch_execute(NOTICE_DEATH).await.map_err(failed)?;
    let taking = async {
        while !is_ours(&connection).await.map_err(failed)? {
            sleep(TAKEN_LOOK).await;
        }
        Ok::<(), StoreError>(())
    };
    let Ok(taken) = timeout(TAKEN_WAIT, taking).await else {
        return Err(taken_by(&connection.client).await);
    };
    taken?;
    let last = Mutex::new(birth(&connection).await.map_err(failed)?);
    Ok(Hold { connection: Mutex::new(Some(Arc::new(connection))), last })
}

/// For a transaction that nobody else may be at work beside; let go at its end.
pub(super) async fn take_within(client: &impl GenericClient) -> Result<(), OpenError> {
    let row = client.query_one(TRY_IN_TRANSACTION, &[]).await.map_err(|e| store_error(&e))?;
    match row.try_get(0).map_err(|e| store_error(&e))? {
        true => Ok(()),
        false => Err(taken_by(client).await),
    }
}

/// Looks after the hold from now on, and takes it again when it was lost.
pub(super) fn keep(postgres: &Arc<Postgres>, hold: Arc<Hold>) -> Keeping {
    let weak = Arc::downgrade(postgres);
    let task = tokio::spawn(async move {
        let mut looks: u32 = 0;
        loop {
            sleep(HOLD_LOOK).await;
            looks = looks.wrapping_add(1);
            let is_fine = if looks.is_multiple_of(HOLD_LOOKS_A_QUESTION) {
                hold.answers().await
            } else {
                hold.is_held()
            };
            if !is_fine && !again(&weak, &hold).await {
                return;
            }
        }
    });
    Keeping(task.abort_handle())
}

/// One more try to have it; `false` when the database was closed.
async fn again(weak: &Weak<Postgres>, hold: &Hold) -> bool {
    if hold.connection.lock().take().is_some() {
        tracing::warn!("the hold on the database is lost: nothing is written until it is back");
    }
    let Some(postgres) = weak.upgrade() else { return false };
    if let Ok(taken) = timeout(TAKEN_WAIT, take_again(&postgres, hold)).await
        && let Some((connection, birth)) = taken
    {
        *hold.last.lock() = birth;
        *hold.connection.lock() = Some(Arc::new(connection));
        postgres.flights.lost();
        tracing::info!("the hold on the database is back");
    }
    true
}

async fn take_again(postgres: &Postgres, hold: &Hold) -> Option<(Connection, (i32, String))> {
    let connection = Connector::new(&postgres.options).ok()?.connect().await.ok()?;
    connection.client.batch_execute(NOTICE_DEATH).await.ok()?;
    let (pid, since) = hold.last.lock().clone();
    connection.client.query(END, &[&pid, &since]).await.ok()?;
    if !is_ours(&connection).await.ok()? {
        let by = taken_by(&connection.client).await;
        tracing::error!(%by, "this process writes nothing");
        return None;
    }
    postgres.flights.raise(last_id(&connection).await.ok()?);
    let birth = birth(&connection).await.ok()?;
    Some((connection, birth))
}
