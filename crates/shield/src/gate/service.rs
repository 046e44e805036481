//! The gate as a `tower` service: one future for a request, from its facts to its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::charge::{Charge, Settled};
use super::waiting::Wait;
use super::{Gate, Ruling, TurnedAway, Wiring};
use crate::decide::{Admission, Called, Door, Facts, Verdict};

/// A service with the gate around it.
pub struct Gated<S, W> {
    gate: Arc<Gate<W>>,
    inner: S,
}

impl<S, W> Gated<S, W> {
    pub(super) fn new(gate: Arc<Gate<W>>, inner: S) -> Self {
        Self { gate, inner }
    }
}

impl<S: Clone, W> Clone for Gated<S, W> {
    fn clone(&self) -> Self {
        Self { gate: Arc::clone(&self.gate), inner: self.inner.clone() }
    }
}

impl<S, W, B> Service<Request<B>> for Gated<S, W>
where
    S: Service<Request<B>, Response = Response<W::Body>> + Clone,
    W: Wiring<Body: Body<Data = Bytes>>,
{
    type Response = Response<Settled<W::Body, W>>;
    type Error = S::Error;
    type Future = Gating<S, W, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let gate = Arc::clone(&self.gate);
        let Some(facts) = gate.wiring.facts(&mut request) else {
            let stage = Stage::Free { future: self.inner.call(request) };
            return Gating { gate, held: false, stage };
        };
        let (ruling, verdict) = gate.decide(&facts);
        if let Some(turned) = &verdict.overruled {
            gate.wiring.overruled(&mut request, turned, &facts, verdict);
        }
        let stage = match ruling {
            Ruling::Serve(admission) => Stage::enter(&gate, &mut self.inner, request, admission),
            Ruling::Wait(place, heard) => {
                let wait = Wait::new(Arc::clone(&gate), place, heard);
                // The service that said it is ready is the one that is called later.
                let ready = self.inner.clone();
                let inner = Some(std::mem::replace(&mut self.inner, ready));
                let waiting = Some(Waiting { request, facts, verdict });
                Stage::Waiting { wait, inner, waiting }
            }
            Ruling::TurnAway(turned) => {
                let answer = gate.wiring.turned_away(&request, &turned, &facts, verdict);
                Stage::Answered { answer: Some(answer) }
            }
        };
        Gating { gate, held: facts.route.door == Door::Stream, stage }
    }
}

pin_project! {
    /// A request at the gate.
    pub struct Gating<S, W, B>
    where
        S: Service<Request<B>>,
        W: Wiring,
    {
        gate: Arc<Gate<W>>,
        // Its answer is held open: it is settled at its head, or every stream would count as
        // something in flight.
        held: bool,
        #[pin]
        stage: Stage<S, W, B, S::Future>,
    }
}

/// A request that waits, and what was found of it.
struct Waiting<B> {
    request: Request<B>,
    facts: Facts,
    verdict: Verdict,
}

pin_project! {
    #[project = StageProjection]
    enum Stage<S, W, B, F>
    where
        W: Wiring,
    {
        Waiting { #[pin] wait: Wait<W>, inner: Option<S>, waiting: Option<Waiting<B>> },
        Free { #[pin] future: F },
        Inside { #[pin] future: F, charge: Option<Charge<W>> },
        Answered { answer: Option<Response<W::Body>> },
    }
}

impl<S, W, B> Stage<S, W, B, S::Future>
where
    S: Service<Request<B>>,
    W: Wiring,
{
    fn enter(
        gate: &Arc<Gate<W>>,
        inner: &mut S,
        request: Request<B>,
        admission: Admission,
    ) -> Self {
        let mut charge = Charge::new(Arc::clone(gate), admission);
        let future = charge.work(|| inner.call(request));
        Self::Inside { future, charge: Some(charge) }
    }
}

impl<S, W, B> Future for Gating<S, W, B>
where
    S: Service<Request<B>, Response = Response<W::Body>>,
    W: Wiring<Body: Body<Data = Bytes>>,
{
    type Output = Result<Response<Settled<W::Body, W>>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.stage.as_mut().project() {
                StageProjection::Waiting { wait, inner, waiting } => {
                    let called = ready!(wait.poll(context));
                    let (Some(mut inner), Some(waiting)) = (inner.take(), waiting.take()) else {
                        return Poll::Pending;
                    };
                    let Waiting { request, facts, verdict } = waiting;
                    match called {
                        Called::Serve(admission) => {
                            Stage::enter(this.gate, &mut inner, request, admission)
                        }
                        Called::Refuse(refusal) => {
                            let (turned, wiring) =
                                (TurnedAway::Refused(refusal), &this.gate.wiring);
                            let answer = wiring.turned_away(&request, &turned, &facts, verdict);
                            Stage::Answered { answer: Some(answer) }
                        }
                    }
                }
                StageProjection::Free { future } => {
                    let answer = ready!(future.poll(context))?;
                    return Poll::Ready(Ok(answer.map(Settled::free)));
                }
                StageProjection::Inside { mut future, charge } => {
                    let Some(owed) = charge.as_mut() else { return Poll::Pending };
                    let answer = ready!(owed.work(|| future.as_mut().poll(context)));
                    let Some(mut owed) = charge.take() else { return Poll::Pending };
                    if *this.held {
                        owed.end();
                    }
                    let answer = answer?.map(|body| Settled::of(body, owed));
                    return Poll::Ready(Ok(answer));
                }
                StageProjection::Answered { answer } => {
                    let Some(answer) = answer.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(answer.map(Settled::free)));
                }
            };
            this.stage.set(next);
        }
    }
}
