//! Counts of what the server answers, and their door: a listener of its own, so that no visitor can
//! read them and no flood of visitors can hide them. Leaves the figures' text to `text`.
//!
//! A request pays for one look-up in a map that is never changed, two readings of the clock and
//! three additions to atomics. There is one place per route, made at the start, and one for all
//! that has no route: whatever strangers ask for, the figures keep their size.

mod shield;
mod text;

use crate::{
    hint,
    limits::{METRICS_CONNECTIONS_MAX, METRICS_STORE_S},
    shielding::{
        self,
        kernel::{Figures, Kernel},
    },
    tls::Tls,
};
use ::shield::edge;
use axum::{
    Router,
    extract::{MatchedPath, State},
    http::{Method, Request, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
    routing,
};
use httpkit::{
    hook::{After, Hook},
    request_id::RequestId,
};
use social::Social;
use std::{
    collections::HashMap,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Upper ends of the histogram's buckets, in µs; there is one more for what took longer.
const ENDS_US: [u64; 12] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
    30_000_000,
];

/// What is counted of one route.
#[derive(Debug, Default)]
struct Counts {
    /// Answers by the first digit of their status, 1 to 5.
    classes: [AtomicU64; 5],
    /// Answers by how long they took until their head was ready.
    durations: [AtomicU64; ENDS_US.len() + 1],
    /// How long all of them took.
    sum_us: AtomicU64,
}

impl Counts {
    fn count(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = ENDS_US.partition_point(|end| *end < took_us);
        for counter in self.classes.get(class).into_iter().chain(self.durations.get(bucket)) {
            counter.fetch_add(1, Relaxed);
        }
        self.sum_us.fetch_add(took_us, Relaxed);
    }
}

/// A route and its counts.
#[derive(Debug)]
struct Place {
    method: String,
    path: &'static str,
    counts: Counts,
}

/// The counts of every route.
#[derive(Debug)]
pub(crate) struct Meter {
    places: Vec<Place>,
    /// Places by path, then by method.
    by_path: HashMap<&'static str, Vec<(Method, usize)>>,
    elsewhere: Counts,
}

impl Meter {
    /// With a place for each of these methods and paths.
    pub(crate) fn new(routes: impl Iterator<Item = &'static (&'static str, &'static str)>) -> Self {
        let mut meter =
            Self { places: Vec::new(), by_path: HashMap::new(), elsewhere: Counts::default() };
        for (method, path) in routes {
            let name = method.to_uppercase();
            let Ok(method) = name.parse::<Method>() else { continue };
            meter.by_path.entry(path).or_default().push((method, meter.places.len()));
            meter.places.push(Place { method: name, path, counts: Counts::default() });
        }
        meter
    }

    /// Where a request is counted. A HEAD is counted with the GETs, which answer it.
    fn counts(&self, method: &Method, path: Option<&MatchedPath>) -> &Counts {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let place = path.and_then(|path| {
            let path = path.as_str();
            // Routes are answered with a slash at the end too.
            let methods = self
                .by_path
                .get(path)
                .or_else(|| path.strip_suffix('/').and_then(|path| self.by_path.get(path)))?;
            let (_, place) = methods.iter().find(|(known, _)| known == method)?;
            self.places.get(*place)
        });
        place.map_or(&self.elsewhere, |place| &place.counts)
    }
}

#[expect(clippy::disallowed_methods, reason = "how long answers take is measured here alone")]
fn now() -> Instant {
    Instant::now()
}

/// The router and the hook around it, where figures or lines are wanted: the layer that tells the
/// hook which route was taken costs a tenth of the cheapest answer, so nobody else pays for it.
pub(crate) fn measured(
    router: Router,
    meter: Arc<Meter>,
    is_shown: bool,
) -> (Router, Option<Measure>) {
    let is_logged = tracing::enabled!(target: "fulmar::request", tracing::Level::DEBUG);
    if is_shown || is_logged {
        (router.layer(from_fn(name_route)), Some(Measure(meter)))
    } else {
        (router, None)
    }
}

/// Leaves the route with the answer, since only here is it known which one was taken; an answer
/// that is given again brings it along.
async fn name_route(request: Request<axum::body::Body>, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(path) = path {
        response.extensions_mut().insert(path);
    }
    response
}

/// Counts every answer under its route, and writes a line on it for whoever wants so many
/// (`fulmar::request=debug`).
#[derive(Clone)]
pub(crate) struct Measure(Arc<Meter>);

impl Hook for Measure {
    type Kept = (Method, Option<RequestId>, Instant);

    fn before<B>(&self, request: &mut Request<B>) -> Result<Self::Kept, Box<Response>> {
        let id = request.extensions().get::<RequestId>().copied();
        Ok((request.method().clone(), id, now()))
    }

    fn after(&self, (method, id, began): Self::Kept, mut response: Response) -> After {
        let path = response.extensions_mut().remove::<MatchedPath>();
        let (status, took) = (response.status(), began.elapsed());
        self.0.counts(&method, path.as_ref()).count(status, took);
        // The route and not the path, which may name what not everybody may see.
        let route = path.as_ref().map_or("none", MatchedPath::as_str);
        let (status, took_us) = (status.as_u16(), took.as_micros());
        tracing::debug!(
            target: "fulmar::request",
            request_id = id.map(tracing::field::display),
            %method, route, status, took_us, "answered"
        );
        After::Now(response)
    }
}

/// Everything that there are figures of.
#[derive(Clone)]
pub(crate) struct Sources {
    pub meter: Arc<Meter>,
    pub edge: Arc<edge::Stats>,
    pub social: Arc<Social>,
    pub seats: api::Seats,
    pub shared: Arc<httpkit::SharedPages>,
    pub homes: Arc<api::HomePages>,
    /// The deny set in the kernel.
    pub kernel: Option<Arc<Kernel>>,
    pub gate: Arc<shielding::Gate>,
    /// Where this server speaks TLS.
    pub tls: Option<Arc<Tls>>,
    /// The files of an SQLite database.
    pub database: Vec<PathBuf>,
}

/// Serves the figures until the process ends: also while it drains, which is worth watching.
pub(crate) fn serve(listen: SocketAddr, sources: Sources) -> anyhow::Result<()> {
    let options = edge::Options {
        connections_max: METRICS_CONNECTIONS_MAX,
        prefix_connections_max: METRICS_CONNECTIONS_MAX,
        ..edge::Options::default()
    };
    let listener = edge::Listener::bind(listen, &options)
        .map_err(|error| hint::listening(listen, &error).context("metrics.listen"))?;
    tracing::info!(address = %listener.local_addr(), "metrics are served");
    let router = Router::new()
        .route("/metrics", routing::get(show))
        .method_not_allowed_fallback(async || {
            (StatusCode::METHOD_NOT_ALLOWED, "figures are read: GET /metrics\n")
        })
        .fallback(async || (StatusCode::NOT_FOUND, "figures are at /metrics\n"))
        .with_state(sources);
    tokio::spawn(async move {
        let door = edge::Door::plain(listener);
        let served = edge::serve(door, options, router, CancellationToken::new()).await;
        if let Err(error) = served {
            tracing::error!(%error, "metrics are no longer served");
        }
    });
    Ok(())
}

/// `GET /metrics`, in the format of OpenMetrics 1.0, which Prometheus reads.
async fn show(State(sources): State<Sources>) -> Response {
    let began = now();
    let asked = sources.social.store().owner();
    let answered = tokio::time::timeout(Duration::from_secs(METRICS_STORE_S), asked).await;
    let store = matches!(answered, Ok(Ok(_))).then(|| began.elapsed());
    let kernel = match &sources.kernel {
        Some(kernel) => kernel.figures().await,
        None => Figures::default(),
    };
    match text::write(sources, store, kernel) {
        Ok(text) => ([(header::CONTENT_TYPE, text::CONTENT_TYPE)], text).into_response(),
        Err(std::fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_in_one_class_and_one_bucket() {
        for (status, took_us, class, bucket) in [
            (200, 0, 1, 0),
            (204, 500, 1, 0),
            (304, 501, 2, 1),
            (404, 30_000_000, 3, 11),
            (503, u64::MAX, 4, 12),
        ] {
            let counts = Counts::default();
            let status = StatusCode::from_u16(status).expect("a status");
            counts.count(status, Duration::from_micros(took_us));
            let read = |all: &[AtomicU64]| -> Vec<usize> {
                (0..all.len()).filter(|at| all[*at].load(Relaxed) == 1).collect()
            };
            assert_eq!(read(&counts.classes), [class], "{status}");
            assert_eq!(read(&counts.durations), [bucket], "{took_us}");
        }
    }

    #[test]
    fn what_has_no_route_has_one_place_however_it_is_asked() {
        let meter = Meter::new([("get", "/a"), ("post", "/a")].iter());
        for method in ["GET", "POST", "PUT", "BREW"] {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            assert!(std::ptr::eq(meter.counts(&method, None), &raw const meter.elsewhere));
        }
        assert_eq!(meter.places.len(), 2);
    }
}
