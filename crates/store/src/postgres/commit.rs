//! One deed as one pipeline: BEGIN, its statements and COMMIT leave together and one answer comes
//! back. When the answer is lost, the server process is ended before anything is said about the
//! deed's place, so that nothing becomes visible behind a reader's back.

use super::{
    Postgres,
    connection::{self, Connection},
    error::{away, is_collision, is_connection_lost, is_constraint, store_error, unsettled},
    value::{Bound, Cell},
};
use crate::{
    Batch, CommitError, Done, Row, Value, announce,
    batch::{Demand, Statement as Part},
    limits::{COLLISIONS_MAX, COMMIT_DEADLINE, SETTLE_EVERY, SETTLE_TRIES},
};
use futures_util::{StreamExt, future::poll_fn};
use model::{ports::Announcement, work::Made};
use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::Poll,
};
use tokio::{sync::oneshot, time::timeout};
use tokio_postgres::{Client, Error, Statement, error::SqlState};

/// What became of one attempt.
enum Fate {
    Committed(Done),
    /// Certainly not committed.
    Refused(CommitError),
    /// Certainly not committed, for no fault of its own.
    Collided,
    /// The connection went before the answer came.
    Unknown,
}

type Answer = oneshot::Sender<Made<Result<Done, CommitError>>>;

/// Rows and how many were changed.
type Outcome = Result<(Vec<Row>, usize), Error>;

/// Runs a deed to its end and answers. Spawned, so that a caller who goes away leaves no deed half
/// known.
pub(super) async fn run(postgres: Arc<Postgres>, batch: Batch, answer: Answer) {
    let Batch { statements: parts, ids: wanted, moves, tell } = batch;
    let mut connection = match connection::take(&postgres.writers).await {
        Ok(connection) => connection,
        Err(error) => return reply(answer, Err(error.into()), 0),
    };
    let statements = match prepare_all(&mut connection, &parts).await {
        Ok(statements) => statements,
        Err(error) => {
            if connection::spoils(&connection, &error) {
                drop(deadpool::managed::Object::take(connection));
            }
            return reply(answer, Err(store_error(&error).into()), 0);
        }
    };
    // Ids are issued as late as can be: a place that is held keeps others waiting.
    let now = postgres.clock.now();
    let (ids, flight) = postgres.flights.begin(wanted, tell.is_some(), now);
    let mut fate = Fate::Collided;
    let work_ns = AtomicU64::new(0);
    for _ in 0..COLLISIONS_MAX {
        let trip = postgres.shares.begin();
        let answered = || {
            work_ns.fetch_add(trip.work_ns(), Relaxed);
        };
        let attempt = pipeline(&connection.client, &parts, &statements, &ids, &answered);
        fate = timeout(COMMIT_DEADLINE, attempt).await.unwrap_or(Fate::Unknown);
        if !matches!(fate, Fate::Collided) {
            break;
        }
    }
    let work_ns = work_ns.into_inner();
    match fate {
        Fate::Committed(done) => {
            drop(connection);
            if moves && let Some(last) = ids.last() {
                postgres.moved.tell(*last);
            }
            match announce::event_of(tell, &done) {
                Some(event) => {
                    let acknowledge = Box::new(move || reply(answer, Ok(done), work_ns));
                    flight.land(Some(Announcement { event, acknowledge }));
                }
                None => {
                    flight.land(None);
                    reply(answer, Ok(done), work_ns);
                }
            }
        }
        Fate::Refused(error) => {
            drop(flight);
            reply(answer, Err(error), work_ns);
        }
        Fate::Collided => {
            drop(flight);
            reply(answer, Err(away().into()), work_ns);
        }
        Fate::Unknown => {
            let backend = connection.backend;
            drop(deadpool::managed::Object::take(connection));
            reply(answer, Err(unsettled().into()), work_ns);
            settle(&postgres, backend).await;
            if moves && let Some(last) = ids.last() {
                postgres.moved.tell(*last);
            }
            drop(flight);
            postgres.flights.lost();
        }
    }
}

fn reply(answer: Answer, result: Result<Done, CommitError>, work_ns: u64) {
    // A caller who is gone needs no answer.
    let _ = answer.send(Made::at(result, work_ns));
}

async fn prepare_all(connection: &mut Connection, parts: &[Part]) -> Result<Vec<Statement>, Error> {
    let mut statements = Vec::with_capacity(parts.len());
    for part in parts {
        let must = part.demand == Demand::One;
        statements.push(connection.prepare(part.sql, &part.values, must).await?);
    }
    Ok(statements)
}

