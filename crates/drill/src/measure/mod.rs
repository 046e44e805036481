//! What is counted and how: one board that everybody writes to, bounds on rates that hold for what
//! was not seen too, and schedules that do not wait for answers.

mod board;
mod interval;
mod schedule;

pub(crate) use board::{Board, Ended, Marks, Ticket};
pub use board::{Counts, Moment, Phase, Population, Second, Tally};
pub use interval::{failures_lower, failures_upper};
pub(crate) use schedule::Schedule;
