//! Connections: TCP from a source, and TLS on it. Members' apps and returning browsers resume
//! their sessions; bots and newcomers make full handshakes.

use std::{io, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    client::{Resumption, WebPkiServerVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    limits::DIAL_MS,
    target::{LoopbackTarget, Source},
};

/// An encrypted connection.
pub(crate) type Secure = TlsStream<TcpStream>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no handshake: {0}")]
    Handshake(io::Error),
    #[error("no answer: {0}")]
    Exchange(io::Error),
    #[error("not in time")]
    Late,
}

/// The name by which the scratch instance is called in TLS.
const NAME: &str = "localhost";
/// TLS sessions that one app remembers.
const SESSIONS: usize = 8;

/// Makes connections to the target.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub target: LoopbackTarget,
    config: ClientConfig,
}

impl Dialer {
    /// For a target whose certificate an authority of the drill has signed.
    ///
    /// # Errors
    /// When the authority's certificate cannot be read.
    pub(crate) fn new(target: LoopbackTarget, authority: &[u8]) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(authority.to_vec()))?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_webpki_verifier(verifier)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { target, config })
    }

    /// TLS that always makes the full handshake.
    pub(crate) fn fresh(&self) -> TlsConnector {
        TlsConnector::from(Arc::new(self.config.clone()))
    }

    /// TLS that remembers the sessions of one app or browser.
    pub(crate) fn resuming(&self) -> TlsConnector {
        let mut config = self.config.clone();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        TlsConnector::from(Arc::new(config))
    }

    /// TLS for HTTP/2, full handshakes.
    pub(crate) fn http2(&self) -> TlsConnector {
        let mut config = self.config.clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsConnector::from(Arc::new(config))
    }

    /// The first message of a handshake, to be recorded; none where none can be made.
    pub(crate) fn greeting(&self) -> Option<Vec<u8>> {
        let name = ServerName::try_from(NAME).ok()?;
        let mut client = ClientConnection::new(Arc::new(self.config.clone()), name).ok()?;
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).ok()?;
        Some(bytes)
    }

    /// A bare connection.
    pub(crate) async fn plain(&self, from: Source) -> Result<TcpStream, Failure> {
        let dialled = timeout(Duration::from_millis(DIAL_MS), self.target.connect(from)).await;
        dialled.map_err(|_| Failure::Late)?.map_err(Failure::Connect)
    }

    /// A connection with TLS on it.
    pub(crate) async fn secure(&self, tls: &TlsConnector, from: Source) -> Result<Secure, Failure> {
        let stream = self.plain(from).await?;
        let name = ServerName::try_from(NAME).map_err(|_| Failure::Late)?;
        let shaken = timeout(Duration::from_millis(DIAL_MS), tls.connect(name, stream)).await;
        shaken.map_err(|_| Failure::Late)?.map_err(Failure::Handshake)
    }
}
