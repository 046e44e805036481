//! Rows of a bench run: printed as one table, kept as JSON when asked for.

use std::path::Path;

use anyhow::{Context, Result, bail};
use comfy_table::{Table, presets};
use serde::Serialize;

use super::pairs::Pairs;
use crate::load::Shown;

/// One figure and what it is held against.
#[derive(Serialize, Default, Clone)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// The yardstick's figure of the same run, in the same unit.
    pub yardstick: Option<f64>,
    /// The figure divided by the yardstick.
    pub ratio: Option<f64>,
    /// Between which figures that ratio lies, where it was measured often enough to tell.
    pub ratio_between: Option<(f64, f64)>,
    /// The bar, as a person reads it.
    pub bar: String,
    /// Whether the bar was met; none where there is no bar.
    pub ok: Option<bool>,
    /// It was missed, and by more than the machine's noise explains.
    pub missed: bool,
    /// Median latency.
    pub p50_ms: Option<f64>,
    /// Latency that one in a hundred exceeds.
    pub p99_ms: Option<f64>,
}

/// What a figure must be.
#[derive(Clone, Copy)]
pub enum Bar {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
    /// At least so much, or this share of the yardstick: machines differ.
    AtLeastOrShare(f64, f64),
    /// At least this share of the yardstick.
    Share(f64),
    /// At least so much or this share of the yardstick, and one in a hundred at most so many
    /// milliseconds.
    RateWithin(f64, f64, f64),
    /// None: it is told, not judged.
    None,
}

impl Row {
    /// A figure without latencies.
    pub fn figure(name: &str, value: f64, unit: &'static str, bar: Bar) -> Self {
        Self { name: name.to_owned(), value, unit, ..Self::default() }.judged(bar)
    }

    /// A figure beside that of somebody else.
    pub fn beside(
        name: &str,
        value: f64,
        unit: &'static str,
        yardstick: Option<f64>,
        bar: Bar,
    ) -> Self {
        let ratio = yardstick.filter(|other| *other > 0.0).map(|other| value / other);
        Self { name: name.to_owned(), value, unit, yardstick, ratio, ..Self::default() }.judged(bar)
    }

    /// A figure beside that of somebody else, from turns of both. Its bar is a share of the
    /// other's, and surely missed when the whole interval lies below.
    pub fn paired(name: &str, pairs: &Pairs, unit: &'static str, share: f64) -> Self {
        let ratio = pairs.ratio();
        let row = Self {
            name: name.to_owned(),
            value: pairs.ours(),
            unit,
            yardstick: Some(pairs.theirs()),
            ratio: Some(ratio.middle),
            ratio_between: Some((ratio.low, ratio.high)),
            ..Self::default()
        };
        let row = row.judged(Bar::Share(share));
        Self { missed: pairs.are_enough() && ratio.high < share, ..row }
    }

    /// A figure that rests on so many measurements of its own that there is no noise left in it.
    pub fn sure(self) -> Self {
        Self { missed: self.ok == Some(false), ..self }
    }

    /// A rate with its latencies.
    pub fn rate(name: &str, shown: &Shown, yardstick: Option<f64>, bar: Bar) -> Self {
        let value = shown.per_second();
        let ratio = yardstick.filter(|other| *other > 0.0).map(|other| value / other);
        let row = Self {
            name: name.to_owned(),
            value,
            unit: "/s",
            yardstick,
            ratio,
            p50_ms: Some(shown.latencies.quantile_ms(0.5)),
            p99_ms: Some(shown.latencies.quantile_ms(0.99)),
            ..Self::default()
        };
        row.judged(bar)
    }

    /// The slowest hundredth of a load, in milliseconds.
    pub fn slowest(name: &str, shown: &Shown, bar_ms: f64) -> Self {
        let value = shown.latencies.quantile_ms(0.99);
        let row = Self {
            name: name.to_owned(),
            value,
            unit: "ms",
            p50_ms: Some(shown.latencies.quantile_ms(0.5)),
            p99_ms: Some(value),
            ..Self::default()
        };
        row.judged(Bar::AtMost(bar_ms))
    }

    fn judged(mut self, bar: Bar) -> Self {
        let unit = self.unit;
        (self.bar, self.ok) = match bar {
            Bar::AtLeast(least) => {
                (format!(">= {} {unit}", number(least)), Some(self.value >= least))
            }
            Bar::AtMost(most) => (format!("<= {} {unit}", number(most)), Some(self.value <= most)),
            Bar::AtLeastOrShare(least, share) => {
                let met = self.value >= least || self.ratio.is_some_and(|ratio| ratio >= share);
                (format!(">= {} {unit} or {share:.2}", number(least)), Some(met))
            }
            Bar::Share(share) => {
                let met = self.ratio.is_some_and(|ratio| ratio >= share);
                (format!(">= {share:.2} of it"), Some(met))
            }
            Bar::RateWithin(least, share, most_ms) => {
                let many = self.value >= least || self.ratio.is_some_and(|ratio| ratio >= share);
                let quick = self.p99_ms.is_some_and(|p99| p99 <= most_ms);
                let least = number(least);
                let text = format!(">= {least} {unit} or {share:.2}, p99 <= {most_ms} ms");
                (text, Some(many && quick))
            }
            Bar::None => (String::new(), None),
        };
        self
    }
}

