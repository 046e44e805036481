//! Readers: a few threads with a connection each. A query waits in a bounded queue, never longer,
//! and is stopped once nobody waits for it: its deadline has passed, or its caller has gone.

use super::{closed, connect, rows_of, spawn, store_error};
use crate::{
    Options, Row, Value,
    limits::{QUERY_DEADLINE, QUERY_STEPS, READ_QUEUE_MAX, READERS},
};
use model::StoreError;
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};
use tokio::{sync::oneshot, time::timeout};

struct Query {
    sql: String,
    values: Vec<Value>,
    answer: oneshot::Sender<Result<Vec<Row>, StoreError>>,
    unwanted: Arc<AtomicBool>,
}

/// Says when it goes that its query is wanted no more.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
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
            threads.push(spawn("reader", move || serve(conn, &waiting))?);
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
        let wanted = Wanted(Arc::default());
        let unwanted = Arc::clone(&wanted.0);
        queue.try_send(Query { sql, values, answer, unwanted }).map_err(|_| closed())?;
        match timeout(QUERY_DEADLINE, answered).await {
            Ok(Ok(rows)) => rows,
            Ok(Err(_)) | Err(_) => Err(closed()),
        }
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

fn serve(mut conn: rusqlite::Connection, waiting: &Mutex<mpsc::Receiver<Query>>) {
    loop {
        let next = waiting.lock().recv();
        let Ok(query) = next else { return };
        // A caller that has gone (closed connection, deadline) costs nothing more.
        let unwanted = query.unwanted;
        if unwanted.load(Ordering::Relaxed) {
            continue;
        }
        let look = move || unwanted.load(Ordering::Relaxed);
        if let Err(error) = conn.progress_handler(QUERY_STEPS, Some(look)) {
            let _ = query.answer.send(Err(store_error(&error)));
            continue;
        }
        let rows = conn
            .prepare_cached(&query.sql)
            .and_then(|mut statement| rows_of(&mut statement, &query.values, &[]));
        let _ = query.answer.send(rows.map_err(|e| store_error(&e)));
    }
}
