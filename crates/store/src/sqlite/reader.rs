//! Readers: a few threads with a connection each. A query waits in a bounded queue, never longer,
//! and is stopped once nobody waits for it: its deadline has passed, or its caller has gone.
//!
//! An answer brings what it took of the processor (`meter`).

use super::{closed, connect, meter::Meter, rows_of, spawn, store_error};
use crate::{
    Options, Row, Value,
    limits::{QUERY_DEADLINE, QUERY_STEPS, READ_QUEUE_MAX, READERS},
};
use model::{StoreError, ports::Clock, work::Made};
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
    answer: oneshot::Sender<Made<Result<Vec<Row>, StoreError>>>,
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
    pub(super) fn start(options: &Options, clock: &Arc<dyn Clock>) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::sync_channel(READ_QUEUE_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut threads = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let conn = connect(options)?;
            conn.pragma_update(None, "query_only", true).map_err(|e| store_error(&e))?;
            let (waiting, clock) = (Arc::clone(&waiting), Arc::clone(clock));
            threads.push(spawn("reader", move || serve(conn, &waiting, &*clock))?);
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
            Ok(Ok(made)) => made.taken(),
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

fn serve(
    mut conn: rusqlite::Connection,
    waiting: &Mutex<mpsc::Receiver<Query>>,
    clock: &dyn Clock,
) {
    let mut meter = Meter::new(clock);
    loop {
        let next = waiting.lock().recv();
        let Ok(query) = next else { return };
        // A caller that has gone (closed connection, deadline) costs nothing more.
        let unwanted = query.unwanted;
        if unwanted.load(Ordering::Relaxed) {
            continue;
        }
        let look = move || unwanted.load(Ordering::Relaxed);
        let (rows, work_ns) = meter.measure(|| {
            conn.progress_handler(QUERY_STEPS, Some(look))
                .and_then(|()| conn.prepare_cached(&query.sql))
                .and_then(|mut statement| rows_of(&mut statement, &query.values, &[]))
        });
        let _ = query.answer.send(Made::at(rows.map_err(|e| store_error(&e)), work_ns));
    }
}
