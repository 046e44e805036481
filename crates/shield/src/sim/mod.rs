//! A simulator of the shield: simulated time, seeded crowds and bots, one server of fixed capacity.
//! It searches for bad behaviour that no test of a single decision shows: oscillation, starved
//! floors, members refused while strangers are served, a poisoned profile, refusals in peace.
//!
//! What it is not: a measurement. Costs are drawn, the network is free, and the bots are those that
//! we thought of. `fulmar drill` measures real sockets; this runs thousands of seconds in one. To
//! see a table: `cargo run -p shield --example sim -- --help`.

mod bots;
mod ceiling;
pub mod chance;
pub mod crowd;
pub mod day;
mod judge;
mod machine;
mod plan;
mod report;
pub mod vectors;
mod world;

#[cfg(test)]
mod tests;

pub use ceiling::ceiling;
pub use judge::{broken, broken_on_a_day};
pub use machine::Theft;
pub use plan::Plan;
pub use report::{Figures, Phase, Report};
pub use world::run;
