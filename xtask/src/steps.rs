//! Steps of a long word: each is announced, timed, and named in one table at the end.
//!
//! A failing step does not hide the others: what can still run does, and the whole fails at the
//! end. So one run says everything that is wrong.

use std::time::Duration;

use anyhow::{Result, bail};
use comfy_table::{Table, presets};

use crate::ground;

/// How a step ended.
enum End {
    Passed,
    Skipped(String),
    Failed(String),
}

/// What a step says when it can neither pass nor fail here.
pub enum Outcome {
    /// It did what it is for.
    Done,
    /// Something that lies outside the repository is absent; says what.
    Skipped(String),
}

/// The steps run so far.
#[derive(Default)]
pub struct Steps {
    ended: Vec<(String, Duration, End)>,
}

impl Steps {
    /// Runs one step and keeps how it ended; whether it passed.
    pub fn step(&mut self, name: &str, work: impl FnOnce() -> Result<Outcome>) -> bool {
        println!("\n=== {name}");
        let start = ground::now();
        let end = match work() {
            Ok(Outcome::Done) => End::Passed,
            Ok(Outcome::Skipped(why)) => End::Skipped(why),
            Err(error) => End::Failed(format!("{error:#}")),
        };
        let took = start.elapsed();
        match &end {
            End::Passed => println!("=== {name}: passed in {}", seconds(took)),
            End::Skipped(why) => println!("=== {name}: skipped: {why}"),
            End::Failed(why) => println!("=== {name}: FAILED in {}: {why}", seconds(took)),
        }
        let passed = !matches!(end, End::Failed(_));
        self.ended.push((name.to_owned(), took, end));
        passed
    }

    /// Prints the table and the closing line.
    ///
    /// # Errors
    /// When any step failed.
    pub fn close(self) -> Result<()> {
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY).set_header(["step", "took", "how it ended"]);
        let (mut passed, mut failed, mut skipped) = (0_u32, 0_u32, 0_u32);
        for (name, took, end) in &self.ended {
            let how = match end {
                End::Passed => {
                    passed += 1;
                    "passed".to_owned()
                }
                End::Skipped(why) => {
                    skipped += 1;
                    format!("skipped: {}", first_line(why))
                }
                End::Failed(why) => {
                    failed += 1;
                    format!("FAILED: {}", first_line(why))
                }
            };
            table.add_row([name.clone(), seconds(*took), how]);
        }
        println!("\n{table}");
        println!("steps: {passed} passed, {failed} failed, {skipped} skipped");
        if failed > 0 {
            bail!("{failed} of {} steps failed", self.ended.len());
        }
        Ok(())
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(90).collect()
}
