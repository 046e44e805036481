//! Connections: how one is made, the statements it keeps prepared, and the pools that hold them.

use super::{
    error::{away, chain, is_connection_lost},
    value::type_of,
};
use crate::{
    OpenError, PostgresOptions, Value,
    limits::{
        CONNECT_DEADLINE, POOL_DEADLINE, POSTGRES_CONNECTIONS, PREPARED_MAX, RECYCLE_DEADLINE,
    },
    text::{returns, to_dollars},
};
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use model::StoreError;
use parking_lot::Mutex;
use std::{collections::HashMap, net::IpAddr, sync::Arc};
use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::{
    Client, Config, Error, NoTls, SimpleQueryMessage, Statement,
    config::{Host, SslMode},
    types::Type,
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Said once on every connection. A commit waits for the log to be on disk; nothing waits for ever.
const SETTINGS: &str = "SET synchronous_commit = on; SET statement_timeout = '4s'; \
    SET lock_timeout = '2s'; SET idle_in_transaction_session_timeout = '5s'; \
    SET default_transaction_isolation = 'read committed'; SET client_min_messages = warning; \
    SELECT pg_backend_pid()";

/// Types of parameters as they were met, by statement: what NULL does not tell.
pub(super) type TypesMet = Mutex<HashMap<String, Vec<Option<Type>>>>;

/// One connection with its prepared statements.
pub(super) struct Connection {
    pub client: Client,
    /// The process that serves it, for when it has to be ended from elsewhere.
    pub backend: i32,
    /// A request is under way. Still so when it comes back: its caller went away in between.
    pub busy: bool,
    prepared: HashMap<(bool, String), Statement>,
    types_met: Arc<TypesMet>,
    driving: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // On a stalled network the task would wait for an answer that never comes.
        self.driving.abort();
    }
}

impl Connection {
    /// The statement, prepared for values like these; `must` wraps it so that it fails unless it
    /// changes one row.
    pub async fn prepare(
        &mut self,
        sql: &str,
        values: &[Value],
        must: bool,
    ) -> Result<Statement, Error> {
        let key = (must, sql.to_owned());
        if let Some(known) = self.prepared.get(&key)
            && fits(known.params(), values)
        {
            return Ok(known.clone());
        }
        let types = self.types(sql, values);
        let text = to_dollars(sql);
        let text = if must { changing_one_row(&text) } else { text };
        let statement = self.client.prepare_typed(&text, &types).await?;
        if self.prepared.len() >= PREPARED_MAX {
            self.prepared.clear();
        }
        self.prepared.insert(key, statement.clone());
        Ok(statement)
    }

    /// Types of these values; where one is NULL, what was met there before, else what the server
    /// makes of it.
    fn types(&self, sql: &str, values: &[Value]) -> Vec<Type> {
        let mut met = self.types_met.lock();
        if met.len() >= PREPARED_MAX * 2 {
            met.clear();
        }
        let known = met.entry(sql.to_owned()).or_default();
        known.resize(values.len(), None);
        for (slot, value) in known.iter_mut().zip(values) {
            if let Some(ty) = type_of(value) {
                *slot = Some(ty);
            }
        }
        known.iter().map(|slot| slot.clone().unwrap_or(Type::UNKNOWN)).collect()
    }
}

/// Whether the values can be sent to a statement with these parameters.
fn fits(params: &[Type], values: &[Value]) -> bool {
    params.len() == values.len()
        && params
            .iter()
            .zip(values)
            .all(|(param, value)| type_of(value).is_none_or(|t| t == *param))
}

/// A statement that divides by zero unless it changes exactly one row: so the condition is met or
/// not within the pipeline, without a trip back to ask. `met` comes as the last column.
fn changing_one_row(sql: &str) -> String {
    let (returning, columns) = if returns(sql) { ("", "deed.*, ") } else { (" RETURNING 1", "") };
    format!(
        "WITH deed AS ({sql}{returning}) SELECT {columns}guard.met FROM \
         (SELECT 1 / (CASE WHEN count(*) = 1 THEN 1 ELSE 0 END) AS met FROM deed) AS guard \
         LEFT JOIN deed ON guard.met = 1"
    )
}

/// Makes connections for a pool.
pub(super) struct Connector {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    types_met: Arc<TypesMet>,
}

impl Connector {
    /// From the host's words. `sslmode=require` means TLS with a certificate that is verified;
    /// without it the connection is plain, as it should be on loopback or a socket.
    pub fn new(options: &PostgresOptions) -> Result<Self, OpenError> {
        // What the parser says may repeat any part of the address, the password too.
        let mut config: Config = options.url.parse().map_err(|_: Error| OpenError::Address)?;
        config.application_name("fulmar").connect_timeout(CONNECT_DEADLINE);
        let tls = match config.get_ssl_mode() {
            SslMode::Require => Some(MakeRustlsConnect::new(tls_config(options)?)),
            _ => {
                config.ssl_mode(SslMode::Disable);
                None
            }
        };
        Ok(Self { config, tls, types_met: Arc::default() })
    }

