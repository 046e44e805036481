//! A line chart as SVG. Colours come from the page's style sheet, so that one drawing serves light
//! and dark.

use std::fmt::Write as _;

use super::escape;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 24.0;

/// A line.
pub(super) struct Line {
    pub name: &'static str,
    /// The class that gives its colour.
    pub class: &'static str,
    /// One value a second; a gap where there is none.
    pub values: Vec<Option<f64>>,
}

/// A chart over the seconds of a run.
pub(super) struct Chart {
    pub title: &'static str,
    pub unit: &'static str,
    /// The top of the scale, where it is not the largest value.
    pub top: Option<f64>,
    pub lines: Vec<Line>,
    pub bands: Bands,
}

/// When the attack begins and ends, and the run ends, in seconds.
#[derive(Clone, Copy)]
pub(super) struct Bands {
    attack: f64,
    recovery: f64,
    end: f64,
}

/// From the lengths of the phases.
pub(super) fn bands(lengths: &[f64]) -> Bands {
    let to = |count: usize| lengths.iter().take(count).sum::<f64>();
    Bands { attack: to(1), recovery: to(2), end: to(3).max(1.0) }
}

impl Chart {
    pub(super) fn draw(&self) -> String {
        let values = || self.lines.iter().flat_map(|line| line.values.iter().flatten());
        let largest = values().copied().fold(0.0, f64::max);
        let top = self.top.unwrap_or_else(|| round_up(largest));
        let x = |second: f64| LEFT + (WIDTH - LEFT - RIGHT) * second / self.bands.end;
        let y = |value: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / top).min(1.0);
        let mut svg = format!(
            "<figure><figcaption>{}{}</figcaption>\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escape(self.title),
            self.legend(),
            escape(&self.said(largest)),
        );
        let (from, to) = (x(self.bands.attack), x(self.bands.recovery));
        let _infallible = write!(
            svg,
            "<rect class=\"attack\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            to - from,
            HEIGHT - TOP - BOTTOM
        );
        for part in 0..=4 {
            let value = top * f64::from(part) / 4.0;
            let at = y(value);
            let _infallible = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                at + 3.5,
                self.label(value)
            );
        }
        for (second, word) in
            [(0.0, "calm"), (self.bands.attack, "attack"), (self.bands.recovery, "recovery")]
        {
            let (at, below) = (x(second), HEIGHT - 8.0);
            let _infallible = write!(svg, "<text x=\"{at:.1}\" y=\"{below}\">{word}</text>");
        }
        for line in &self.lines {
            svg.push_str(&path(line, &x, &y));
        }
        svg.push_str("</svg></figure>");
        svg
    }

    fn legend(&self) -> String {
        let mut text = String::new();
        if self.lines.len() > 1 {
            for line in &self.lines {
                let (class, name) = (line.class, line.name);
                let _infallible = write!(text, " <span class=\"key {class}\">{name}</span>");
            }
        }
        text
    }

    /// The chart in words, for who does not see it.
    fn said(&self, largest: f64) -> String {
        let names: Vec<&str> = self.lines.iter().map(|line| line.name).collect();
        format!("{}: {}; at most {}", self.title, names.join(", "), self.label(largest))
    }

    fn label(&self, value: f64) -> String {
        let text = match value {
            _ if self.top == Some(1.0) => return format!("{:.0} %", value * 100.0),
            value if value >= 10_000.0 => format!("{:.0}k", value / 1_000.0),
            value if value >= 10.0 || value == 0.0 => format!("{value:.0}"),
            value => format!("{value:.1}"),
        };
        if self.unit.is_empty() { text } else { format!("{text} {}", self.unit) }
    }
}

/// The next of 1, 2, 4 or 5 times a power of ten: scales that divide by four read well.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let step = [1.0, 2.0, 4.0, 5.0, 8.0, 10.0].into_iter().find(|step| step * power >= value);
    step.unwrap_or(10.0) * power
}

fn path(line: &Line, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) -> String {
    let mut data = String::new();
    let mut is_down = false;
    let mut second = 0.5;
    for value in &line.values {
        if let Some(value) = value {
            let letter = if is_down { 'L' } else { 'M' };
            let _infallible = write!(data, "{letter}{:.1} {:.1}", x(second), y(*value));
        }
        is_down = value.is_some();
        second += 1.0;
    }
    format!("<path class=\"line {}\" d=\"{data}\"/>", line.class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_hold_their_values() {
        for (value, top) in [(0.0, 1.0), (0.7, 0.8), (3.0, 4.0), (17.0, 20.0), (901.0, 1_000.0)] {
            assert!((round_up(value) - top).abs() < 1e-9, "{value}: {}", round_up(value));
        }
    }

    #[test]
    fn a_gap_in_what_was_measured_is_a_gap_in_the_line() {
        let values = vec![Some(1.0), None, Some(2.0), Some(3.0)];
        let line = Line { name: "a", class: "a", values };
        let drawn = path(&line, &|x| x, &|y| y);
        assert!(drawn.contains("d=\"M0.5 1.0M2.5 2.0L3.5 3.0\""), "{drawn}");
    }
}
