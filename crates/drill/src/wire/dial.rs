//! Connections: TCP from a source, and TLS on it. Members' apps and returning browsers resume
//! their sessions; bots and newcomers make full handshakes.

use std::{io, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use crate::{
    atlas,
    limits::DIAL_MS,
    target::{LoopbackTarget, Source},
    wire::Link,
};

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
    /// The same of bots, who do not ask whom they attack.
    careless: ClientConfig,
    /// Whether the target speaks TLS.
    is_secure: bool,
    /// Whether connections come through proxies in front of the target.
    is_proxied: bool,
}

impl Dialer {
    /// For a target whose certificate an authority of the drill has signed; without one it speaks
    /// plain HTTP.
    ///
    /// # Errors
    /// When the authority's certificate cannot be read.
    pub(crate) fn new(
        target: LoopbackTarget,
        authority: Option<&[u8]>,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        if let Some(authority) = authority {
            roots.add(CertificateDer::from(authority.to_vec()))?;
        }
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut careless = config.clone();
        let provider = Arc::clone(config.crypto_provider());
        careless.dangerous().set_certificate_verifier(Arc::new(Unasked(provider)));
        Ok(Self { target, config, careless, is_secure: authority.is_some(), is_proxied: false })
    }

    /// The same through the proxies that a target has in front of it, or not.
    pub(crate) fn proxied(self, is_proxied: bool) -> Self {
        Self { is_proxied, ..self }
    }

    /// A bot's TLS: it always makes the full handshake, and does not check who answers, as tools
    /// for floods do not. Its greeting is a browser's all the same.
    pub(crate) fn fresh(&self) -> TlsConnector {
        TlsConnector::from(Arc::new(self.careless.clone()))
    }

    /// TLS that remembers the sessions of one app or browser.
    pub(crate) fn resuming(&self) -> TlsConnector {
        let mut config = self.config.clone();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        TlsConnector::from(Arc::new(config))
    }

    /// The same for HTTP/2.
    pub(crate) fn http2(&self) -> TlsConnector {
        let mut config = self.careless.clone();
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

    /// A bare connection, through the proxies where there are some: such a proxy passes bytes on,
    /// and says before them whom it speaks for.
    pub(crate) async fn plain(&self, from: Source) -> Result<TcpStream, Failure> {
        if !self.is_proxied {
            return self.round_the_proxies(from).await;
        }
        let mut stream = self.round_the_proxies(atlas::proxy(from)).await?;
        let announced = announcement(from, self.target.address().port());
        stream.write_all(&announced).await.map_err(Failure::Connect)?;
        Ok(stream)
    }

    /// A bare connection to the target itself.
    pub(crate) async fn round_the_proxies(&self, from: Source) -> Result<TcpStream, Failure> {
        let dialled = timeout(Duration::from_millis(DIAL_MS), self.target.connect(from)).await;
        dialled.map_err(|_| Failure::Late)?.map_err(Failure::Connect)
    }

    /// A connection as the target speaks, with TLS on it but for a peer that has none.
    pub(crate) async fn secure(&self, tls: &TlsConnector, from: Source) -> Result<Link, Failure> {
        let stream = self.plain(from).await?;
        self.shake(tls, stream).await
    }

    /// The same on a connection that is there.
    pub(crate) async fn shake(
        &self,
        tls: &TlsConnector,
        stream: TcpStream,
    ) -> Result<Link, Failure> {
        if !self.is_secure {
            return Ok(Link::Plain(stream));
        }
        let name = ServerName::try_from(NAME).map_err(|_| Failure::Late)?;
        let shaken = timeout(Duration::from_millis(DIAL_MS), tls.connect(name, stream)).await;
        let shaken = shaken.map_err(|_| Failure::Late)?.map_err(Failure::Handshake)?;
        Ok(Link::Secure(Box::new(shaken)))
    }
}

/// Takes any certificate for the right one: checking it costs an attacker as much as the handshake
/// costs the server, and gives nothing to who only floods. People check.
#[derive(Debug)]
struct Unasked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unasked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// How a proxy announces whom it speaks for: the PROXY protocol, version 2 (haproxy's
/// `proxy-protocol.txt`, 2.2), for TCP over IPv4.
fn announcement(from: Source, port: u16) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    bytes.extend(from.address().octets());
    bytes.extend([127, 0, 0, 1]);
    bytes.extend(40_000_u16.to_be_bytes());
    bytes.extend(port.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_says_whom_it_speaks_for() {
        let bytes = announcement(Source::new(16, 2, 3), 443);
        assert_eq!(bytes.len(), 28);
        assert_eq!(bytes[12..16], [0x21, 0x11, 0, 12]);
        assert_eq!(bytes[16..20], [127, 16, 2, 3]);
        assert_eq!(bytes[26..], [1, 187]);
    }
}
