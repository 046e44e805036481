//! TLS by this server itself, with a certificate that it gets by itself (`acme`) or with the host's
//! own files: read at the start, read again when somebody asks (SIGHUP, see `serve`) and when they
//! have changed. What comes without TLS is sent to https and nowhere else, but for who validates a
//! name. Leaves the handshake to the shield's edge.

use crate::{
    acme::{Fetched, Keeper},
    certificate::{self, Facts},
    config::Config,
};
use anyhow::Context as _;
use axum::{
    http::{HeaderValue, Request, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use httpkit::{
    Sealer,
    hook::{After, Hook},
};
use shield::edge::{ConnectionInfo, tls::Acceptor, tls::Certificates};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
    time::SystemTime,
};

/// How often the files are looked at, in s.
const LOOK_S: u64 = 30;
/// Where who validates a name fetches the proof (RFC 8555, 8.3).
const VALIDATION: &str = "/.well-known/acme-challenge/";

/// The certificate in force and where it comes from.
pub(crate) struct Tls {
    certificates: Arc<Certificates>,
    acceptor: Acceptor,
    source: Source,
}

enum Source {
    Files { chain: PathBuf, key: PathBuf },
    Asked(Arc<Keeper>),
}

/// What there is to watch of a certificate.
pub(crate) struct Standing {
    /// When the one in force ends, in Unix milliseconds.
    pub ends_ms: Option<i64>,
    /// Failures to get a new one since the last was given; none where none is asked for.
    pub failures: Option<u32>,
}

impl Tls {
    /// As configured; none where the configuration names no certificate.
    pub(crate) fn from_config(config: &Config, data: &Path) -> anyhow::Result<Option<Self>> {
        let certificates = Certificates::new();
        let acceptor = Acceptor::new(Arc::clone(&certificates)).context("TLS cannot be started")?;
        let keeper = Keeper::from_config(config, data, Arc::clone(&certificates));
        if let Some(keeper) = keeper.context("a certificate cannot be asked for")? {
            return Ok(Some(Self { certificates, acceptor, source: Source::Asked(keeper) }));
        }
        let (Some(chain), Some(key)) = (&config.tls.certificate, &config.tls.key) else {
            return Ok(None);
        };
        let source = Source::Files { chain: chain.clone(), key: key.clone() };
        let tls = Self { certificates, acceptor, source };
        tls.install(chain, key)?;
        Ok(Some(tls))
    }

    /// For the door that speaks TLS.
    pub(crate) fn acceptor(&self) -> Acceptor {
        self.acceptor.clone()
    }

    /// From now on session tickets are sealed under a secret of the instance: those that members
    /// hold open again after a restart, when all come back at once.
    pub(crate) fn keep_tickets(&self, sealer: &Sealer) -> anyhow::Result<()> {
        let secret = sealer.derive("session tickets");
        self.acceptor.tickets().keep_under(secret).context("TLS cannot be started")
    }

    /// What the door that does not speak it answers to who validates a name.
    pub(crate) fn fetched(&self) -> Option<Fetched> {
        match &self.source {
            Source::Files { .. } => None,
            Source::Asked(keeper) => Some(Arc::clone(&keeper.fetched)),
        }
    }

    /// Puts what the files hold in force; what was in force stays where they cannot be used.
    fn install(&self, chain_file: &Path, key_file: &Path) -> anyhow::Result<()> {
        let (chain, key) = (certificate::read_file(chain_file)?, certificate::read_file(key_file)?);
        self.certificates.install(&chain, &key).with_context(|| {
            format!("{} and {} cannot be used", chain_file.display(), key_file.display())
        })
    }

    /// Reads the files again, or asks for a certificate that is due, and says in the log how that
    /// went.
    pub(crate) fn read_again(&self) {
        let (chain, key) = match &self.source {
            Source::Files { chain, key } => (chain, key),
            Source::Asked(keeper) => return keeper.ask(),
        };
        match self.install(chain, key) {
            Ok(()) => tracing::info!("the certificate was read again"),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the earlier certificate stays in force");
            }
        }
    }

    /// Keeps the certificate as new as it can be: reads files whenever they have changed, or asks
    /// for one whenever that is due.
    pub(crate) async fn watch(self: Arc<Self>) {
        let (chain, key) = match &self.source {
            Source::Files { chain, key } => (chain, key),
            Source::Asked(keeper) => return Arc::clone(keeper).run().await,
        };
        let written = || {
            [chain, key].map(|path| std::fs::metadata(path).and_then(|found| found.modified()).ok())
        };
        let mut seen: [Option<SystemTime>; 2] = written();
        let mut looks = tokio::time::interval(Duration::from_secs(LOOK_S));
        loop {
            looks.tick().await;
            let now = written();
            if now != seen {
                seen = now;
                self.read_again();
            }
        }
    }

    /// For the figures.
    pub(crate) fn standing(&self) -> Standing {
        let facts = self.certificates.leaf().and_then(|leaf| Facts::read(&leaf).ok());
        let failures = match &self.source {
            Source::Files { .. } => None,
            Source::Asked(keeper) => Some(keeper.failures()),
        };
        Standing { ends_ms: facts.map(|facts| facts.ends_ms), failures }
    }
}

/// What holds for everything that comes to a server that speaks TLS.
#[derive(Clone)]
pub(crate) struct Transport {
    base_url: Arc<str>,
    strict: Option<HeaderValue>,
    fetched: Option<Fetched>,
}

impl Transport {
    /// Sends everybody to `base_url`; browsers remember that for so many days. Who validates a name
    /// gets what was laid out for that.
    pub(crate) fn new(base_url: &str, days: usize, fetched: Option<Fetched>) -> Self {
        let seconds = days.saturating_mul(86_400);
        let strict = HeaderValue::from_str(&format!("max-age={seconds}")).ok();
        Self { base_url: base_url.into(), strict: strict.filter(|_| days > 0), fetched }
    }
}

/// Redirects what came without TLS, and tells browsers to come with it from then on (RFC 6797,
/// which allows the header over TLS only).
impl Hook for Transport {
    type Kept = ();

    fn before<B>(&self, request: &mut Request<B>) -> Result<(), Box<Response>> {
        if request.extensions().get::<ConnectionInfo>().is_some_and(|info| info.tls) {
            return Ok(());
        }
        if let Some(fetched) = &self.fetched
            && let Some(token) = request.uri().path().strip_prefix(VALIDATION)
            && let Some(proof) = fetched.lock().get(token)
        {
            let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
            return Err(Box::new((kind, proof.clone()).into_response()));
        }
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        // `*`, and the authority of CONNECT, are no paths of ours.
        let path = if path.starts_with('/') { path } else { "/" };
        let location = format!("{}{path}", self.base_url);
        let moved = (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]);
        Err(Box::new(moved.into_response()))
    }

    fn after(&self, (): (), mut response: Response) -> After {
        if let Some(strict) = &self.strict {
            response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, strict.clone());
        }
        After::Now(response)
    }
}
