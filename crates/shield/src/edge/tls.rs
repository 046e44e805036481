//! TLS at the edge: rustls with aws-lc-rs, certificates that can be replaced while serving, and
//! answers to ACME's TLS-ALPN-01 challenge (RFC 8737), which needs no second port and no path of
//! the service. Leaves files to the server, and asking for certificates to its `acme`.
//!
//! Sessions resume by tickets that only this process can open, so they cost no memory. Early data
//! is never accepted: it can be replayed.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use super::io::Metered;
use super::limits::GREETING_BYTES_MAX;

/// The protocol name of a TLS-ALPN-01 validation (RFC 8737, 6.2).
const CHALLENGE_PROTOCOL: &[u8] = b"acme-tls/1";
/// Challenges answered at once; an order has one for each name. Past it: refused.
const CHALLENGES_MAX: usize = 100;

/// Why a certificate was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The text is not PEM, or holds no certificate or key.
    #[error("not a PEM file with a certificate and its key")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// There is a key but no certificate.
    #[error("the file holds no certificate")]
    Empty,
    /// The key is of a kind that we cannot use, or is not the certificate's.
    #[error("the key does not fit the certificate")]
    Key(#[source] rustls::Error),
    /// More challenges at once than any order has.
    #[error("too many challenges at once")]
    Challenges,
}

/// The certificates in force. Shared by every connection; replaced without a restart.
#[derive(Default)]
pub struct Certificates {
    current: RwLock<Current>,
}

#[derive(Default)]
struct Current {
    key: Option<Arc<CertifiedKey>>,
    challenges: HashMap<String, Arc<CertifiedKey>>,
}

impl Certificates {
    /// None yet: handshakes fail until one is installed.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Puts a certificate chain and its key, both PEM, in force for new connections. Whatever was
    /// in force stays so when these do not fit.
    ///
    /// # Errors
    /// When the text is not PEM, or the key does not fit the certificate.
    pub fn install(&self, chain_pem: &[u8], key_pem: &[u8]) -> Result<(), CertificateError> {
        let key = certified_key(chain_pem, key_pem)?;
        self.current.write().key = Some(Arc::new(key));
        Ok(())
    }

    /// Whether a certificate is in force.
    pub fn is_ready(&self) -> bool {
        self.current.read().key.is_some()
    }

    /// The leaf certificate in force, in DER: for who wants to know when it ends.
    pub fn leaf(&self) -> Option<Vec<u8>> {
        let current = self.current.read();
        Some(current.key.as_ref()?.cert.first()?.to_vec())
    }

    /// Answers validations of `name` with this certificate until [`Self::forget_challenge`].
    /// Whether the key is the certificate's is left to the caller.
    ///
    /// # Errors
    /// When the text is not PEM, the key of no kind that we can use, or there are too many.
    pub fn answer_challenge(
        &self,
        name: &str,
        chain_pem: &[u8],
        key_pem: &[u8],
    ) -> Result<(), CertificateError> {
        let (chain, key) = parsed(chain_pem, key_pem)?;
        let key = aws_lc_rs::sign::any_supported_type(&key).map_err(CertificateError::Key)?;
        // Not compared with its key: the comparison refuses the critical extension that the
        // protocol demands (RFC 8737, 3), and who asked for this made both a moment ago.
        let key = CertifiedKey::new(chain, key);
        let mut current = self.current.write();
        if current.challenges.len() >= CHALLENGES_MAX && !current.challenges.contains_key(name) {
            return Err(CertificateError::Challenges);
        }
        current.challenges.insert(name.to_ascii_lowercase(), Arc::new(key));
        Ok(())
    }

    /// The challenge for `name` is over.
    pub fn forget_challenge(&self, name: &str) {
        self.current.write().challenges.remove(&name.to_ascii_lowercase());
    }
}

fn certified_key(chain_pem: &[u8], key_pem: &[u8]) -> Result<CertifiedKey, CertificateError> {
    let (chain, key) = parsed(chain_pem, key_pem)?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        .map_err(CertificateError::Key)
}

/// A chain that is not empty, and a key.
fn parsed(
    chain_pem: &[u8],
    key_pem: &[u8],
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CertificateError> {
    let chain = CertificateDer::pem_slice_iter(chain_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(CertificateError::Pem)?;
    if chain.is_empty() {
        return Err(CertificateError::Empty);
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(CertificateError::Pem)?;
    Ok((chain, key))
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read();
        let validates = hello
            .alpn()
            .is_some_and(|mut protocols| protocols.any(|name| name == CHALLENGE_PROTOCOL));
        if validates && !current.challenges.is_empty() {
            return current.challenges.get(&hello.server_name()?.to_ascii_lowercase()).cloned();
        }
        current.key.clone()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.current.read();
        formatter
            .debug_struct("Certificates")
            .field("ready", &current.key.is_some())
            .field("challenges", &current.challenges.len())
            .finish()
    }
}

/// What was agreed on for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
    /// A validation: the handshake was all of it.
    Challenge,
}

/// Accepts TLS with the certificates in force.
#[derive(Clone)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
}

impl Acceptor {
    /// TLS 1.2 and 1.3 for HTTP/2, HTTP/1.1 and validations.
    ///
    /// # Errors
    /// When the cryptography library is out of order.
    pub fn new(certificates: Arc<Certificates>) -> Result<Self, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(certificates);
        config.alpn_protocols =
            vec![b"h2".to_vec(), b"http/1.1".to_vec(), CHALLENGE_PROTOCOL.to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.max_early_data_size = 0;
        Ok(Self { config: Arc::new(config) })
    }

    /// Answers a greeting and waits for the rest of the handshake.
    pub(super) async fn accept(
        &self,
        greeted: StartHandshake<Metered>,
    ) -> io::Result<(TlsStream<Metered>, Protocol)> {
        let stream = greeted.into_stream(Arc::clone(&self.config)).await?;
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            Some(CHALLENGE_PROTOCOL) => Protocol::Challenge,
            _ => Protocol::Http1,
        };
        Ok((stream, protocol))
    }
}

/// Reads a peer's first flight (the ClientHello) and answers nothing yet, unless it is nonsense.
///
/// # Errors
/// When the peer leaves, speaks something else, or says more than a greeting needs.
pub(super) async fn greeting(
    socket: Metered,
    read_bytes: impl Fn() -> u64,
) -> io::Result<StartHandshake<Metered>> {
    let listening = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), socket);
    let mut listening = std::pin::pin!(listening);
    std::future::poll_fn(|context| match listening.as_mut().poll(context) {
        Poll::Pending if read_bytes() > GREETING_BYTES_MAX => {
            Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
        }
        polled => polled,
    })
    .await
}
