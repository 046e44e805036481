//! What a drill found: typed, as JSON, as a table and as one page.

mod html;
mod shape;
mod table;

pub use html::html;
pub(crate) use shape::report_of;
pub use shape::{AttackCounts, PhaseReport, PopulationReport, Report, Series, VectorReport};
pub use table::table;
