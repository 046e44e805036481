//! `cargo xtask clients`: apps that people use, unmodified, against the release binary.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::ground;
use crate::install::{self, Python};
use crate::instance::{Instance, OPEN, PASSWORD, Plan};
use crate::steps::{Outcome, Steps};

/// What is asked of the program when nothing else is said, in seconds of schemathesis.
pub const HOSTILE_SECONDS: u64 = 100;

/// Runs all client suites.
///
/// # Errors
/// When one of them found something unexpected.
pub fn run(hostile_seconds: u64) -> Result<()> {
    let mut steps = Steps::default();
    steps.step("build", || ground::build_server().map(|()| Outcome::Done));
    add(&mut steps, hostile_seconds);
    steps.close()
}

/// The same, as steps of a longer word.
pub fn add(steps: &mut Steps, hostile_seconds: u64) {
    let mut python = None;
    let ready = steps.step("Python clients", || {
        python = Some(Python::ready()?);
        Ok(Outcome::Done)
    });
    let Some(python) = python.filter(|_| ready) else { return };
    steps.step("toot's own tests", || toot(&python));
    steps.step("a day through Mastodon.py", || journey(&python));
    steps.step("a log-in through Chromium", || log_in(&python));
    steps.step("challenges through Chromium", || challenge(&python));
    steps.step("hostile requests (schemathesis)", || hostile(&python, hostile_seconds));
}

/// A server with open sign-up on a folder that goes with it.
fn fresh() -> Result<(Instance, tempfile::TempDir)> {
    let folder = tempfile::tempdir()?;
    let instance = Plan::new(&folder.path().join("data"), OPEN).start()?;
    Ok((instance, folder))
}

/// The list of tests that do not pass, with reasons.
#[derive(Deserialize)]
struct Expected {
    #[serde(default)]
    expected: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    test: String,
    reason: String,
}

fn toot(python: &Python) -> Result<Outcome> {
    let sources = python.toot_sources()?;
    let (instance, _folder) = fresh()?;
    let log = ground::kept("clients")?.join("toot.log");
    let mut pytest = Command::new(python.program("python"));
    pytest.args(["-m", "pytest", "tests/integration", "-q", "-rA", "--tb=short", "--no-header"]);
    pytest.args(["-p", "no:cacheprovider"]).current_dir(sources);
    pytest.env("TOOT_TEST_BASE_URL", format!("http://{}", instance.address));
    // Tests that fail are told apart below; what it printed says all that its end would.
    if let Err(failed) = ground::shown(pytest.stdout(File::create(&log)?)) {
        println!("  {failed:#}");
    }
    let text = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
    instance.stop()?;
    let expected =
        std::fs::read_to_string(ground::root().join("tests/clients/toot_expected.toml"))?;
    let expected: Expected = toml::from_str(&expected).context("toot_expected.toml")?;
    let findings = compare(&outcomes(&text), &expected.expected)?;
    if !findings.is_empty() {
        bail!("{}\n  (all of it: {})", findings.join("\n  "), log.display());
    }
    Ok(Outcome::Done)
}

/// Tests by name, and whether each passed.
fn outcomes(text: &str) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let Some((word, rest)) = line.split_once(' ') else { continue };
        let passed = match word {
            "PASSED" => true,
            "FAILED" | "ERROR" => false,
            _ => continue,
        };
        let test = rest.split(" - ").next().unwrap_or(rest).trim();
        if let Some(test) = test.strip_prefix("tests/integration/") {
            // A test that passed and whose clean-up failed is listed twice: it failed.
            let all = found.entry(test.to_owned()).or_insert(passed);
            *all = *all && passed;
        }
    }
    found
}

fn compare(found: &BTreeMap<String, bool>, expected: &[Exception]) -> Result<Vec<String>> {
    ensure!(found.len() > 50, "only {} tests ran, which is not toot's suite", found.len());
    let listed: BTreeSet<&str> = expected.iter().map(|one| one.test.as_str()).collect();
    let mut findings = Vec::new();
    for (test, passed) in found {
        match (passed, listed.contains(test.as_str())) {
            (false, false) => findings.push(format!("failed: {test}")),
            (true, true) => findings.push(format!("passed, take it off the list: {test}")),
            _ => {}
        }
    }
    for one in expected {
        if !found.contains_key(&one.test) {
            findings.push(format!("listed, but there is no such test: {}", one.test));
        } else if findings.is_empty() {
            println!("  known: {} ({})", one.test, one.reason);
        }
    }
    let passed = found.values().filter(|passed| **passed).count();
    println!("  toot: {passed} of {} tests passed, {} listed", found.len(), expected.len());
    Ok(findings)
}

