//! What a server's gate has decided, as it says itself: benches make sure by it that what they
//! measured is what they say.

use anyhow::{Context, Result};

use crate::instance::Instance;

/// Requests since the start of which the gate says this: `offered`, `served`, `refused`.
///
/// # Errors
/// When the server does not say.
pub fn count(server: &Instance, of: &str) -> Result<u64> {
    let said = server.plan.say(&["shield", "status", "--json"])?;
    let said: serde_json::Value = serde_json::from_str(&said)?;
    let standings = said.get("standings").and_then(serde_json::Value::as_array);
    let count = |standing: &serde_json::Value| standing.get(of)?.as_u64();
    Ok(standings.context("no standings")?.iter().filter_map(count).sum())
}
