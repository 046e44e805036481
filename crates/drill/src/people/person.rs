//! A browser or an app: an address of its own, connections that it keeps between requests, TLS
//! sessions that it resumes, cookies.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;

use crate::{
    guise::{self, Fields},
    limits::{COOKIES_MAX, IDLE_CONNECTIONS_MAX},
    measure::Ended,
    people::Town,
    target::Source,
    wire::{Answer, Failure, Link, Request, Wire},
};

/// One of them.
pub(super) struct Person {
    pub source: Source,
    /// Header fields that its browser sends with each page.
    pub browser: Fields,
    tls: TlsConnector,
    idle: Mutex<Vec<Wire<Link>>>,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// What is asked.
pub(super) struct Ask<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub fields: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

impl Person {
    pub(super) fn new(source: Source, tls: TlsConnector) -> Self {
        let browser = guise::of(source);
        Self { source, browser, tls, idle: Mutex::default(), cookies: Mutex::default() }
    }

    /// Gives it a cookie from an earlier visit, `name=value`.
    pub(super) fn remember(&self, cookie: &str) {
        if let Some((name, value)) = cookie.split_once('=') {
            self.cookies.lock().insert(name.to_owned(), value.to_owned());
        }
    }

    /// The value of a cookie that it keeps.
    pub(super) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().get(name).cloned()
    }

    /// What its browser calls itself.
    pub(super) fn agent(&self) -> &'static str {
        let agent = self.browser.iter().find(|(name, _)| *name == "User-Agent");
        agent.map_or("", |(_, agent)| *agent)
    }

    /// A fresh connection.
    pub(super) async fn dial(&self, town: &Town) -> Result<Wire<Link>, Failure> {
        Ok(Wire::new(town.dialer.secure(&self.tls, self.source).await?))
    }

    /// Asks and waits for the whole answer, until a deadline. A kept connection that turns out to
    /// have ended is replaced by a fresh one, once, as browsers do.
    pub(super) async fn ask(
        &self,
        town: &Town,
        ask: &Ask<'_>,
        patience: Duration,
        due: Instant,
    ) -> Result<Answer, Failure> {
        let deadline = due + patience;
        let answer = timeout_at(deadline.into(), self.exchange(town, ask)).await;
        let answer = answer.map_err(|_| Failure::Late)??;
        self.take_cookies(&answer);
        Ok(answer)
    }

    async fn exchange(&self, town: &Town, ask: &Ask<'_>) -> Result<Answer, Failure> {
        let bytes = self.bytes(town, ask);
        let kept = self.idle.lock().pop();
        if let Some(mut wire) = kept
            && let Ok(answer) = once(&mut wire, &bytes).await
        {
            self.put_back(wire, &answer);
            return Ok(answer);
        }
        let mut wire = self.dial(town).await?;
        let answer = once(&mut wire, &bytes).await.map_err(Failure::Exchange)?;
        self.put_back(wire, &answer);
        Ok(answer)
    }

    fn put_back(&self, wire: Wire<Link>, answer: &Answer) {
        let mut idle = self.idle.lock();
        if answer.is_kept && idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(wire);
        }
    }

    fn bytes(&self, town: &Town, ask: &Ask<'_>) -> Vec<u8> {
        let jar = self.cookies.lock();
        let cookies: Vec<String> =
            jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        drop(jar);
        let cookies = cookies.join("; ");
        let mut fields = ask.fields.to_vec();
        if !cookies.is_empty() {
            fields.push(("Cookie", &cookies));
        }
        let Ask { method, path, body, .. } = *ask;
        Request { method, path, host: &town.scene.host, fields: &fields, body }.bytes()
    }

    fn take_cookies(&self, answer: &Answer) {
        let mut jar = self.cookies.lock();
        for line in answer.fields("set-cookie") {
            let pair = line.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=') else { continue };
            let is_gone = line.to_ascii_lowercase().contains("max-age=0");
            if is_gone {
                jar.remove(name.trim());
            } else if jar.len() < COOKIES_MAX || jar.contains_key(name.trim()) {
                jar.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }
}

async fn once(wire: &mut Wire<Link>, bytes: &[u8]) -> std::io::Result<Answer> {
    wire.send(bytes).await?;
    wire.answer().await
}

/// How an answer ends an attempt, where `is_it` says whether it is what was asked for.
pub(super) fn ended(answer: &Answer, is_it: impl Fn(&Answer) -> bool) -> Ended {
    match answer.status {
        200 if is_it(answer) => Ended::Served,
        403 | 429 | 503 => Ended::Refused,
        _ => Ended::Failed,
    }
}
