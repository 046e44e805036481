//! What operators are shown: `fulmar shield status`, from the running server by its control socket.
//! Networks and thresholds are theirs alone: attackers read public pages.

use super::{Gate, facts::Wire, routes::Routes};
use crate::limits::SHIELD_NOTES_SHOWN;
use comfy_table::{CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};
use shield::{
    decide::{Reason, Snapshot, Standing},
    gate::Note,
};
use std::fmt::Write as _;

/// How the shield stands.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct Status {
    /// `off`, `observe` or `on`.
    pub mode: String,
    /// More is asked than the machine does.
    pub pressed: bool,
    /// Since when, in seconds since 1970.
    pub pressed_since_unix_s: Option<u64>,
    /// What is switched off.
    pub step: String,
    /// Cores of work that are asked for, and that there are.
    pub asked_cores: f64,
    pub has_cores: f64,
    /// The part of it that is to be admitted.
    pub admitted: f64,
    /// The rank from which requests are served: known, cleared, unknown.
    pub thresholds: [u16; 3],
    /// Work in hand, and how long admitted work waits, in ms.
    pub depth_ms: f64,
    pub delay_ms: f64,
    pub queued: u64,
    pub challenging: bool,
    pub denied_addresses: u64,
    pub active_members: u64,
    pub active_addresses: u64,
    pub active_networks: u64,
    /// Requests that the profile of peace rests on.
    pub profile: u64,
    pub standings: Vec<ByStanding>,
    pub refusals: Vec<ByReason>,
    pub networks: Vec<ByNetwork>,
    pub decisions: Vec<Decision>,
}

/// Requests of one standing since the start.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct ByStanding {
    pub standing: String,
    pub offered: u64,
    pub served: u64,
    pub queued: u64,
    pub challenged: u64,
    pub waiting: u64,
    pub refused: u64,
}

/// Refusals for one reason since the start.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct ByReason {
    pub reason: String,
    pub count: u64,
}

/// A network under pressure, and what it asks for.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct ByNetwork {
    pub network: String,
    pub cost_ms: f64,
}

/// One of the decisions that were noted.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct Decision {
    pub at_unix_s: u64,
    pub request_id: String,
    pub code: String,
    pub standing: String,
    pub route: String,
    pub network: String,
    /// It was served all the same, in the mode `observe`.
    pub overruled: bool,
}