fn journey(python: &Python) -> Result<Outcome> {
    let (instance, _folder) = fresh()?;
    for name in ["ada", "grace"] {
        instance.plan.account(name)?;
    }
    let mut command = Command::new(python.program("python"));
    command.arg(ground::root().join("tests/clients/journey.py"));
    command.args([format!("http://{}", instance.address), PASSWORD.to_owned()]);
    ground::shown(&mut command)?;
    instance.stop()?;
    Ok(Outcome::Done)
}

/// The log-in pages in a real browser; pictures of them stay in `target/`.
fn log_in(python: &Python) -> Result<Outcome> {
    install::system(true)?;
    let (instance, _folder) = fresh()?;
    instance.plan.account("ada")?;
    let mut command = Command::new(python.program("python"));
    command.arg(ground::root().join("tests/clients/login.py"));
    command.args([format!("http://{}", instance.address), "ada".to_owned(), PASSWORD.to_owned()]);
    ground::shown(command.arg(ground::kept("clients/pages")?))?;
    instance.stop()?;
    Ok(Outcome::Done)
}

/// A visitor with scripts and one without, through the challenge and the waiting room of a server
/// that is flooded.
fn challenge(python: &Python) -> Result<Outcome> {
    install::system(true)?;
    let folder = tempfile::tempdir()?;
    let config = format!("{OPEN}[shield]\ncapacity_percent = 10\n");
    let instance = Plan::new(&folder.path().join("data"), &config).start()?;
    instance.plan.account("ada")?;
    let mut command = Command::new(python.program("python"));
    command.arg(ground::root().join("tests/clients/challenge.py"));
    command.args([format!("http://{}", instance.address), "/@ada".to_owned()]);
    ground::shown(command.arg(ground::kept("clients/pages")?))?;
    instance.stop()?;
    Ok(Outcome::Done)
}

/// Paths whose answers never end, or that would end the token that the run uses.
const LEFT_OUT: &str = "streaming|oauth/revoke";

/// The variable that names an OpenAPI description of the Mastodon API. It is somebody else's work
/// under a licence of its own, so it is not kept here.
const DESCRIPTION: &str = "FULMAR_OPENAPI";

/// Where it is looked for when the variable is not set: beside the repository.
const BESIDE: &str = "../shared/data/mastodon-openapi.json";

fn description() -> PathBuf {
    ground::root().join(ground::variable(DESCRIPTION).unwrap_or_else(|| BESIDE.to_owned()))
}

fn hostile(python: &Python, seconds: u64) -> Result<Outcome> {
    let description = description();
    if !description.is_file() {
        let why = format!("no OpenAPI description of the Mastodon API; {DESCRIPTION} may name one");
        return Ok(Outcome::Skipped(why));
    }
    let (mut instance, folder) = fresh()?;
    instance.plan.account("mallory")?;
    let token = instance.plan.token("mallory")?;
    // As a member and as a stranger, half of the time each.
    let half = (seconds / 2).max(1).to_string();
    for header in [Some(format!("Authorization: Bearer {token}")), None] {
        let mut command = Command::new(python.program("python"));
        let url = format!("http://{}", instance.address);
        command.args(["-m", "schemathesis.cli", "run"]).arg(&description).args(["--url", &url]);
        command.args(["--checks", "not_a_server_error", "--phases", "coverage,fuzzing"]);
        command.args(["--max-time", &half, "--request-timeout", "10", "--seed", "41"]);
        command.args(["--continue-on-failure", "--suppress-health-check", "all", "--no-color"]);
        command.args(["--warnings", "off", "--exclude-path-regex", LEFT_OUT, "--no-shrink"]);
        if let Some(header) = &header {
            command.args(["-H", header]);
        }
        ground::shown(command.current_dir(folder.path()))?;
    }
    ensure!(instance.lives(), "the server ended");
    let health = crate::http::Client::new(instance.address, None).get("/health")?;
    ensure!(health.status == 200, "/health is answered {} afterwards", health.status);
    instance.stop()?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exception(test: &str) -> Exception {
        Exception { test: test.to_owned(), reason: "tier B".to_owned() }
    }

    #[test]
    fn only_the_unexpected_is_a_finding() {
        let mut text = String::from("FAILED tests/integration/a.py::f - AssertionError: x\n");
        text.push_str("ERROR tests/integration/a.py::e - boom\n");
        for number in 0..60 {
            text.push_str(&format!("PASSED tests/integration/a.py::p{number}\n"));
        }
        let found = outcomes(&text);
        let listed = [exception("a.py::f"), exception("a.py::p1"), exception("a.py::gone")];
        let findings = compare(&found, &listed).unwrap();
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(compare(&found, &[exception("a.py::e"), exception("a.py::f")]).unwrap().is_empty());
    }

    #[test]
    fn a_suite_that_did_not_run_is_an_error() {
        assert!(compare(&outcomes("PASSED tests/integration/a.py::a"), &[]).is_err());
    }
}
