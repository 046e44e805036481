//! What a verb does in a task of its own and waits for: its work comes back with its result, so
//! that it is counted as work of who waits. See [`model::work`].

use model::{
    ports::Clock,
    work::{Made, borrowed_ns},
};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
};

/// Measures the polls of a future, with what they borrow.
pub(crate) async fn apart<T>(clock: Arc<dyn Clock>, future: impl Future<Output = T>) -> Made<T> {
    let mut future = pin!(future);
    let mut work_ns = 0_u64;
    poll_fn(move |context| {
        let now_ns = || clock.thread_work_ns().saturating_add(borrowed_ns());
        let before_ns = now_ns();
        let polled = future.as_mut().poll(context);
        work_ns = work_ns.saturating_add(now_ns().saturating_sub(before_ns));
        polled.map(|result| Made::at(result, work_ns))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Timestamp, work::spent};
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        task::{Context, Poll, Waker},
    };

    /// Every look at it finds a microsecond of work more.
    #[derive(Default)]
    struct Busy(AtomicU64);

    impl Clock for Busy {
        fn now(&self) -> Timestamp {
            Timestamp::from_ms(0)
        }
        fn thread_work_ns(&self) -> u64 {
            self.0.fetch_add(1_000, Ordering::Relaxed)
        }
    }

    #[test]
    fn a_task_of_its_own_brings_its_polls_and_what_they_borrowed() {
        let mut polls = 0;
        let work = poll_fn(|_| {
            polls += 1;
            spent(300);
            if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
        });
        let mut task = pin!(apart(Arc::new(Busy::default()), work));
        let mut context = Context::from_waker(Waker::noop());
        let made = loop {
            if let Poll::Ready(made) = task.as_mut().poll(&mut context) {
                break made;
            }
        };
        assert_eq!(made.work_ns(), 3 * 1_300);
    }
}