impl Status {
    /// Of now.
    pub(crate) fn of(gate: &Gate, decisions: u16) -> Self {
        let (shown, wire): (Snapshot, &Wire) = (gate.snapshot(), gate.wiring());
        let most = usize::from(decisions.min(SHIELD_NOTES_SHOWN.1));
        let standings = Standing::ALL.iter().map(|standing| {
            let tally = shown.tally(*standing);
            ByStanding {
                standing: standing.name().to_owned(),
                offered: tally.offered,
                served: tally.served,
                queued: tally.queued,
                challenged: tally.challenged,
                waiting: tally.waiting,
                refused: tally.refused,
            }
        });
        let reasons = Reason::ALL.iter().zip(shown.reasons);
        let by_reason =
            |(reason, count): (&Reason, u64)| ByReason { reason: reason.code().into(), count };
        let networks = shown.top_networks.iter().map(|entry| ByNetwork {
            network: entry.label.to_string(),
            cost_ms: rounded(us_as_ms(entry.amount)),
        });
        Self {
            mode: wire.mode.name().to_owned(),
            pressed: shown.pressed,
            pressed_since_unix_s: shown.pressed_since_unix_s,
            step: shown.step.name().to_owned(),
            asked_cores: rounded(shown.offered_ns_per_s / 1e9),
            has_cores: rounded(shown.capacity_ns_per_s / 1e9),
            admitted: rounded(shown.admitted_fraction),
            thresholds: shown.thresholds,
            depth_ms: rounded(shown.depth_ms),
            delay_ms: rounded(shown.delay_ms),
            queued: shown.queued as u64,
            challenging: shown.challenging,
            denied_addresses: shown.denied as u64,
            active_members: whole(shown.members),
            active_addresses: whole(shown.strangers.0),
            active_networks: whole(shown.strangers.1),
            profile: whole(shown.profile),
            standings: standings.collect(),
            refusals: reasons.map(by_reason).collect(),
            networks: networks.collect(),
            decisions: wire.notes.latest(most).into_iter().map(Decision::from).collect(),
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let state = match (self.mode.as_str(), self.pressed) {
            ("off", _) => "off: everybody is served, nothing is counted",
            (_, false) => "peace: everybody is served",
            ("observe", true) => "pressure: only observed, everybody is served",
            (_, true) => "pressure: strangers wait or are turned away",
        };
        // Writing into a string does not fail.
        let _ = writeln!(text, "{state}\n");
        let mut facts = plain();
        let mut fact = |name: &str, value: String| {
            facts.add_row([name, &value]);
        };
        fact("mode", self.mode.clone());
        fact("switched off", self.step.clone());
        let work = format!("{} of {} cores", self.asked_cores, self.has_cores);
        fact("work asked for", work);
        fact("admitted", format!("{:.0} %", self.admitted * 100.0));
        let [known, cleared, unknown] = self.thresholds;
        fact("served from rank", format!("{known} known, {cleared} cleared, {unknown} unknown"));
        fact("in hand, delay", format!("{} ms, {} ms", self.depth_ms, self.delay_ms));
        fact("waiting", self.queued.to_string());
        fact("denied addresses", self.denied_addresses.to_string());
        let active = format!(
            "{} members, {} addresses of {} networks",
            self.active_members, self.active_addresses, self.active_networks
        );
        fact("active", active);
        fact("profile of peace", format!("{} requests", self.profile));
        let _ = writeln!(text, "{facts}\n");
        let mut standings = plain();
        standings.set_header([
            "standing",
            "asked",
            "served",
            "queued",
            "challenged",
            "waiting",
            "refused",
        ]);
        for row in &self.standings {
            let counts =
                [row.offered, row.served, row.queued, row.challenged, row.waiting, row.refused];
            let counts = counts.iter().map(u64::to_string);
            standings.add_row(std::iter::once(row.standing.clone()).chain(counts));
        }
        for column in standings.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let _ = writeln!(text, "{standings}");
        self.write_rest(&mut text);
        text
    }

    fn write_rest(&self, text: &mut String) {
        let refused = self.refusals.iter().filter(|row| row.count > 0);
        let refused: Vec<String> =
            refused.map(|row| format!("{} {}", row.reason, row.count)).collect();
        if !refused.is_empty() {
            let _ = writeln!(text, "\nrefused for: {}", refused.join(", "));
        }
        if !self.networks.is_empty() {
            let _ = writeln!(text, "\nnetworks that ask for most (ms of work in the last seconds)");
            let mut table = plain();
            for row in &self.networks {
                table.add_row([row.network.clone(), row.cost_ms.to_string()]);
            }
            let _ = writeln!(text, "{table}");
        }
        if !self.decisions.is_empty() {
            let _ = writeln!(text, "\nlatest of a sample of decisions");
            let mut table = plain();
            for row in &self.decisions {
                let at = i64::try_from(row.at_unix_s)
                    .ok()
                    .and_then(|s| jiff::Timestamp::from_second(s).ok().map(|at| at.to_string()));
                let code = match row.overruled {
                    true => format!("{} (served)", row.code),
                    false => row.code.clone(),
                };
                table.add_row([
                    at.unwrap_or_default(),
                    row.request_id.clone(),
                    code,
                    row.standing.clone(),
                    row.route.clone(),
                    row.network.clone(),
                ]);
            }
            let _ = writeln!(text, "{table}");
        }
    }
}

impl From<Note> for Decision {
    fn from(note: Note) -> Self {
        Self {
            at_unix_s: note.at_unix_s,
            request_id: note.request_id,
            code: note.code.to_owned(),
            standing: note.standing.name().to_owned(),
            route: Routes::named(note.route),
            network: note.network.to_string(),
            overruled: note.overruled,
        }
    }
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Estimates, for people.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float that is shown"
)]
fn whole(value: f64) -> u64 {
    value.round().max(0.0) as u64
}

#[expect(clippy::cast_precision_loss, reason = "a count that is shown")]
fn us_as_ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}
