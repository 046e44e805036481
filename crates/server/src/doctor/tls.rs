//! What the doctor says of the certificate: whether it holds, for how long, for whom; and where the
//! server gets it by itself, what failed last and what to do about that.

use super::{Finding, good, note, wrong};
use crate::{
    acme::{Kept, shown},
    certificate::{self, Facts},
    config::Config,
    limits::CERTIFICATE_DAYS_FEW,
    world::WallClock,
};
use model::ports::Clock as _;
use std::path::Path;

const NAME: &str = "certificate";
const DAY_MS: i64 = 86_400_000;

/// Nothing where this server does not speak TLS.
pub(super) fn findings(data: &Path, config: &Config) -> Vec<Finding> {
    if config.tls.acme {
        return asked_for(data, config);
    }
    let Some(path) = &config.tls.certificate else { return Vec::new() };
    let read = certificate::read_file(path).and_then(|pem| Facts::of_pem(&pem));
    vec![match read {
        Ok(facts) => {
            let advice = "have whoever gave it give a new one; this server takes it up by itself";
            let domain = config.server.domain.iter().map(|domain| domain.host().to_owned());
            held(&facts, &domain.collect::<Vec<_>>(), advice)
        }
        Err(error) => {
            let found = format!("{}: {error:#}", path.display());
            wrong(NAME, found, "tls.certificate must name a file in PEM")
        }
    }]
}

/// One that the server gets by itself.
fn asked_for(data: &Path, config: &Config) -> Vec<Finding> {
    let kept = Kept::at(data);
    let history = kept.history();
    let advice = "the server renews it by itself: look in its log for why it did not";
    let (mut findings, is_held) = match kept.certificate() {
        Ok(Some(found)) => {
            let finding = held(&found.facts, &config.certified_names(), advice);
            (vec![finding], found.facts.ends_ms > WallClock.now().ms())
        }
        Ok(None) if history.failure.is_none() => {
            let advice = "the server asks for one as soon as it runs";
            (vec![note(NAME, "none was given yet", advice)], false)
        }
        Ok(None) => (Vec::new(), false),
        Err(error) => {
            let advice = "move that file away and restart: the server asks for another";
            (vec![wrong(NAME, format!("{error:#}"), advice)], false)
        }
    };
    if let Some(failure) = &history.failure {
        let (at, next) = (shown(failure.at_ms), shown(history.free_at_ms(false)));
        let times = history.failures;
        let found = format!("failures since the last: {times}; on {at}: {}", failure.said);
        let advice = format!(
            "{}; then `systemctl reload fulmar` (SIGHUP) tries at once, else it is tried after \
             {next}",
            failure.advice
        );
        let say = if is_held { note } else { wrong };
        findings.push(say("acme", found, advice));
    }
    findings
}

/// How long it holds, and whether it does for these names.
fn held(facts: &Facts, names: &[String], advice: &str) -> Finding {
    let left_ms = facts.ends_ms - WallClock.now().ms();
    let until = shown(facts.ends_ms);
    if left_ms <= 0 {
        return wrong(NAME, format!("it ended on {until}"), advice);
    }
    if let Some(name) = names.iter().find(|name| !facts.covers(name)) {
        let found = format!("it is not for {name}, but for {}", facts.names.join(", "));
        return wrong(NAME, found, "apps refuse it: it must name server.domain");
    }
    let (days, life_ms) = (left_ms / DAY_MS, facts.ends_ms - facts.begins_ms);
    let found = format!("{days} days left, until {until}");
    // One of six days is renewed after four: that is no reason to speak.
    if days < CERTIFICATE_DAYS_FEW && left_ms < life_ms / 4 {
        return note(NAME, found, advice);
    }
    good(NAME, found)
}
