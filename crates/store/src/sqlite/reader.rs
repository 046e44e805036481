//! Readers: a few threads with a connection each. A query waits in a bounded queue, never longer.

use super::{closed, connect, rows_of, spawn, store_error};
use crate::{
    Options, Row, Value,
    limits::{READ_QUEUE_MAX, READERS},
};
use model::StoreError;
use parking_lot::Mutex;
use std::{
    sync::{Arc, mpsc},
    thread::JoinHandle,
};
use tokio::sync::oneshot;

struct Query {
    sql: String,
    values: Vec<Value>,
    answer: oneshot::Sender<Result<Vec<Row>, StoreError>>,
}

/// The pool.
pub(super) struct Readers {
    queue: Option<mpsc::SyncSender<Query>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start(options: &Options) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::sync_channel(READ_QUEUE_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut threads = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let conn = connect(options)?;
            conn.pragma_update(None, "query_only", true).map_err(|e| store_error(&e))?;
            let waiting = Arc::clone(&waiting);
            threads.push(spawn("reader", move || serve(&conn, &waiting))?);
        }
        Ok(Self { queue: Some(queue), threads })
    }

    pub(super) async fn query(
        &self,
        sql: String,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        queue.try_send(Query { sql, values, answer }).map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        drop(self.queue.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn serve(conn: &rusqlite::Connection, waiting: &Mutex<mpsc::Receiver<Query>>) {
    loop {
        let next = waiting.lock().recv();
        let Ok(query) = next else { return };
        // A caller that has gone (closed connection, deadline) costs nothing more.
        if query.answer.is_closed() {
            continue;
        }
        let rows = conn
            .prepare_cached(&query.sql)
            .and_then(|mut statement| rows_of(&mut statement, &query.values, &[]));
        let _ = query.answer.send(rows.map_err(|e| store_error(&e)));
    }
}
