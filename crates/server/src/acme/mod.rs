//! The server gets its certificate itself, from an authority that speaks ACME (RFC 8555). This
//! keeper puts what was given before in force, or a stand-in that nobody vouches for, so that the
//! server starts whatever the authority does; then it asks when asking is due, and puts what is
//! given in force without a connection being dropped. Leaves the order itself to `order`, when it
//! is placed to `schedule`, and what is kept to `kept`.

mod client;
mod kept;
mod order;
mod schedule;

pub(crate) use kept::Kept;
pub(crate) use order::Fetched;

use crate::{
    certificate::Facts,
    config::Config,
    limits::{ACME_ATTEMPT_S, ACME_LOOK_MS},
    open::folder,
    world::WallClock,
};
use anyhow::{Context as _, ensure};
use client::Client;
use instant_acme::{Account, NewAccount};
use model::ports::Clock as _;
use order::{Given, Means, Trouble};
use parking_lot::Mutex;
use schedule::{Failure, History, Way};
use shield::edge::tls::Certificates;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::sync::Notify;

/// Gets and renews the certificate of a server.
pub(crate) struct Keeper {
    certificates: Arc<Certificates>,
    /// What port 80 answers to who validates.
    pub(crate) fetched: Fetched,
    kept: Kept,
    wish: Wish,
    client: Client,
    state: Mutex<State>,
    asked: Notify,
    /// From 0 to 1, drawn once: how far into its part of the time this server comes.
    chance: f64,
}

/// What was configured.
struct Wish {
    names: Vec<String>,
    directory: String,
    contact: Option<String>,
    ways: Vec<Way>,
}

struct State {
    history: History,
    /// Of the certificate in force; none while a stand-in is.
    facts: Option<Facts>,
}

impl Keeper {
    /// As configured; puts in force what there is. None where the configuration wants none.
    ///
    /// # Errors
    /// When the data folder or the file of roots cannot be used. Not over anything the authority
    /// does.
    pub(crate) fn from_config(
        config: &Config,
        data: &Path,
        certificates: Arc<Certificates>,
    ) -> anyhow::Result<Option<Arc<Self>>> {
        if !config.tls.acme {
            return Ok(None);
        }
        folder(data)?;
        let kept = Kept::at(data);
        let mut ways = vec![Way::Handshake];
        ways.extend(config.tls.redirect_listen.map(|_| Way::Fetch));
        let wish = Wish {
            names: config.certified_names(),
            directory: config.tls.acme_directory.clone(),
            contact: config.tls.acme_contact.as_ref().map(|contact| contact.0.clone()),
            ways,
        };
        let state = State { history: kept.history(), facts: None };
        let keeper = Self {
            certificates,
            fetched: Fetched::default(),
            client: Client::new(config.tls.acme_ca_file.as_deref(), config.way_out()?)
                .context("tls.acme_ca_file")?,
            kept,
            wish,
            state: Mutex::new(state),
            asked: Notify::new(),
            chance: chance(),
        };
        keeper.begin()?;
        Ok(Some(Arc::new(keeper)))
    }

    /// Puts what was given before in force, or a stand-in.
    fn begin(&self) -> anyhow::Result<()> {
        let found = self.kept.certificate().unwrap_or_else(|error| {
            tracing::error!(error = format!("{error:#}"), "the certificate that was kept is lost");
            None
        });
        if let Some(found) = found {
            match self.certificates.install(&found.pem, &found.pem) {
                Ok(()) => {
                    let is_wanted = self.is_wanted(&found);
                    self.state.lock().facts = Some(found.facts).filter(|_| is_wanted);
                    return Ok(());
                }
                Err(error) => {
                    tracing::error!(%error, "the certificate that was kept cannot be used");
                }
            }
        }
        let made = rcgen::generate_simple_self_signed(self.wish.names.clone())?;
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        self.certificates.install(chain.as_bytes(), key.as_bytes())?;
        tracing::warn!(
            names = self.wish.names.join(" "),
            directory = self.wish.directory,
            "there is no certificate yet: one that nobody vouches for stands in, and browsers warn \
             of it, until the directory gives one"
        );
        Ok(())
    }

    /// Whether this certificate is one for these names from this directory.
    fn is_wanted(&self, found: &kept::Certificate) -> bool {
        found.directory == self.wish.directory
            && self.wish.names.iter().all(|name| found.facts.covers(name))
    }

