//! `fulmar doctor`: looks at what a host is responsible for and says what to do about it. It
//! changes nothing, beside a running server as well as without one. What it looks at is in
//! `checks`, and in `origin` for whoever hides the server; here is how it is said.

mod checks;
mod disk;
mod network;
mod origin;
mod tls;

use crate::Place;
use anyhow::bail;
use serde::Serialize;
use std::net::IpAddr;

/// How something is.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// As it should be.
    Good,
    /// It works; whoever hosts should know.
    Note,
    /// It does not work, or is not safe.
    Wrong,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Good => "good ",
            Self::Note => "note ",
            Self::Wrong => "WRONG",
        }
    }
}

/// What was looked at, how it is, and what to do.
#[derive(Serialize, Clone, Debug)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do; nothing where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

fn good(check: &'static str, found: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Good, found: found.into(), advice: None }
}

fn note(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
    let (found, advice) = (found.into(), Some(advice.into()));
    Finding { check, verdict: Verdict::Note, found, advice }
}

fn wrong(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
    let (found, advice) = (found.into(), Some(advice.into()));
    Finding { check, verdict: Verdict::Wrong, found, advice }
}

/// What is looked at.
pub(crate) enum What {
    /// Whether all is well.
    Health,
    /// What reveals where this server is, which has these addresses besides those that it knows.
    Origin(Vec<IpAddr>),
}

/// Looks, and says what it found.
///
/// # Errors
/// When something is wrong, so that scripts notice.
pub(crate) async fn run(place: &Place, json: bool, what: &What) -> anyhow::Result<()> {
    let findings = match what {
        What::Health => checks::all(place).await,
        What::Origin(addresses) => origin::all(place, addresses).await,
    };
    if json {
        println!("{}", serde_json::to_string(&findings)?);
    } else {
        for finding in &findings {
            println!("{} {:<14} {}", finding.verdict.word(), finding.check, finding.found);
            if let Some(advice) = &finding.advice {
                println!("{:>20} -> {advice}", "");
            }
        }
    }
    match findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count() {
        0 => Ok(()),
        1 => bail!("one thing is wrong"),
        many => bail!("{many} things are wrong"),
    }
}
