//! What is done around every request, without a price for every request: a hook looks at the
//! request before it is routed and at the answer after. Hooks wrap the router from outside, so that
//! nothing is boxed and no route is cloned for them; measured, each layer inside of axum's router
//! took a tenth of a cached answer's instructions. Leaves what belongs to one route to its handler.

use axum::response::Response;
use http::Request;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// Something done around every request.
pub trait Hook: Clone + Send + Sync + 'static {
    /// What it remembers from the request until the answer.
    type Kept: Send + 'static;

    /// Looks at a request before it is routed.
    ///
    /// # Errors
    /// The answer, where the request goes no further.
    fn before<B>(&self, request: &mut Request<B>) -> Result<Self::Kept, Box<Response>>;

    /// Looks at its answer.
    fn after(&self, kept: Self::Kept, response: Response) -> After;
}

/// What a hook makes of an answer.
pub enum After {
    /// This.
    Now(Response),
    /// What comes of it, for the few answers that have to be read first.
    Later(Pin<Box<dyn Future<Output = Response> + Send>>),
}

/// A hook that is there or not.
impl<H: Hook> Hook for Option<H> {
    type Kept = Option<H::Kept>;

    fn before<B>(&self, request: &mut Request<B>) -> Result<Self::Kept, Box<Response>> {
        self.as_ref().map(|hook| hook.before(request)).transpose()
    }

    fn after(&self, kept: Self::Kept, response: Response) -> After {
        match (self, kept) {
            (Some(hook), Some(kept)) => hook.after(kept, response),
            _ => After::Now(response),
        }
    }
}

/// A service with a hook around it.
#[derive(Clone, Debug)]
pub struct Hooked<S, H> {
    inner: S,
    hook: H,
}

impl<S, H> Hooked<S, H> {
    /// Puts the hook around the service; the last one put is the first to see a request.
    pub fn new(inner: S, hook: H) -> Self {
        Self { inner, hook }
    }
}

impl<S, H, B> Service<Request<B>> for Hooked<S, H>
where
    S: Service<Request<B>, Response = Response>,
    H: Hook,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Hooking<S::Future, H>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let stage = match self.hook.before(&mut request) {
            Ok(kept) => Stage::Inside { future: self.inner.call(request), kept: Some(kept) },
            Err(response) => Stage::Answered { response: Some(response) },
        };
        Hooking { stage, hook: self.hook.clone() }
    }
}

pin_project! {
    /// A request on its way through.
    pub struct Hooking<F, H: Hook> {
        #[pin]
        stage: Stage<F, H>,
        hook: H,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F, H: Hook> {
        Inside { #[pin] future: F, kept: Option<H::Kept> },
        Answered { response: Option<Box<Response>> },
        Outside { future: Pin<Box<dyn Future<Output = Response> + Send>> },
    }
}

impl<F, H, E> Future for Hooking<F, H>
where
    F: Future<Output = Result<Response, E>>,
    H: Hook,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let later = match this.stage.as_mut().project() {
                StageProjection::Inside { future, kept } => {
                    let response = ready!(future.poll(context))?;
                    // A future is not polled again after its answer, so what was kept is there.
                    let Some(kept) = kept.take() else { return Poll::Ready(Ok(response)) };
                    match this.hook.after(kept, response) {
                        After::Now(response) => return Poll::Ready(Ok(response)),
                        After::Later(future) => future,
                    }
                }
                StageProjection::Answered { response } => {
                    return match response.take() {
                        Some(response) => Poll::Ready(Ok(*response)),
                        None => Poll::Pending,
                    };
                }
                StageProjection::Outside { future } => {
                    return future.as_mut().poll(context).map(Ok);
                }
            };
            this.stage.set(Stage::Outside { future: later });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, body::Body, response::IntoResponse as _, routing::get};
    use http::StatusCode;
    use tower::ServiceExt as _;

    /// Refuses `/no`, reads answers to `/later` first, and marks each answer with its name.
    #[derive(Clone)]
    struct Marks(&'static str);

    impl Hook for Marks {
        type Kept = bool;

        fn before<B>(&self, request: &mut Request<B>) -> Result<bool, Box<Response>> {
            match request.uri().path() {
                "/no" => Err(Box::new(StatusCode::IM_A_TEAPOT.into_response())),
                path => Ok(path == "/later"),
            }
        }

        fn after(&self, later: bool, mut response: Response) -> After {
            let name = http::HeaderValue::from_static(self.0);
            response.headers_mut().append("marks", name);
            if later {
                After::Later(Box::pin(async {
                    tokio::task::yield_now().await;
                    response
                }))
            } else {
                After::Now(response)
            }
        }
    }

    async fn check(path: &str, outer: Option<Marks>, status: u16, marks: &[&str]) {
        let router = Router::new().fallback(get(async || "fine"));
        let service = Hooked::new(Hooked::new(router, Marks("inner")), outer);
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        let response = service.oneshot(request).await.expect("an answer");
        let all = response.headers().get_all("marks");
        let found: Vec<_> = all.iter().filter_map(|mark| mark.to_str().ok()).collect();
        assert_eq!((response.status().as_u16(), found.as_slice()), (status, marks), "{path}");
    }

    #[tokio::test]
    async fn hooks_see_requests_outside_in_and_answers_inside_out() {
        check("/", Some(Marks("outer")), 200, &["inner", "outer"]).await;
        check("/later", Some(Marks("outer")), 200, &["inner", "outer"]).await;
        check("/", None, 200, &["inner"]).await;
        check("/no", Some(Marks("outer")), 418, &[]).await;
        check("/no", None, 418, &[]).await;
    }
}