    /// Asks whenever that is due; never ends by itself.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut is_asked = false;
        loop {
            let now_ms = WallClock.now().ms();
            let at_ms = self.due_ms().max(self.state.lock().history.free_at_ms(is_asked));
            if now_ms >= at_ms {
                is_asked = false;
                self.attempt(now_ms).await;
                continue;
            }
            let rest_ms = at_ms.saturating_sub(now_ms).clamp(1, ACME_LOOK_MS);
            let rest = Duration::from_millis(u64::try_from(rest_ms).unwrap_or(1));
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = self.asked.notified() => is_asked = self.is_heard(),
            }
        }
    }

    /// When the next certificate is due, in Unix milliseconds.
    fn due_ms(&self) -> i64 {
        let state = self.state.lock();
        state.facts.as_ref().map_or(0, |facts| schedule::renewal_ms(facts, self.chance))
    }

    /// Whoever runs this place asks for an attempt now, rather than after the rest.
    pub(crate) fn ask(&self) {
        self.asked.notify_one();
    }

    /// Whether an attempt that was asked for may be made at once; what stands against it if not.
    fn is_heard(&self) -> bool {
        let now_ms = WallClock.now().ms();
        if self.due_ms() > now_ms {
            tracing::info!("the certificate in force is good: none is asked for");
            return false;
        }
        let free_at_ms = self.state.lock().history.free_at_ms(true);
        if free_at_ms > now_ms {
            let until = shown(free_at_ms);
            tracing::warn!(until, "enough was asked for: the directory is left alone until then");
        }
        true
    }

    async fn attempt(&self, now_ms: i64) {
        let history = {
            let mut state = self.state.lock();
            state.history.begin(now_ms, chance());
            state.history.clone()
        };
        // Before, so that a server that is killed and started in a circle does not ask on and on.
        if let Err(error) = self.kept.keep_history(&history) {
            let error = format!("{error:#}");
            tracing::error!(error, "no certificate is asked for: the data folder takes nothing");
            return;
        }
        let _ = self.client.take_told_until_ms();
        let time = Duration::from_secs(ACME_ATTEMPT_S);
        let done = tokio::time::timeout(time, self.order(history.way)).await;
        let done = done.unwrap_or_else(|_| Err(Trouble::Late.into()));
        match done {
            Ok(facts) => {
                let (names, until) = (facts.names.join(" "), shown(facts.ends_ms));
                let history = {
                    let mut state = self.state.lock();
                    state.history.succeeded();
                    state.facts = Some(facts);
                    state.history.clone()
                };
                self.keep(&history);
                tracing::info!(names, until, "a new certificate is in force");
            }
            Err(error) => self.failed(&error, history.way),
        }
    }

    /// Kept before it is told, so that whoever reads of it finds it.
    fn keep(&self, history: &History) {
        if let Err(error) = self.kept.keep_history(history) {
            tracing::error!(error = format!("{error:#}"), "what was tried is not kept");
        }
    }

    /// Notes and says why there is no certificate.
    fn failed(&self, error: &anyhow::Error, way: Way) {
        let told_until_ms = self.client.take_told_until_ms();
        let trouble = error.downcast_ref::<Trouble>();
        let advice = trouble.map_or("see to that; it is tried again by itself", |t| t.advice(way));
        let failure = Failure {
            at_ms: WallClock.now().ms(),
            said: format!("{error:#}"),
            advice: advice.to_owned(),
        };
        let history = {
            let mut state = self.state.lock();
            state.history.failed(failure.clone(), told_until_ms, &self.wish.ways);
            state.history.clone()
        };
        self.keep(&history);
        let next = shown(history.free_at_ms(false));
        let Failure { said, advice, .. } = failure;
        tracing::error!(error = said, advice, next, "no certificate was given");
    }

    /// One order, from the account to the certificate in force.
    async fn order(&self, way: Way) -> anyhow::Result<Facts> {
        let account = self.account().await?;
        let means = Means {
            certificates: &self.certificates,
            fetched: &self.fetched,
            ways: &self.wish.ways,
            way,
        };
        let given = order::place(&account, &self.wish.names, &means).await;
        if given.as_ref().is_err_and(|trouble| trouble.kind() == Some("accountDoesNotExist")) {
            self.kept.forget_account();
        }
        let Given { chain_pem, key_pem } = given?;
        let facts = Facts::of_pem(chain_pem.as_bytes())?;
        let now_ms = WallClock.now().ms();
        let covers = self.wish.names.iter().all(|name| facts.covers(name));
        ensure!(covers, "the certificate that was given holds for {:?} only", facts.names);
        ensure!(facts.ends_ms > now_ms, "the certificate that was given has ended already");
        self.certificates.install(chain_pem.as_bytes(), key_pem.as_bytes())?;
        if let Err(error) = self.kept.keep_certificate(&self.wish.directory, &chain_pem, &key_pem) {
            let error = format!("{error:#}");
            tracing::error!(error, "the new certificate is in force and not kept for a restart");
        }
        Ok(facts)
    }

    /// The account at the directory; made where there is none.
    async fn account(&self) -> anyhow::Result<Account> {
        let Wish { directory, contact, .. } = &self.wish;
        let builder = || Account::builder_with_http(Box::new(self.client.clone()));
        let address = contact.as_ref().map(|contact| format!("mailto:{contact}"));
        let addresses: Vec<&str> = address.iter().map(String::as_str).collect();
        let Some(kept) = self.kept.account(directory)? else {
            let wanted = NewAccount {
                contact: &addresses,
                terms_of_service_agreed: true,
                only_return_existing: false,
            };
            let made = builder().create(&wanted, directory.clone(), None).await;
            let (account, credentials) = made.map_err(Trouble::from)?;
            let (directory, contact) = (directory.clone(), contact.clone());
            self.kept.keep_account(&kept::Account { directory, contact, credentials })?;
            return Ok(account);
        };
        let kept::Account { directory, contact: had, credentials } = kept;
        let copy = serde_json::from_slice(&serde_json::to_vec(&credentials)?)?;
        let account = builder().from_credentials(copy).await.map_err(Trouble::from)?;
        if had != *contact {
            account.update_contacts(&addresses).await.map_err(Trouble::from)?;
            let contact = contact.clone();
            self.kept.keep_account(&kept::Account { directory, contact, credentials })?;
        }
        Ok(account)
    }

    /// Failures since a certificate was given, for the figures.
    pub(crate) fn failures(&self) -> u32 {
        self.state.lock().history.failures
    }
}

/// A moment, for people.
pub(crate) fn shown(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// From 0 to 1. Nothing secret hangs on it.
fn chance() -> f64 {
    use model::ports::Random as _;
    let mut bytes = [0_u8; 4];
    crate::world::SystemChance::new().fill(&mut bytes);
    f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)
}
