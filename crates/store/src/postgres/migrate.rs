//! Runs migrations on PostgreSQL, in one transaction under an advisory lock, so that nodes that
//! start together do not race.

use super::{
    connection::Connection,
    error::{chain, store_error},
};
use crate::{
    migrate::{LEDGER, Migration, READ_LEDGER, plan},
    text::schema_for_postgres,
};
use model::StoreError;
use tokio_postgres::{Error, GenericClient, Transaction};

/// Any number that no other program takes: "fulmar" in ASCII.
pub(super) const LOCK: &str = "SELECT pg_advisory_xact_lock(112624795116914)";

/// What has been applied; nothing where there is no record yet.
pub(super) async fn applied_in(client: &impl GenericClient) -> Result<Vec<(i64, String)>, Error> {
    let found = client.query_one("SELECT to_regclass('migration') IS NOT NULL", &[]).await?;
    if !found.try_get::<_, bool>(0)? {
        return Ok(vec![]);
    }
    let rows = client.query(READ_LEDGER, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Applies what is missing, all or nothing.
pub(super) async fn migrate(
    connection: &mut Connection,
    steps: &[Migration],
) -> Result<(), StoreError> {
    let failed = |e| store_error(&e);
    if plan(&applied_in(&connection.client).await.map_err(failed)?, steps)?.is_empty() {
        return Ok(());
    }
    let tx = connection.client.transaction().await.map_err(failed)?;
    // A step over a large table takes its time.
    tx.batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        .await
        .map_err(failed)?;
    tx.batch_execute(LOCK).await.map_err(failed)?;
    tx.batch_execute(LEDGER).await.map_err(failed)?;
    // Read again: another node may have come first while the lock was waited for.
    for step in plan(&applied_in(&tx).await.map_err(failed)?, steps)? {
        apply(&tx, step).await?;
    }
    tx.commit().await.map_err(failed)
}

/// Takes one step and records it.
pub(super) async fn apply(tx: &Transaction<'_>, step: &Migration) -> Result<(), StoreError> {
    let text = format!("{};\n{}", schema_for_postgres(step.sql), step.postgres);
    tx.batch_execute(&text).await.map_err(|e| match store_error(&e) {
        StoreError::Broken(_) => {
            StoreError::Broken(format!("migration {}: {}", step.version, chain(&e)))
        }
        other => other,
    })?;
    let sql = "INSERT INTO migration (version, checksum) VALUES ($1, $2)";
    let recorded = tx.execute(sql, &[&step.version, &step.checksum()]).await;
    recorded.map(|_| ()).map_err(|e| store_error(&e))
}
