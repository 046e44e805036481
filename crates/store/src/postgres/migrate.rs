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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PostgresOptions, migrate::MIGRATIONS, postgres::connection::Connector};
    use testkit::postgres::Cluster;

    async fn fresh() -> Connection {
        let cluster = Cluster::shared();
        let url = cluster.url(&cluster.database().await);
        Connector::new(&PostgresOptions::at(url)).unwrap().first().await.unwrap()
    }

    /// All that makes a schema: columns, keys, indexes, settings of tables.
    const SCHEMA: &str = "\
        SELECT concat_ws(' ', 'column', table_name, column_name, ordinal_position, data_type, \
            is_nullable, column_default, collation_name) AS line \
            FROM information_schema.columns WHERE table_schema = current_schema() \
        UNION ALL SELECT concat_ws(' ', 'index', indexdef) FROM pg_indexes \
            WHERE schemaname = current_schema() \
        UNION ALL SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, \
            pg_get_constraintdef(oid)) FROM pg_constraint \
            WHERE connamespace = current_schema()::regnamespace \
        UNION ALL SELECT concat_ws(' ', 'table', relname, relkind, \
            array_to_string(reloptions, ',')) FROM pg_class \
            WHERE relnamespace = current_schema()::regnamespace AND relkind <> 'i' \
        ORDER BY line";

    async fn schema(connection: &Connection) -> Vec<String> {
        let rows = connection.client.query(SCHEMA, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Puts a row into every table that has none, whatever its columns are.
    async fn fill(connection: &Connection) -> usize {
        let columns = "SELECT c.table_name::text, string_agg( \
                CASE WHEN data_type = 'bigint' THEN '7' ELSE quote_literal('7') END, \
                ', ' ORDER BY ordinal_position) \
            FROM information_schema.columns c JOIN information_schema.tables t \
            USING (table_schema, table_name) WHERE table_schema = current_schema() \
            AND table_type = 'BASE TABLE' AND table_name <> 'migration' GROUP BY table_name \
            ORDER BY table_name";
        let tables = connection.client.query(columns, &[]).await.unwrap();
        for row in &tables {
            let (table, values): (String, String) = (row.get(0), row.get(1));
            let sql = format!(
                "INSERT INTO {table} SELECT {values} WHERE NOT EXISTS (SELECT 1 FROM {table})"
            );
            connection.client.batch_execute(&sql).await.unwrap();
        }
        tables.len()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn data_that_came_step_by_step_has_the_schema_of_a_fresh_database() {
        let mut new = fresh().await;
        migrate(&mut new, MIGRATIONS).await.unwrap();
        let mut old = fresh().await;
        for level in 1..=MIGRATIONS.len() {
            migrate(&mut old, MIGRATIONS.get(..level).unwrap()).await.unwrap();
            assert!(fill(&old).await > 20, "level {level}");
        }
        let (found, expected) = (schema(&old).await, schema(&new).await);
        assert!(expected.len() > 300, "only {} parts were looked at", expected.len());
        assert_eq!(found, expected);
        let (was, is) = (applied_in(&old.client).await, applied_in(&new.client).await);
        assert_eq!(was.unwrap(), is.unwrap());
        let kept = old.client.query_one("SELECT text FROM status WHERE id = 7", &[]).await.unwrap();
        assert_eq!(kept.get::<_, String>(0), "7");
    }
}
