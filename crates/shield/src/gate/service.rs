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
use crate::decide::{Called, Door, Facts, Verdict};

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
        let Some((facts, began)) = self.gate.wiring.facts(&mut request) else {
            return Gating { stage: Stage::Free { future: self.inner.call(request) } };
        };
        let wiring = &self.gate.wiring;
        let (ruling, verdict) = self.gate.decide(&facts, wiring.now_at(began));
        if let Some(turned) = &verdict.overruled {
            wiring.overruled(&mut request, turned, &facts, verdict);
        }
        let stage = match ruling {
            Ruling::Serve(admission) => {
                let charge = Charge::new(Arc::clone(&self.gate), admission, began);
                Stage::enter(&mut self.inner, request, &facts, charge)
            }
            Ruling::Wait(place, heard) => {
                let gate = Arc::clone(&self.gate);
                let wait = Wait::new(Arc::clone(&gate), place, heard);
                // The service that said it is ready is the one that is called later.
                let ready = self.inner.clone();
                let inner = std::mem::replace(&mut self.inner, ready);
                let waiting = Waiting { gate, wait, inner, request, facts, verdict };
                Stage::Waiting { waiting: Some(Box::new(waiting)) }
            }
            Ruling::TurnAway(turned) => {
                let answer = wiring.turned_away(&request, &turned, &facts, verdict);
                Stage::Answered { answer: Some(answer) }
            }
        };
        Gating { stage }
    }
}

pin_project! {
    /// A request at the gate.
    pub struct Gating<S, W, B>
    where
        S: Service<Request<B>>,
        W: Wiring,
    {
        #[pin]
        stage: Stage<S, W, B, S::Future>,
    }
}

/// A request that waits, and what was found of it.
struct Waiting<S, W: Wiring, B> {
    gate: Arc<Gate<W>>,
    wait: Wait<W>,
    inner: S,
    request: Request<B>,
    facts: Facts,
    verdict: Verdict,
}

pin_project! {
    // The future of every request is moved into its place: what few need is boxed.
    #[project = StageProjection]
    enum Stage<S, W, B, F>
    where
        W: Wiring,
    {
        Waiting { waiting: Option<Box<Waiting<S, W, B>>> },
        Free { #[pin] future: F },
        // `held`: its answer is held open. It is settled at its head, or every stream would count
        // as something in flight.
        Inside { #[pin] future: F, charge: Option<Charge<W>>, held: bool },
        Answered { answer: Option<Response<W::Body>> },
    }
}

impl<S, W, B> Stage<S, W, B, S::Future>
where
    S: Service<Request<B>>,
    W: Wiring,
{
    /// Calls the service. What it does at once is measured with its first poll, which follows.
    fn enter(inner: &mut S, request: Request<B>, facts: &Facts, charge: Charge<W>) -> Self {
        let held = facts.route.door == Door::Stream;
        Self::Inside { future: inner.call(request), charge: Some(charge), held }
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
                StageProjection::Waiting { waiting } => {
                    let Some(held) = waiting.as_mut() else { return Poll::Pending };
                    let called = ready!(Pin::new(&mut held.wait).poll(context));
                    let Some(held) = waiting.take() else { return Poll::Pending };
                    let Waiting { gate, mut inner, request, facts, verdict, .. } = *held;
                    match called {
                        Called::Serve(admission) => {
                            let began = gate.wiring.begin(None);
                            let charge = Charge::new(gate, admission, began);
                            Stage::enter(&mut inner, request, &facts, charge)
                        }
                        Called::Refuse(refusal) => {
                            let turned = TurnedAway::Refused(refusal);
                            let answer =
                                gate.wiring.turned_away(&request, &turned, &facts, verdict);
                            Stage::Answered { answer: Some(answer) }
                        }
                    }
                }
                StageProjection::Free { future } => {
                    let answer = ready!(future.poll(context))?;
                    return Poll::Ready(Ok(answer.map(Settled::free)));
                }
                StageProjection::Inside { mut future, charge, held } => {
                    let Some(owed) = charge.as_mut() else { return Poll::Pending };
                    let answer = ready!(owed.work(|| future.as_mut().poll(context)));
                    let Some(mut owed) = charge.take() else { return Poll::Pending };
                    if *held {
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
