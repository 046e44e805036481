//! The shield's figures: what became of requests by standing, and where the decisions stand. As
//! many rows whatever strangers do; networks and fingerprints are no part of them.

use super::text::{counter, gauge};
use ::shield::decide::{Reason, Snapshot, Standing};
use prometheus_client::{
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType,
};

/// Lanes in the order of a snapshot's tables.
const LANES: [&str; 3] = ["known", "cleared", "unknown"];

/// Writes them.
pub(super) fn write(shown: &Snapshot, out: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
    requests(shown, out)?;
    let refused = Reason::ALL.map(|reason| {
        let count = shown.reasons.get(reason.index()).copied().unwrap_or(0);
        ([("reason", reason.code())], count)
    });
    counter(out, "shield_refusals", "Requests that were refused, by reason", refused)?;
    let help = "Whether more is asked than the machine does";
    gauge(out, "shield_pressure", help, &[(&[], u64::from(shown.pressed))])?;
    let help = "How many kinds of work are switched off for strangers";
    gauge(out, "shield_step", help, &[(&[], shown.step as u64)])?;
    let rows: Vec<_> = LANES
        .iter()
        .zip(shown.thresholds)
        .map(|(lane, rank)| ([("lane", *lane)], u64::from(rank)))
        .collect();
    let rows: Vec<(&[(&str, &str)], u64)> =
        rows.iter().map(|(labels, rank)| (&labels[..], *rank)).collect();
    let help = "The rank from which requests are served, by lane; 0 serves all";
    gauge(out, "shield_threshold", help, &rows)?;
    gauge(out, "shield_queued", "Requests that wait", &[(&[], shown.queued as u64)])?;
    let help = "Addresses that are denied for a while";
    gauge(out, "shield_denied", help, &[(&[], shown.denied as u64)])?;
    real(
        out,
        "shield_admitted_ratio",
        "The part of the work asked for that is admitted",
        &[(&[], shown.admitted_fraction)],
    )?;
    let help = "How long admitted work waits before it runs";
    real(out, "shield_delay_seconds", help, &[(&[], shown.delay_ms / 1_000.0)])?;
    let help = "Work that this machine is held to do, in cores";
    real(out, "shield_capacity_cores", help, &[(&[], shown.capacity_ns_per_s / 1e9)])?;
    let asked: Vec<_> = LANES
        .iter()
        .zip(shown.offered_by_lane)
        .map(|(lane, ns_per_s)| ([("lane", *lane)], ns_per_s / 1e9))
        .collect();
    let asked: Vec<(&[(&str, &str)], f64)> =
        asked.iter().map(|(labels, cores)| (&labels[..], *cores)).collect();
    real(out, "shield_asked_cores", "Work that is asked for, in cores, by lane", &asked)
}

/// Requests by standing and outcome.
fn requests(shown: &Snapshot, out: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
    let help = "Requests at the gate, by the standing of their senders and by what became of them";
    let mut metric = out.encode_descriptor("shield_requests", help, None, MetricType::Counter)?;
    for standing in Standing::ALL {
        let tally = shown.tally(standing);
        for (outcome, count) in [
            ("offered", tally.offered),
            ("served", tally.served),
            ("queued", tally.queued),
            ("challenged", tally.challenged),
            ("waiting", tally.waiting),
            ("refused", tally.refused),
        ] {
            let labels = [("standing", standing.name()), ("outcome", outcome)];
            let mut row = metric.encode_family(&labels)?;
            row.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
    }
    Ok(())
}

/// A figure of now that is no whole number.
fn real(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: &[(&[(&str, &str)], f64)],
) -> std::fmt::Result {
    let mut metric = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in rows {
        if labels.is_empty() {
            metric.encode_gauge(value)?;
        } else {
            metric.encode_family(labels)?.encode_gauge(value)?;
        }
    }
    Ok(())
}
