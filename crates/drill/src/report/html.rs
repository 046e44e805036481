//! The report as one page: no script, nothing fetched, charts drawn as SVG, light and dark. For a
//! host to read and to show to members.

use std::fmt::Write as _;

use crate::{
    judge::Verdict,
    measure::Phase,
    report::{
        PhaseReport, Report, VectorReport,
        table::{load, part, people, percent},
    },
};

mod chart;

use chart::{Chart, Line, bands};

/// The page.
#[must_use]
pub fn html(report: &Report) -> String {
    let mut page = String::new();
    page.push_str("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.push_str("<title>Fulmar drill</title>\n<style>\n");
    page.push_str(include_str!("page.css"));
    page.push_str("</style></head><body><main>\n");
    head(&mut page, report);
    summary(&mut page, report);
    comparison(&mut page, report);
    for vector in &report.vectors {
        section(&mut page, vector);
    }
    foot(&mut page);
    page.push_str("</main></body></html>\n");
    page
}

/// Text as it may stand in a page.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// The class and the words of a verdict.
fn words(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Pass => ("pass", "held"),
        Verdict::Fail => ("fail", "did not hold"),
        Verdict::Void => ("void", "void"),
        Verdict::NotOverloaded => ("void", "not overloaded"),
    }
}

fn badge(verdict: Verdict) -> String {
    let (class, words) = words(verdict);
    format!("<span class=\"badge {class}\">{words}</span>")
}

fn head(page: &mut String, report: &Report) {
    let machine = &report.machine;
    let pinned = match machine.pinned {
        true => "the server on one core, all load on another",
        false => "server and load on the same cores",
    };
    let built = if machine.optimised { "" } else { " · a debug build: its figures mean little" };
    let _infallible = write!(
        page,
        "<header><p class=\"kicker\">Fulmar drill</p>\n<h1>What members went through {}</h1>\n\
         <p class=\"sub\">Version {} · seed {} · {} · {} cores, {pinned} · {}{built}</p>\n\
         </header>\n",
        badge(report.overall),
        escape(report.version),
        report.seed,
        escape(&machine.processor),
        machine.cores,
        escape(&machine.system),
    );
    for remark in &report.remarks {
        let _infallible = writeln!(page, "<p class=\"remark\">{}.</p>", escape(&capital(remark)));
    }
}

fn attack(vector: &VectorReport) -> Option<&PhaseReport> {
    vector.phases.iter().find(|phase| phase.name == Phase::Attack)
}

/// The part that was served of what a population tried in a phase, as text.
fn served(phase: Option<&PhaseReport>, population: &str) -> String {
    let found = phase.and_then(|phase| phase.populations.get(population));
    found.and_then(part).map_or_else(|| "–".to_owned(), percent)
}

fn ms(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.1} ms"))
}

/// Columns of the summary and of the comparison, from the first.
const COLUMNS: [&str; 7] = [
    "Overload",
    "Members served",
    "Wait in calm",
    "Wait attacked",
    "Returning",
    "Newcomers",
    "No scripts",
];

fn top(page: &mut String, first: &str) {
    let columns: String = COLUMNS.iter().map(|column| format!("<th>{column}</th>")).collect();
    let _infallible = writeln!(
        page,
        "<div class=\"wide\"><table class=\"summary stacked\"><thead><tr><th>{first}</th>\
         {columns}<th></th></tr></thead>"
    );
}

/// One run in a row; each cell carries its column's name, since on a phone there are no columns.
fn row(page: &mut String, first: &str, run: &VectorReport) {
    let phase = attack(run);
    let p99 = |phase: Option<&PhaseReport>| {
        ms(phase.and_then(|phase| phase.populations.get("members")?.p99_ms))
    };
    let cells = [
        format!("{:.1} ×", run.overload),
        served(phase, "members"),
        p99(run.phases.first()),
        p99(phase),
        served(phase, "returning"),
        served(phase, "newcomers"),
        served(phase, "newcomers_no_script"),
    ];
    let cells = COLUMNS.iter().zip(cells);
    let cells: String =
        cells.map(|(name, cell)| format!("<td data-name=\"{name}\">{cell}</td>")).collect();
    let _infallible =
        writeln!(page, "<tr><td>{first}</td>{cells}<td>{}</td></tr>", badge(run.verdict));
}

