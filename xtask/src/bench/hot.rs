//! One author on PostgreSQL must not be much slower than many: a counter row per account would be
//! a lock that all of one author's posts wait for.

use anyhow::{Context, Result};

use super::data::Scene;
use super::posts;
use super::report::{Bar, Report, Row};
use crate::ground;
use crate::instance::{OPEN, Plan};
use crate::load::Load;
use crate::postgres::Postgres;

/// Writers at once.
const WRITERS: usize = 64;

/// Posts a second by 64 authors, and by one with as many connections.
pub fn postgres(_: &Scene, report: &mut Report) -> Result<()> {
    let database = Postgres::start()?;
    let folder = tempfile::tempdir_in(ground::target())?;
    let plan = Plan::new(&folder.path().join("data"), OPEN).on_postgres(&database.url()).pinned();
    let server = plan.start()?;
    let mut tokens = Vec::with_capacity(WRITERS);
    for number in 0..WRITERS {
        let name = format!("author{number}");
        plan.account(&name)?;
        tokens.push(plan.token(&name).with_context(|| format!("a token for {name}"))?);
    }
    let load = Load::closed(server.address, WRITERS, report.seconds);
    let spread = load.run(posts::requests(&tokens, true))?.all_fine("posts by many")?;
    let one = load.run(posts::requests(&tokens, false))?.all_fine("posts by one")?;
    let many = spread.per_second();
    report.row(Row::rate("PostgreSQL posts, 64 authors", &spread, None, Bar::None));
    let name = "PostgreSQL posts, one author (of the spread rate)";
    report.row(Row::rate(name, &one, Some(many), Bar::Share(0.8)));
    Ok(())
}