    /// The first connection, whose failure the host is told of.
    pub async fn first(&self) -> Result<Connection, OpenError> {
        let error = match timeout(CONNECT_DEADLINE, self.dial()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_) => {
                let cause = format!("nothing came within {} s", CONNECT_DEADLINE.as_secs());
                return Err(OpenError::Unreachable { at: self.at(), cause });
            }
        };
        Err(match error.as_db_error() {
            Some(said) => OpenError::Refused {
                at: self.at(),
                said: format!("{} ({})", said.message(), said.code().code()),
            },
            None => OpenError::Unreachable { at: self.at(), cause: chain(&error) },
        })
    }

    /// One more connection while serving. Whatever stands between us and the server, a password
    /// that was changed included, it is away; the log says what it was.
    pub async fn connect(&self) -> Result<Connection, StoreError> {
        self.first().await.map_err(|error| {
            tracing::warn!(%error, "no connection to the database");
            away()
        })
    }

    /// Host, port, database and user: what may be said of the address.
    fn at(&self) -> String {
        let host = self.config.get_hosts().first().map_or_else(
            || "an address".to_owned(),
            |host| match host {
                Host::Tcp(name) => name.clone(),
                Host::Unix(path) => path.display().to_string(),
            },
        );
        let port = self.config.get_ports().first().copied().unwrap_or(5_432);
        let user = self.config.get_user().unwrap_or("the system's user");
        let database = self.config.get_dbname().unwrap_or(user);
        format!("{host}:{port}, database {database}, user {user}")
    }

    async fn dial(&self) -> Result<Connection, Error> {
        let (client, driving) = match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                (client, tokio::spawn(drive(connection)))
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                (client, tokio::spawn(drive(connection)))
            }
        };
        let said = client.simple_query(SETTINGS).await?;
        let backend = said.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        });
        Ok(Connection {
            client,
            backend: backend.unwrap_or(0),
            busy: false,
            prepared: HashMap::new(),
            types_met: Arc::clone(&self.types_met),
            driving,
        })
    }
}

/// The first host of an address that is another machine, where the address does not ask for TLS.
pub(crate) fn in_the_clear(url: &str) -> Option<String> {
    let config: Config = url.parse().ok()?;
    if config.get_ssl_mode() == SslMode::Require {
        return None;
    }
    let is_here = |name: &str| {
        name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    };
    // Where an address is given for a name, it is the address that is dialled.
    let numbers = config.get_hostaddrs();
    if !numbers.is_empty() {
        return numbers.iter().find(|address| !address.is_loopback()).map(IpAddr::to_string);
    }
    config.get_hosts().iter().find_map(|host| match host {
        Host::Tcp(name) if !is_here(name) => Some(name.clone()),
        _ => None,
    })
}

/// Moves bytes until the connection ends. Errors reach whoever waits for an answer on it.
async fn drive<S, T>(connection: tokio_postgres::Connection<S, T>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    if let Err(error) = connection.await {
        tracing::debug!(error = chain(&error), "a database connection ended");
    }
}

fn tls_config(options: &PostgresOptions) -> Result<rustls::ClientConfig, StoreError> {
    let broken = |e: &dyn std::fmt::Display| StoreError::Broken(format!("database TLS: {e}"));
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for der in &options.root_certificates {
        roots.add(der.clone().into()).map_err(|e| broken(&e))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| broken(&e))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

impl Manager for Connector {
    type Type = Connection;
    type Error = StoreError;

    async fn create(&self) -> Result<Connection, StoreError> {
        self.connect().await
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<StoreError> {
        if connection.client.is_closed() {
            return Err(RecycleError::message("the connection ended"));
        }
        if connection.busy {
            let idle = timeout(RECYCLE_DEADLINE, connection.client.check_connection()).await;
            if !matches!(idle, Ok(Ok(()))) {
                return Err(RecycleError::message("an abandoned request has not ended"));
            }
            connection.busy = false;
        }
        Ok(())
    }
}

/// A pool that makes its connections as they are needed.
pub(super) fn pool(options: &PostgresOptions) -> Result<Pool<Connector>, OpenError> {
    let built = Pool::builder(Connector::new(options)?).max_size(POSTGRES_CONNECTIONS).build();
    Ok(built.map_err(|e| StoreError::Broken(format!("database pool: {e}")))?)
}

/// A connection from the pool, or `Away` when none comes in time.
pub(super) async fn take(pool: &Pool<Connector>) -> Result<Object<Connector>, StoreError> {
    match timeout(POOL_DEADLINE, pool.get()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(PoolError::Backend(error))) => Err(error),
        Ok(Err(_)) | Err(_) => Err(away()),
    }
}

/// Whether an error says that the connection it came from must not be used again.
pub(super) fn spoils(connection: &Connection, error: &Error) -> bool {
    connection.client.is_closed() || is_connection_lost(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params;

    #[test]
    fn an_address_that_leads_over_a_network_in_the_clear_is_known() {
        for (url, expected) in [
            ("postgres://a:b@db.example:5432/c", Some("db.example")),
            ("postgres://a:b@db.example/c?sslmode=prefer", Some("db.example")),
            ("postgres://a:b@db.example/c?sslmode=require", None),
            ("postgres://a@10.0.0.7/c", Some("10.0.0.7")),
            ("postgres://a@127.0.0.1:5432/c", None),
            ("postgres://a@localhost/c", None),
            ("postgres://a@localhost,db.example/c", Some("db.example")),
            ("host=/run/postgresql user=a", None),
            ("host=db.example hostaddr=127.0.0.1 user=a", None),
            ("host=localhost hostaddr=10.0.0.7 user=a", Some("10.0.0.7")),
            ("no address", None),
        ] {
            assert_eq!(in_the_clear(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_statement_is_prepared_again_when_its_values_are_of_other_types() {
        for (params, values, fit) in [
            (vec![Type::INT8, Type::TEXT], params![1_i64, "a"], true),
            (vec![Type::INT8, Type::TEXT], params![Value::Null, Value::Null], true),
            (vec![Type::INT4], params![1_i64], false),
            (vec![Type::TEXT], params![1_i64], false),
            (vec![Type::INT8], params![1_i64, 2_i64], false),
        ] {
            assert_eq!(fits(&params, &values), fit, "{params:?} {values:?}");
        }
    }
}
