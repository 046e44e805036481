//! The figures as text: names, helps and labels, gathered when somebody asks. Leaves counting to
//! whoever counts.

use super::{Counts, ENDS_US, Figures as KernelFigures, Sources, shield};
use ::shield::edge::{Cut, Handshaken};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet, text},
    metrics::MetricType,
    registry::{Registry, Unit},
};
use std::{
    fmt::{Debug, Formatter},
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};

/// What the text is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All figures of now. `store`: how long it took to answer, if it did.
pub(super) fn write(
    sources: Sources,
    store: Option<Duration>,
    kernel: KernelFigures,
) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("fulmar");
    registry.register_collector(Box::new(Figures { sources, store, kernel }));
    let mut written = String::new();
    text::encode(&mut written, &registry)?;
    Ok(written)
}

struct Figures {
    sources: Sources,
    store: Option<Duration>,
    kernel: KernelFigures,
}

impl Debug for Figures {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Figures")
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let out = &mut encoder;
        self.requests(out)?;
        self.edge(out)?;
        self.kernel(out)?;
        shield::write(&self.sources.gate.snapshot(), out)?;
        self.memory(out)?;
        self.tls(out)?;
        self.mail(out)?;
        self.store(out)
    }
}

/// A figure that only grows.
pub(super) fn counter<const N: usize, L: EncodeLabelSet>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: [(L, u64); N],
) -> std::fmt::Result {
    let mut metric = out.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in rows {
        metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
    }
    Ok(())
}

/// A figure of now.
pub(super) fn gauge(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: &[(&[(&str, &str)], u64)],
) -> std::fmt::Result {
    let mut metric = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in rows {
        // As a number of 64 bits with sign, which is what the format has.
        let value = i64::try_from(*value).unwrap_or(i64::MAX);
        if labels.is_empty() {
            metric.encode_gauge(&value)?;
        } else {
            metric.encode_family(labels)?.encode_gauge(&value)?;
        }
    }
    Ok(())
}

impl Figures {
    /// Each place's method, path and counts, but for those that nobody asked for yet.
    fn places(&self) -> impl Iterator<Item = (&str, &str, &Counts)> {
        let meter = &self.sources.meter;
        let routes = meter.places.iter().map(|p| (p.method.as_str(), p.path, &p.counts));
        let all = routes.chain([("other", "none", &meter.elsewhere)]);
        all.filter(|(_, _, counts)| counts.classes.iter().any(|count| count.load(Relaxed) > 0))
    }

