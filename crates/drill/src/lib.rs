//! The drill: attacks an instance of one's own, on loopback only, while members, visitors and
//! newcomers go on using it, and says what they went through. It uses nothing of ours on purpose:
//! it meets the server from outside, as apps and bots do. Leaves making the instance to whoever
//! calls ([`Stage`]).
//!
//! Load does not wait for answers, latency counts from when a request was due, chance is seeded,
//! and a run that could not offer its load is void.

pub mod atlas;
mod brake;
mod chance;
pub mod clock;
mod guise;
mod judge;
pub mod limits;
pub mod measure;
mod outside;
pub mod peer;
mod people;
mod plan;
mod report;
mod room;
mod run;
mod scene;
mod steer;
pub mod system;
mod target;
mod vectors;
mod wire;

pub use judge::{Bound, Evidence, Verdict, judge};
pub use outside::Outside;
pub use people::Crowd;
pub use plan::Plan;
pub use report::{
    AttackCounts, PhaseReport, PopulationReport, Report, Series, VectorReport, html, table,
};
pub use room::Room;
pub use run::{Glance, Stop, Watch, drill, peace};
pub use scene::{
    ClearanceCookie, Defence, Member, Post, Scene, Setting, Stage, StageError, VisitCookie,
};
pub use steer::{Steered, steer};
pub use target::{LoopbackTarget, NotLoopback, Source};
pub use vectors::{Family, Resource, VECTORS, Vector, vector};
