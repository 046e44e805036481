//! What a server's memory grows by while a million different addresses ask, beside the same server
//! without the shield. They come through a proxy that names them, since a machine has not so many.

use std::rc::Rc;

use anyhow::{Context, Result};

use super::report::{Bar, Report, Row};
use crate::instance::Plan;
use crate::load::Load;
use crate::{ground, http};

/// What the bench is called.
pub const NAME: &str = "sources";
/// What it shows.
pub const SHOWS: &str = "what a million different addresses add to the server's memory";

const BEHIND: &str = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n";
const WITHOUT: &str = "[shield]\nmode = \"off\"\n";
/// Cheap, decided on, and the same for all.
const ASKED: &str = "/api/v1/custom_emojis";
const SOURCES: u32 = 1_000_000;
/// Of them, for each second that loads are to last: fewer in the short form.
const SOURCES_PER_S: u32 = 100_000;
const CONNECTIONS: usize = 64;

/// With the shield and without.
///
/// # Errors
/// When somebody was not served.
pub fn sources(report: &mut Report) -> Result<()> {
    let per_s = u32::try_from(report.seconds).unwrap_or(u32::MAX).saturating_mul(SOURCES_PER_S);
    let sources = per_s.min(SOURCES);
    let folder = tempfile::tempdir_in(ground::target())?;
    let grown = |name: &str, config: String| -> Result<f64> {
        let server = Plan::new(&folder.path().join(name), &config).pinned().start()?;
        http::Client::new(server.address, None).get(ASKED)?;
        ground::pause(std::time::Duration::from_secs(1));
        let before = server.resident_bytes()?;
        let per_connection = u64::from(sources) / u64::try_from(CONNECTIONS)?;
        let load = Load::counted(server.address, CONNECTIONS, per_connection);
        let shown = load.run(Rc::new(move |lane, number, out| {
            let lane = u64::try_from(lane).unwrap_or(0);
            let [_, _, _, _, _, a, b, c] = (number * 64 + lane).to_be_bytes();
            let line = format!("GET {ASKED} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
            out.extend_from_slice(line.as_bytes());
            // The last octet is what changes least, so that networks differ as well.
            let whom = format!("X-Forwarded-For: 1{a}.{c}.{b}.1\r\n\r\n");
            out.extend_from_slice(whom.as_bytes());
        }))?;
        let shown = shown.all_fine("somebody").context(name.to_owned())?;
        let served = shown.latencies.count();
        anyhow::ensure!(served >= per_connection * 64, "{served} were served");
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let grown = server.resident_bytes()?.saturating_sub(before) as f64;
        Ok(grown / 1e6)
    };
    let with = grown("with", BEHIND.to_owned())?;
    let without = grown("without", format!("{BEHIND}{WITHOUT}"))?;
    let name = format!("memory that {sources} addresses add (without the shield)");
    report.row(Row::beside(&name, with, "MB", Some(without), Bar::AtMost(64.0)));
    Ok(())
}
