//! The world's clock and chance, behind the ports of `model`: the only place that asks for them.
#![allow(clippy::disallowed_methods)]

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use model::{
    Timestamp,
    ports::{Clock, Random},
};
use std::{
    sync::LazyLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// Where steady time begins.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The system's clocks.
pub(crate) struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
    fn thread_work_ns(&self) -> u64 {
        shield::gate::thread_work_ns()
    }
    fn steady_ns(&self) -> u64 {
        u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The system's generator.
pub(crate) struct SystemChance(pub SystemRandom);

impl SystemChance {
    pub(crate) fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl Random for SystemChance {
    fn fill(&self, bytes: &mut [u8]) {
        // A system without randomness cannot keep a secret: better no server than a guessable one.
        if self.0.fill(bytes).is_err() {
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::Full;
    use model::{ports::Unheard, work::borrowed_ns};
    use shield::{
        decide::{
            Credentials, Criticality, Door, Facts, Now, Route, RouteId, Settings, TRAITS, Verdict,
            Work,
        },
        gate::{Gate, TurnedAway, Wiring, thread_work_ns},
    };
    use std::{convert::Infallible, net::Ipv4Addr, sync::Arc};
    use store::{Db, Options, params};
    use tower::{Service as _, service_fn};

    /// A stranger at a time that stands still, with the clocks of work as they are.
    struct Stranger;

    impl Wiring for Stranger {
        type Body = Full<Bytes>;
        type Began = u64;

        fn facts<B>(&self, _: &mut Request<B>) -> Option<(Facts, u64)> {
            let (criticality, work, door) = (Criticality::Usual, Work::Plain, Door::Api);
            let facts = Facts {
                address: Ipv4Addr::LOCALHOST.into(),
                direct: true,
                credentials: Credentials::default(),
                route: Route { id: RouteId(1), criticality, work, door },
                traits: [1; TRAITS],
            };
            Some((facts, self.begin(None)))
        }

        fn turned_away<B>(
            &self,
            _: &Request<B>,
            turned: &TurnedAway,
            _: &Facts,
            _: Verdict,
        ) -> Response<Full<Bytes>> {
            panic!("turned away: {turned:?}");
        }

        fn now(&self) -> Now {
            Now { us: 1_000_000, unix_s: 1_767_225_600 }
        }

        fn overruled<B>(&self, _: &mut Request<B>, _: &TurnedAway, _: &Facts, _: Verdict) {}

        fn now_at(&self, _: u64) -> Now {
            self.now()
        }

        fn begin(&self, last: Option<u64>) -> u64 {
            last.unwrap_or_else(|| thread_work_ns() + borrowed_ns())
        }

        fn lap(&self, began: u64) -> (u64, u64) {
            let now = thread_work_ns() + borrowed_ns();
            (now.saturating_sub(began), now)
        }
    }

    #[tokio::test]
    async fn a_handler_whose_work_is_all_in_the_store_has_it_in_its_cost() {
        const COUNT: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
            WHERE i < 300000) SELECT COUNT(*) FROM n";
        let folder = tempfile::tempdir().unwrap();
        let options = Options::at(folder.path().join("fulmar.db"));
        let db = Db::open(&options, Arc::new(WallClock), Arc::new(Unheard)).unwrap();
        let settings = Settings { sources: 4_096, ..Settings::for_cores(1) };
        let gate = Gate::new(settings, [7; 16], Stranger);
        let handler = service_fn(|_: Request<()>| {
            let db = db.clone();
            async move {
                db.query(COUNT, params![]).await.unwrap();
                Ok::<_, Infallible>(Response::new(Full::from("")))
            }
        });
        let (own, borrowed) = (thread_work_ns(), borrowed_ns());
        gate.around(handler).call(Request::new(())).await.unwrap();
        let (own, borrowed) = (thread_work_ns() - own, borrowed_ns() - borrowed);
        assert!(borrowed > own, "{borrowed} ns in the store, {own} here");
        let (depth_ms, borrowed_ms) = (gate.snapshot().depth_ms, borrowed as f64 / 1e6);
        assert!(depth_ms >= borrowed_ms, "{depth_ms} of {borrowed_ms} ms were settled");
    }
}