fn summary(page: &mut String, report: &Report) {
    top(page, "Attack");
    for vector in &report.vectors {
        row(page, &format!("<a href=\"#{0}\">{0}</a>", vector.vector), vector);
    }
    page.push_str("</table></div>\n");
    page.push_str(
        "<p class=\"sub\">Wait: what 99 of 100 requests of members did not exceed. Overload: how \
         many times what the server can do was asked of it.</p>\n",
    );
}

/// The same attacks against the shield, a plain limiter, and nothing.
fn comparison(page: &mut String, report: &Report) {
    if report.compared.is_empty() {
        return;
    }
    page.push_str("<section id=\"beside\"><h2>What the shield is worth</h2>\n");
    page.push_str(
        "<p class=\"quiet\">The same attack, seed and load against the same server: with its \
         shield; with a plain limiter in its place, so many requests a second for each address; \
         and with nothing.</p>\n",
    );
    for vector in &report.vectors {
        let _infallible = writeln!(page, "<h3>{}</h3>", vector.vector);
        top(page, "Behind");
        for run in report.beside(vector.vector) {
            row(page, run.defence.name(), run);
        }
        page.push_str("</table></div>\n");
    }
    page.push_str("</section>\n");
}

fn section(page: &mut String, vector: &VectorReport) {
    let _infallible = write!(
        page,
        "<section id=\"{0}\"><h2>{0} {1}</h2>\n<p>{2}.</p>\n\
         <p class=\"quiet\">{3}. Seen: {4}. {5}.</p>\n",
        vector.vector,
        badge(vector.verdict),
        escape(&capital(vector.models)),
        escape(&capital(vector.parameters)),
        escape(vector.source),
        escape(&capital(&load(vector))),
    );
    if vector.verdict == Verdict::Void {
        page.push_str(
            "<p class=\"remark\">A void run judges nothing: what is shown below may be \
                       the generator's doing.</p>\n",
        );
    }
    for why in &vector.why {
        let _infallible = writeln!(page, "<p class=\"remark\">{}.</p>", escape(&capital(why)));
    }
    charts(page, vector);
    page.push_str("<div class=\"pair\">");
    bounds(page, vector);
    counts(page, vector);
    page.push_str("</div></section>\n");
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
fn charts(page: &mut String, vector: &VectorReport) {
    let series = &vector.series;
    let lengths: Vec<f64> = vector.phases.iter().map(|phase| phase.seconds as f64).collect();
    let bands = bands(&lengths);
    let whole = |values: &[u64]| values.iter().map(|value| Some(*value as f64)).collect();
    page.push_str("<div class=\"charts\">");
    let named = [
        ("members", "members", "a"),
        ("returning", "returning", "b"),
        ("newcomers", "newcomers", "c"),
        ("newcomers_no_script", "no scripts", "d"),
    ];
    let part = |(key, name, class): &(&str, &'static str, &'static str)| Line {
        name,
        class,
        values: series.served.get(key).cloned().unwrap_or_default(),
    };
    let served = named.iter().map(part).collect();
    let chart = |title, unit, top, lines| Chart { title, unit, top, lines, bands };
    page.push_str(&chart("Served, of what was asked", "", Some(1.0), served).draw());
    let slow = Line { name: "members", class: "a", values: series.members_p99_ms.clone() };
    page.push_str(&chart("Members wait, 99 of 100", "ms", None, vec![slow]).draw());
    let offered = Line { name: "offered", class: "d", values: whole(&series.offered) };
    let got = Line { name: "served", class: "b", values: whole(&series.attack_served) };
    page.push_str(&chart("The attack, requests a second", "", None, vec![offered, got]).draw());
    let memory = series.rss_mb.iter().map(|mb| (*mb > 0.0).then_some(*mb)).collect();
    let memory = Line { name: "resident", class: "c", values: memory };
    page.push_str(&chart("The server's memory", "MiB", None, vec![memory]).draw());
    let core = Line { name: "server", class: "a", values: series.processor.clone() };
    page.push_str(&chart("The server's processor time, in cores", "", None, vec![core]).draw());
    let files = Line { name: "open files", class: "d", values: whole(&series.open_files) };
    page.push_str(&chart("The server's open files", "", None, vec![files]).draw());
    page.push_str("</div>");
}

fn bounds(page: &mut String, vector: &VectorReport) {
    page.push_str("<table><thead><tr><th>Promise</th><th>Bound</th><th>Shown</th><th></th></tr>");
    page.push_str("</thead>\n");
    for bound in &vector.bounds {
        let (class, said) = match bound.ok {
            Some(true) => ("pass", "holds"),
            Some(false) => ("fail", "broken"),
            None => ("void", "unjudged"),
        };
        let is_rate = bound.name.ends_with("_success");
        let show = |value: f64| match is_rate {
            true => percent(value),
            false => format!("{value:.1}"),
        };
        let shown = bound.value.map_or_else(|| "never".to_owned(), show);
        let sign = if is_rate { "≥" } else { "≤" };
        let _infallible = writeln!(
            page,
            "<tr><td>{}</td><td>{sign} {}</td><td>{shown}</td>\
             <td class=\"{class}\">{said}</td></tr>",
            promise(bound.name),
            show(bound.limit),
        );
    }
    page.push_str("</table>");
    if let Some(ceiling) = &vector.ceiling {
        let parts =
            ceiling.iter().map(|(name, part)| format!("{} {}", people(name), percent(*part)));
        let _infallible = writeln!(
            page,
            "<p class=\"quiet\">The best that any policy could serve which knows everybody's \
             habits but not who is who, by simulation: {}. Where that is less than what is \
             promised, the bound is nine tenths of it.</p>",
            parts.collect::<Vec<_>>().join(", ")
        );
    }
}

/// A bound's name for people.
fn promise(name: &str) -> &str {
    match name {
        "members_success" => "Members served (95 % limit)",
        "members_p99_ms" => "Members wait at most, ms (99 of 100)",
        "returning_success" => "Returning visitors served (95 % limit)",
        "newcomers_success" => "Newcomers in 5 s (95 % limit)",
        "newcomers_no_script_success" => "Without scripts, in 30 s (95 % limit)",
        "time_to_mitigate_s" => "Seconds until members are well again",
        "time_to_recover_s" => "Seconds after the attack",
        "refused_in_calm" => "Refused in calm",
        "peak_rss_mb" => "Memory of the server, MiB",
        other => other,
    }
}

fn counts(page: &mut String, vector: &VectorReport) {
    page.push_str("<table><thead><tr><th>Under attack</th><th>Asked</th><th>Served</th>");
    page.push_str("<th>Challenged</th><th>Refused</th><th>Failed</th><th>Median</th>");
    page.push_str("<th>99 of 100</th><th>Longest gap</th></tr></thead>\n");
    let Some(phase) = attack(vector) else { return page.push_str("</table>") };
    for (name, population) in &phase.populations {
        let _infallible = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{}</td><td>{:.0} ms</td></tr>",
            capital(people(name)),
            population.attempted,
            population.served,
            population.challenged,
            population.refused,
            population.failed,
            ms(population.p50_ms),
            ms(population.p99_ms),
            population.longest_gap_ms,
        );
    }
    if let Some(attack) = &phase.attack {
        let _infallible = writeln!(
            page,
            "<tr><td>Bots ({} addresses)</td><td>{}</td><td>{}</td><td>–</td><td>{}</td>\
             <td>{}</td><td>–</td><td>–</td><td>–</td></tr>",
            attack.sources, attack.offered, attack.served, attack.refused, attack.dropped,
        );
    }
    page.push_str("</table>");
}

fn foot(page: &mut String) {
    page.push_str(
        "<footer><p>The attackers came from addresses of this machine's loopback, and attacked a \
         scratch instance there. Arrivals did not wait for answers; latency counts from when a \
         request was due. A rate of success is what can be said with 95 % confidence. A drill \
         measures bots that we wrote: it is no proof against bots that others write, and no server \
         can help where the link itself is full.</p></footer>\n",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_become_markup() {
        assert_eq!(escape("<a b=\"c\">'&"), "&lt;a b=&quot;c&quot;&gt;&#39;&amp;");
    }
}
