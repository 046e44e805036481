//! What tests need and nobody else: a clock that stands still, both engines of the store with a
//! database a test, the conformance harness, and a proxy that breaks connections. Development
//! only: no released crate depends on it.

pub mod clock;
pub mod conformance;
pub mod heard;
pub mod postgres;
pub mod proxy;

use std::{future::Future, time::Duration};

/// How long a test waits for something that is bound to happen. Past it the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again until the answer is `Some`, or panics with `what` when patience runs out.
pub async fn until<T, F, Fut>(what: &str, mut ask: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let asked = async {
        let mut pause = tokio::time::interval(Duration::from_millis(5));
        loop {
            pause.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer,
        Err(_) => panic!("waited {PATIENCE:?} in vain: {what}"),
    }
}