    fn requests(&self, out: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let help = "Requests answered, by route and by the first digit of the status";
        let mut metric = out.encode_descriptor("requests", help, None, MetricType::Counter)?;
        for (method, route, counts) in self.places() {
            for (count, class) in counts.classes.iter().zip(["1xx", "2xx", "3xx", "4xx", "5xx"]) {
                let count = count.load(Relaxed);
                if count > 0 {
                    let labels = [("method", method), ("route", route), ("status", class)];
                    let mut row = metric.encode_family(&labels)?;
                    row.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
                }
            }
        }
        let help = "Time from a request to the head of its answer, by route";
        let (name, kind) = ("request_duration", MetricType::Histogram);
        let mut metric = out.encode_descriptor(name, help, Some(&Unit::Seconds), kind)?;
        for (method, route, counts) in self.places() {
            let ends = ENDS_US.iter().map(|end| seconds(*end)).chain([f64::INFINITY]);
            let found = counts.durations.iter().map(|count| count.load(Relaxed));
            let buckets: Vec<(f64, u64)> = ends.zip(found).collect();
            let count = buckets.iter().map(|(_, count)| count).sum();
            let sum = seconds(counts.sum_us.load(Relaxed));
            let labels = [("method", method), ("route", route)];
            let mut row = metric.encode_family(&labels)?;
            row.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }

    fn edge(&self, out: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let edge = &self.sources.edge;
        let accepted = [
            ([("outcome", "accepted")], edge.accepted()),
            ([("outcome", "refused")], edge.refused()),
            ([("outcome", "outside")], edge.outside()),
            ([("outcome", "failed")], edge.accept_failed()),
        ];
        counter(
            out,
            "edge_connections",
            "Connections by what became of them at the door",
            accepted,
        )?;
        let cut = Cut::ALL.map(|reason| ([("reason", reason.label())], edge.cut(reason)));
        counter(out, "edge_cut", "Connections cut, by reason", cut)?;
        let requests = [([("outcome", "begun")], edge.requests())];
        counter(out, "edge_requests", "Requests handed on by the door", requests)?;
        let lost = [
            ([("reason", "cancelled")], edge.cancelled()),
            ([("reason", "shed")], edge.shed()),
            ([("reason", "bodies")], edge.shed_bodies()),
        ];
        let help = "Requests that were not answered: their caller left, or too much was held";
        counter(out, "edge_unanswered", help, lost)?;
        let by = [
            ([("by", "address")], edge.familiar()),
            ([("by", "ticket")], edge.tickets()),
            ([("by", "request")], edge.vouched()),
            ([("by", "void_ticket")], edge.tickets_void()),
        ];
        counter(out, "edge_known", "Connections known to come from members, by what shows it", by)?;
        let ended =
            Handshaken::ALL.map(|ended| ([("ended", ended.label())], edge.handshakes(ended)));
        counter(out, "edge_handshakes", "TLS handshakes, by how they ended", ended)?;
        let help = "Handshakes of strangers that wait for their share of the processor";
        gauge(out, "edge_handshakes_waiting", help, &[(&[], edge.handshakes_waiting())])?;
        gauge(out, "edge_open", "Connections open", &[(&[], edge.open())])?;
        let help = "Of them, those known to come from members";
        gauge(out, "edge_open_known", help, &[(&[], edge.known())])?;
        let help = "Bytes of answers that are held for slow readers";
        gauge(out, "edge_held_bytes", help, &[(&[], edge.held_bytes())])?;
        let help = "Bytes of request bodies in memory";
        gauge(out, "edge_body_bytes", help, &[(&[], edge.body_bytes())])
    }

    fn memory(&self, out: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let figures = self.sources.social.hub().figures();
        let help = "Home timelines in memory";
        gauge(out, "home_rings", help, &[(&[], figures.rings)])?;
        gauge(out, "streams", "Streams open", &[(&[], self.sources.seats.taken())])?;
        let cached = [
            (&[("kind", "statuses")] as &[_], figures.statuses),
            (&[("kind", "accounts")], figures.accounts),
            (&[("kind", "tokens")], figures.tokens),
            (&[("kind", "shared_pages")], self.sources.shared.kept()),
        ];
        gauge(out, "cached", "What is kept in memory, by kind", &cached)?;
        let shared = &self.sources.shared;
        let help = "Bytes of answers that visitors share";
        gauge(out, "shared_bytes", help, &[(&[], shared.bytes())])?;
        let help = "Answers that visitors share, by how they were given";
        counter(out, "shared_answers", help, [([("given", "at_once")], shared.given_at_once())])?;
        let homes = &self.sources.homes;
        let help = "Bytes of home timelines that are kept as they were sent";
        gauge(out, "home_pages_bytes", help, &[(&[], homes.bytes())])?;
        let help = "Home timelines that were sent, by how they were given";
        counter(out, "home_answers", help, [([("given", "at_once")], homes.given_at_once())])?;
        match resident_bytes() {
            Some(bytes) => gauge(out, "resident_bytes", "Memory in use", &[(&[], bytes)]),
            None => Ok(()),
        }
    }

    fn kernel(&self, out: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let KernelFigures { is_on, entries, dropped, outcomes } = self.kernel;
        let help = "Whether the kernel drops what offenders send";
        gauge(out, "shield_kernel_up", help, &[(&[], u64::from(is_on))])?;
        let help = "Addresses whose packets the kernel drops now";
        gauge(out, "shield_kernel_entries", help, &[(&[], entries)])?;
        let help = "Packets that the kernel dropped";
        let rows = [([("to", "server")], dropped.packets)];
        counter(out, "shield_kernel_dropped_packets", help, rows)?;
        let help = "Bytes of packets that the kernel dropped";
        let rows = [([("to", "server")], dropped.bytes)];
        counter(out, "shield_kernel_dropped_bytes", help, rows)?;
        let [denied, spared, full, failed] = outcomes;
        let rows = [
            ([("outcome", "denied")], denied),
            ([("outcome", "spared")], spared),
            ([("outcome", "full")], full),
            ([("outcome", "failed")], failed),
        ];
        counter(out, "shield_kernel_offenders", "Offenders taken to the kernel", rows)
    }

    fn tls(&self, out: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let Some(tls) = &self.sources.tls else { return Ok(()) };
        let standing = tls.standing();
        if let Some(ends_s) = standing.ends_ms.and_then(|ms| u64::try_from(ms / 1_000).ok()) {
            let help = "When the certificate in force ends, in seconds since 1970";
            gauge(out, "certificate_ends_timestamp_seconds", help, &[(&[], ends_s)])?;
        }
        if let Some(failures) = standing.failures {
            let help = "Failures to get a certificate since the last was given";
            gauge(out, "certificate_failures", help, &[(&[], u64::from(failures))])?;
        }
        Ok(())
    }

    fn mail(&self, out: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let Some(figures) = self.sources.social.mail_figures() else { return Ok(()) };
        let rows = [
            ([("outcome", "sent")], figures.sent),
            ([("outcome", "put_off")], figures.put_off),
            ([("outcome", "given_up")], figures.given_up),
        ];
        counter(out, "mails", "Tries to send a mail, by what became of them", rows)
    }

    fn store(&self, out: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let up = u64::from(self.store.is_some());
        gauge(out, "store_up", "Whether the store answers", &[(&[], up)])?;
        if let Some(took) = self.store {
            let (name, help) = ("store_answer", "Time in which the store answered just now");
            let unit = Some(&Unit::Seconds);
            let mut metric = out.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            metric.encode_gauge(&took.as_secs_f64())?;
        }
        let files = self.sources.database.iter();
        let sizes = files.filter_map(|path| Some(std::fs::metadata(path).ok()?.len()));
        if !self.sources.database.is_empty() {
            let help = "Size of the database's files";
            gauge(out, "database_bytes", help, &[(&[], sizes.sum())])?;
        }
        let labels: &[_] = &[("version", env!("CARGO_PKG_VERSION"))];
        gauge(out, "build", "The version that runs", &[(labels, 1)])
    }
}

fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}

/// Memory that the process holds, as the kernel counts it.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib.saturating_mul(1024))
}