/// Which missed bars are errors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// None: it is only shown that benches run.
    Nothing,
    /// Those that noise does not explain.
    Sure,
    /// All of them.
    Every,
}

/// The rows of a run.
pub struct Report {
    rows: Vec<Row>,
    broken: Vec<String>,
    /// Seconds of each load.
    pub seconds: u64,
}

impl Report {
    /// An empty one.
    pub const fn new(seconds: u64) -> Self {
        Self { rows: Vec::new(), broken: Vec::new(), seconds }
    }

    /// Adds a row and prints it at once.
    pub fn row(&mut self, row: Row) {
        println!("  {}", cells(&row).join("  "));
        self.rows.push(row);
    }

    /// Notes a bench that could not be run.
    pub fn failed(&mut self, name: &str, error: &anyhow::Error) {
        println!("  {name}: could not be measured: {error:#}");
        self.broken.push(format!("{name}: {error:#}"));
    }

    /// Prints the table, keeps the rows.
    ///
    /// # Errors
    /// When a bench could not be run, or a bar was missed that counts.
    pub fn close(self, json: Option<&Path>, counts: Counts) -> Result<()> {
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY);
        table.set_header(["bench", "value", "yardstick", "ratio", "p50 ms", "p99 ms", "bar", "ok"]);
        for row in &self.rows {
            table.add_row(cells(row));
        }
        println!("\n{table}");
        if let Some(path) = json {
            let text = serde_json::to_string_pretty(&self.rows)?;
            std::fs::write(path, text + "\n").with_context(|| path.display().to_string())?;
        }
        if !self.broken.is_empty() {
            bail!("could not be measured: {}", self.broken.join("; "));
        }
        let names = |which: fn(&Row) -> bool| -> Vec<&str> {
            self.rows.iter().filter(|row| which(row)).map(|row| row.name.as_str()).collect()
        };
        let (all, surely) = (names(|row| row.ok == Some(false)), names(|row| row.missed));
        if !all.is_empty() {
            println!("bars missed: {}", all.join(", "));
        }
        let counted = match counts {
            Counts::Nothing => &[],
            Counts::Sure => surely.as_slice(),
            Counts::Every => all.as_slice(),
        };
        if !counted.is_empty() {
            bail!("{} bars missed: {}", counted.len(), counted.join(", "));
        }
        Ok(())
    }
}

fn cells(row: &Row) -> Vec<String> {
    let maybe = |value: Option<f64>| value.map(number).unwrap_or_default();
    let ok = match (row.ok, row.ratio_between, row.missed) {
        (Some(true), ..) => "yes",
        (Some(false), Some(_), false) => "not surely",
        (Some(false), ..) => "NO",
        (None, ..) => "",
    };
    let ratio = match (row.ratio, row.ratio_between) {
        (Some(ratio), Some((low, high))) => format!("{ratio:.3} ({low:.3} to {high:.3})"),
        (Some(ratio), None) => format!("{ratio:.2}"),
        (None, _) => String::new(),
    };
    vec![
        row.name.clone(),
        format!("{} {}", number(row.value), row.unit),
        maybe(row.yardstick),
        ratio,
        maybe(row.p50_ms),
        maybe(row.p99_ms),
        row.bar.clone(),
        ok.to_owned(),
    ]
}

/// With thousands apart, and decimals only where they matter.
fn number(value: f64) -> String {
    if value.abs() < 100.0 {
        let text = format!("{value:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::pairs::Side;

    #[test]
    fn numbers_are_easy_to_read() {
        for (value, text) in [
            (0.0, "0"),
            (1.5, "1.5"),
            (99.126, "99.13"),
            (131.4, "131"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_bar_is_met_or_missed() {
        let judge = |value, bar| Row::figure("a", value, "ms", bar).ok;
        assert_eq!(judge(9.0, Bar::AtMost(10.0)), Some(true));
        assert_eq!(judge(11.0, Bar::AtMost(10.0)), Some(false));
        assert_eq!(judge(11.0, Bar::AtLeast(10.0)), Some(true));
        assert_eq!(judge(1.0, Bar::AtLeastOrShare(10.0, 0.5)), Some(false));
        assert_eq!(judge(1.0, Bar::None), None);
    }

    #[test]
    fn a_pair_misses_its_bar_surely_only_beyond_the_noise() {
        let judge = |ours: &[f64]| {
            let mut at = ours.iter().copied();
            let pairs = Pairs::in_turn(u64::try_from(ours.len()).unwrap(), |side| match side {
                Side::Ours => Ok(at.next().unwrap_or_default()),
                Side::Theirs => Ok(1.0),
            });
            let row = Row::paired("a", &pairs.unwrap(), "/s", 0.95);
            (row.ok, row.missed)
        };
        assert_eq!(judge(&[0.9, 0.9, 0.96, 0.96, 0.96, 1.1]), (Some(true), false));
        assert_eq!(judge(&[0.9, 0.9, 0.9, 0.91, 0.9, 1.1]), (Some(false), false));
        assert_eq!(judge(&[0.9, 0.9, 0.9, 0.91, 0.9, 0.94]), (Some(false), true));
        assert_eq!(judge(&[0.9]), (Some(false), false), "one turn shows nothing");
    }
}
