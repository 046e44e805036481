//! TLS with the host's own certificate files: read at the start, read again when somebody asks
//! (SIGHUP, see `serve`) and when they have changed. What comes without TLS is sent to https and
//! nowhere else. Leaves the handshake to the shield's edge.

use crate::config::Config;
use anyhow::Context as _;
use axum::{
    http::{HeaderValue, Request, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use httpkit::hook::{After, Hook};
use shield::edge::{ConnectionInfo, tls::Acceptor, tls::Certificates};
use std::{path::PathBuf, sync::Arc, time::Duration, time::SystemTime};

/// How often the files are looked at, in s.
const LOOK_S: u64 = 30;

/// The certificate in force and where it comes from.
pub(crate) struct Tls {
    certificates: Arc<Certificates>,
    chain: PathBuf,
    key: PathBuf,
}

impl Tls {
    /// As configured; none where the configuration names no certificate.
    pub(crate) fn from_config(config: &Config) -> anyhow::Result<Option<Self>> {
        let (Some(chain), Some(key)) = (&config.tls.certificate, &config.tls.key) else {
            return Ok(None);
        };
        let tls =
            Self { certificates: Certificates::new(), chain: chain.clone(), key: key.clone() };
        tls.install()?;
        Ok(Some(tls))
    }

    /// For the door that speaks TLS.
    pub(crate) fn acceptor(&self) -> anyhow::Result<Acceptor> {
        Acceptor::new(Arc::clone(&self.certificates)).context("TLS cannot be started")
    }

    /// Puts what the files hold in force; what was in force stays where they cannot be used.
    fn install(&self) -> anyhow::Result<()> {
        let read = |path: &PathBuf| {
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let (chain, key) = (read(&self.chain)?, read(&self.key)?);
        self.certificates.install(&chain, &key).with_context(|| {
            format!("{} and {} cannot be used", self.chain.display(), self.key.display())
        })
    }

    /// When the files were last written.
    fn written(&self) -> [Option<SystemTime>; 2] {
        [&self.chain, &self.key]
            .map(|path| std::fs::metadata(path).and_then(|found| found.modified()).ok())
    }

    /// Reads the files again, and says in the log how that went.
    pub(crate) fn read_again(&self) {
        match self.install() {
            Ok(()) => tracing::info!("the certificate was read again"),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the earlier certificate stays in force");
            }
        }
    }

    /// Reads the files again whenever they have changed.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut seen = self.written();
        let mut looks = tokio::time::interval(Duration::from_secs(LOOK_S));
        loop {
            looks.tick().await;
            let now = self.written();
            if now != seen {
                seen = now;
                self.read_again();
            }
        }
    }
}

/// What holds for everything that comes to a server that speaks TLS.
#[derive(Clone)]
pub(crate) struct Transport {
    base_url: Arc<str>,
    strict: Option<HeaderValue>,
}

impl Transport {
    /// Sends everybody to `base_url`; browsers remember that for so many days.
    pub(crate) fn new(base_url: &str, days: usize) -> Self {
        let seconds = days.saturating_mul(86_400);
        let strict = HeaderValue::from_str(&format!("max-age={seconds}")).ok();
        Self { base_url: base_url.into(), strict: strict.filter(|_| days > 0) }
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