/// One attempt; `answered` is called as the answer of the last statement is there.
async fn pipeline(
    client: &Client,
    parts: &[Part],
    statements: &[Statement],
    ids: &[i64],
    answered: &(dyn Fn() + Sync),
) -> Fate {
    let mut requests: Vec<Pin<Box<dyn Future<Output = Outcome> + Send + '_>>> = Vec::new();
    requests.push(Box::pin(control(client, "BEGIN")));
    for (place, (part, statement)) in parts.iter().zip(statements).enumerate() {
        let is_last = place + 1 == parts.len();
        requests.push(Box::pin(async move {
            let outcome = execute(client, statement, part, ids).await;
            if is_last {
                answered();
            }
            outcome
        }));
    }
    requests.push(Box::pin(control(client, "COMMIT")));
    let mut outcomes = in_order(requests).await;
    let committed = outcomes.pop().unwrap_or(Ok((vec![], 0)));
    let mut done = Done { ids: ids.to_vec(), ..Done::default() };
    // Past the BEGIN. Those after a failed statement only say that the transaction is aborted.
    for (place, outcome) in outcomes.into_iter().skip(1).enumerate() {
        match outcome {
            Ok((rows, changed)) => {
                done.rows.push(rows);
                done.changed.push(changed);
            }
            Err(error) => {
                let demand = parts.get(place).map_or(Demand::Any, |part| part.demand);
                return failed(place, demand, &error);
            }
        }
    }
    match committed {
        Ok(_) => Fate::Committed(done),
        Err(error) if is_connection_lost(&error) => Fate::Unknown,
        Err(error) if is_collision(&error) => Fate::Collided,
        Err(error) => Fate::Refused(store_error(&error).into()),
    }
}

fn failed(place: usize, demand: Demand, error: &Error) -> Fate {
    let divided = error.code() == Some(&SqlState::DIVISION_BY_ZERO);
    if is_connection_lost(error) {
        Fate::Unknown
    } else if is_collision(error) {
        Fate::Collided
    } else if is_constraint(error) {
        Fate::Refused(CommitError::Key(place))
    } else if demand == Demand::One && divided {
        Fate::Refused(CommitError::Unmet(place))
    } else {
        Fate::Refused(store_error(error).into())
    }
}

async fn control(client: &Client, sql: &'static str) -> Outcome {
    client.batch_execute(sql).await.map(|()| (vec![], 0))
}

async fn execute(client: &Client, statement: &Statement, part: &Part, ids: &[i64]) -> Outcome {
    let (mut rows, changed) = rows_of(client, statement, &part.values, ids).await?;
    if part.demand == Demand::Any {
        return Ok((rows, changed));
    }
    // The last column only says that the demand was met.
    for row in &mut rows {
        row.0.pop();
    }
    rows.retain(|row| !row.0.is_empty());
    Ok((rows, 1))
}

/// Runs one prepared statement and takes all its rows.
pub(super) async fn rows_of(
    client: &Client,
    statement: &Statement,
    values: &[Value],
    ids: &[i64],
) -> Outcome {
    let bound = values.iter().map(|value| Bound { value, ids });
    let mut stream = pin!(client.query_raw(statement, bound).await?);
    let mut rows = Vec::new();
    while let Some(row) = stream.next().await {
        let row = row?;
        let read = |i| row.try_get::<_, Cell>(i).map(|cell| cell.0);
        rows.push(Row((0..row.len()).map(read).collect::<Result<_, _>>()?));
    }
    let changed = stream.rows_affected().unwrap_or(0);
    Ok((rows, usize::try_from(changed).unwrap_or(usize::MAX)))
}

/// Polls all, first to last, until all are done: a request leaves at the first poll, so their
/// order here is their order on the wire.
async fn in_order<T>(mut parts: Vec<Pin<Box<dyn Future<Output = T> + Send + '_>>>) -> Vec<T> {
    let mut results: Vec<Option<T>> = parts.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut waiting = false;
        for (part, result) in parts.iter_mut().zip(&mut results) {
            if result.is_none() {
                match part.as_mut().poll(context) {
                    Poll::Ready(value) => *result = Some(value),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    results.into_iter().flatten().collect()
}

/// Ends the server process of a lost connection and waits until it is gone: from then on its deed
/// is either visible or never will be.
async fn settle(postgres: &Postgres, backend: i32) {
    let sql = "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity \
               WHERE pid = $1 AND usename = current_user AND application_name = 'fulmar'";
    let mut pause = tokio::time::interval(SETTLE_EVERY);
    for _ in 0..SETTLE_TRIES {
        pause.tick().await;
        let Ok(connection) = connection::take(&postgres.readers).await else { continue };
        let Ok(Ok(ended)) =
            timeout(COMMIT_DEADLINE, connection.client.query(sql, &[&backend])).await
        else {
            drop(deadpool::managed::Object::take(connection));
            continue;
        };
        if ended.is_empty() {
            return;
        }
    }
    tracing::error!(backend, "the outcome of a lost deed stayed unknown");
}
