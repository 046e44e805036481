//! Those whose service is measured. Their traffic goes on through all phases, and none of them
//! knows that there is an attack.

mod challenge;
mod members;
mod newcomers;
mod person;
mod returning;
mod warm_up;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    chance::Chance,
    clock,
    limits::ASKED_MAX,
    measure::{Board, Population, Schedule, Ticket},
    scene::Scene,
    wire::{Dialer, Failure},
};

pub(crate) use warm_up::warm_up;

/// How many come, per second.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Crowd {
    /// Requests of members.
    pub members_per_s: f64,
    /// Pages of returning visitors.
    pub returning_per_s: f64,
    /// Newcomers whose browsers run scripts.
    pub newcomers_per_s: f64,
    /// Newcomers whose browsers do not.
    pub no_script_per_s: f64,
}

/// What all of them share.
pub(crate) struct Town {
    pub scene: Scene,
    pub dialer: Dialer,
    pub board: Board,
    pub seed: u64,
    asked: AtomicUsize,
}

impl Town {
    pub(crate) fn new(scene: &Scene, dialer: Dialer, board: Board, seed: u64) -> Self {
        Self { scene: scene.clone(), dialer, board, seed, asked: AtomicUsize::new(0) }
    }

    /// A place among those that are asked at once; none where too many are.
    fn place(self: &Arc<Self>) -> Option<Place> {
        let before = self.asked.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(self));
        (before < ASKED_MAX).then_some(place)
    }
}

struct Place(Arc<Town>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.asked.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets everybody live until the end of the run, and until the last who came then was answered.
pub(crate) async fn live(town: Arc<Town>, crowd: Crowd) {
    let _streams = members::hold_streams(&town);
    tokio::join!(
        members::live(&town, crowd.members_per_s),
        returning::live(&town, crowd.returning_per_s),
        newcomers::live(&town, crowd.newcomers_per_s, true),
        newcomers::live(&town, crowd.no_script_per_s, false),
    );
    // Every one of them has a patience, so this ends by itself.
    while town.asked.load(Ordering::Relaxed) > 0 {
        clock::until(clock::now() + Duration::from_millis(20)).await;
    }
}

/// Calls `come` for each that is due, in a task of its own.
async fn each<F>(
    town: &Arc<Town>,
    population: Population,
    per_s: f64,
    mut come: impl FnMut(&mut Chance, Instant) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let marks = town.board.marks;
    let mut chance = Chance::fork(town.seed, population.name());
    let moments = Chance::fork(town.seed, &format!("{} come", population.name()));
    let mut schedule = Schedule::new(moments, per_s, marks.start, marks.end);
    let mut burst = 0;
    while let Some(due) = schedule.tick(&mut burst).await {
        let coming = come(&mut chance, due);
        match town.place() {
            Some(place) => {
                tokio::spawn(async move {
                    coming.await;
                    drop(place);
                });
            }
            // So many wait already that this one would too: it has failed, unasked.
            None => drop(town.board.begin(population, due)),
        }
    }
}

/// How a failure to get an answer at all is counted: as one, whatever it was.
fn lost(ticket: Ticket<'_>, _why: &Failure) {
    ticket.end(crate::measure::Ended::Failed);
}
