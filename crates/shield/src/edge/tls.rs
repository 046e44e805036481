//! TLS at the edge: rustls with aws-lc-rs, certificates that can be replaced while serving, and
//! answers to ACME's TLS-ALPN-01 challenge (RFC 8737), which needs no second port and no path of
//! the service. Leaves files to the server, and asking for certificates to its `acme`.
//!
//! Sessions resume by tickets that only we can open (`tickets`), so they cost no memory. Early data
//! is never accepted: it can be replayed.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::RwLock;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{Accepted, AcceptedAlert, ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio_rustls::StartHandshake;
use tokio_rustls::server::TlsStream;

use super::hello::{self, Fingerprint, Hello, Message};
use super::io::Metered;
use super::tickets::{Note, Tickets, Unspent};

/// The protocol name of a TLS-ALPN-01 validation (RFC 8737, 6.2).
const CHALLENGE_PROTOCOL: &[u8] = b"acme-tls/1";
/// Challenges answered at once; an order has one for each name. Past it: refused.
const CHALLENGES_MAX: usize = 100;
/// Bytes of a greeting that are read at once.
const READ_BYTES: usize = 4 * 1024;

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
    pub(super) tickets: Arc<Tickets>,
}

/// A handshake that was gone through with.
pub(super) struct Shaken {
    pub(super) stream: TlsStream<Metered>,
    pub(super) protocol: Protocol,
    /// The peer has shown that the session that it resumed is its own.
    pub(super) resumed: bool,
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
        let tickets = Tickets::new()?;
        config.ticketer = Arc::<Tickets>::clone(&tickets);
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.max_early_data_size = 0;
        Ok(Self { config: Arc::new(config), tickets })
    }

    /// The keys of its session tickets.
    pub fn tickets(&self) -> Arc<Tickets> {
        Arc::clone(&self.tickets)
    }

    /// Answers a greeting; gives it back where rustls does not take it. `next` says what the
    /// tickets of this connection shall say, from what the one said that it has proven to be its
    /// own.
    pub(super) fn answer(
        &self,
        greeted: Greeted,
        next: impl FnOnce(Option<Note>) -> Note,
    ) -> Result<Answered, Box<Greeted>> {
        let Ok(Some(accepted)) = accepted(&greeted.bytes) else {
            return Err(Box::new(greeted));
        };
        let mut is_dear = false;
        let started = StartHandshake::from_parts(accepted, greeted.socket);
        let accepting = started.into_stream_with(Arc::clone(&self.config), |session| {
            // The greeting was answered: in TLS 1.3 a ticket's proof has been checked by now.
            let said = session.received_resumption_data();
            let said = said.and_then(|bytes| self.tickets.decode(bytes));
            session.set_resumption_data(&self.tickets.encode(&next(said)));
            is_dear = match session.handshake_kind() {
                Some(HandshakeKind::Resumed) => false,
                Some(HandshakeKind::FullWithHelloRetryRequest) => true,
                // In TLS 1.3 keys were exchanged already.
                _ => session.protocol_version() != Some(ProtocolVersion::TLSv1_3),
            };
        });
        Ok(Answered { accepting, is_dear })
    }
}

/// A handshake whose greeting was answered; ends with it.
pub(super) struct Answered {
    accepting: tokio_rustls::Accept<Metered>,
    is_dear: bool,
}

impl Answered {
    /// Whether what comes next has us compute with public keys.
    pub(super) fn is_dear(&self) -> bool {
        self.is_dear
    }

    /// Waits until there is something to go on with.
    pub(super) fn poll_stirs(&self, context: &mut Context<'_>) -> Poll<()> {
        self.accepting.get_ref().map_or(Poll::Ready(()), |socket| socket.poll_stirs(context))
    }
}

impl Future for Answered {
    type Output = io::Result<Shaken>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let stream = ready!(Pin::new(&mut self.accepting).poll(context))?;
        let session = stream.get_ref().1;
        let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
        let protocol = match session.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            Some(CHALLENGE_PROTOCOL) => Protocol::Challenge,
            _ => Protocol::Http1,
        };
        Poll::Ready(Ok(Shaken { stream, protocol, resumed }))
    }
}

/// A peer's greeting, whole and not answered yet.
pub(super) struct Greeted {
    socket: Metered,
    /// What came, from the first byte on.
    bytes: Vec<u8>,
    /// What kind of client it shows; none where only rustls can tell what is wrong with it.
    pub(super) fingerprint: Option<Fingerprint>,
    /// What a ticket in it says, and its number.
    pub(super) note: Option<(Note, Unspent)>,
}

impl Greeted {
    /// Reads a peer's first flight, and leaves all that costs more to later.
    ///
    /// # Errors
    /// When the peer leaves, speaks something else, or says more than a greeting needs.
    pub(super) async fn hear(mut socket: Metered, tickets: &Tickets) -> io::Result<Self> {
        let mut bytes = Vec::new();
        loop {
            let needed = match hello::message(&bytes) {
                Message::Needs(needed) => needed,
                Message::Whole(message) => {
                    let hello = Hello::read(&message);
                    let fingerprint = hello.as_ref().map(Hello::fingerprint);
                    let note = hello.and_then(|hello| tickets.read(hello.tickets()));
                    return Ok(Self { socket, bytes, fingerprint, note });
                }
                Message::Foreign => return Err(turn_away(socket, &bytes).await),
            };
            while bytes.len() < needed {
                read_some(&mut socket, &mut bytes).await?;
            }
        }
    }

    /// Whether its peer has left meanwhile: then nobody is there to be answered.
    pub(super) fn was_left(&self) -> bool {
        self.socket.was_left()
    }

    /// Says what is wrong with it.
    pub(super) async fn turn_away(self) -> io::Error {
        turn_away(self.socket, &self.bytes).await
    }
}

/// Hands bytes to rustls; none while it wants more of them.
fn accepted(mut bytes: &[u8]) -> Result<Option<Accepted>, AcceptedAlert> {
    let mut acceptor = rustls::server::Acceptor::default();
    while !bytes.is_empty() {
        if !matches!(acceptor.read_tls(&mut bytes), Ok(1..)) {
            return Ok(None);
        }
    }
    acceptor.accept().map_err(|(_, alert)| alert)
}

/// Says in the protocol's own words what is wrong with a greeting, where it has some for it.
async fn turn_away(mut socket: Metered, bytes: &[u8]) -> io::Error {
    let mut words = Vec::new();
    if let Err(mut alert) = accepted(bytes) {
        let _ = alert.write_all(&mut words);
    }
    // A peer that does not take a few bytes is not waited for: the watchman's bounds hold.
    let _ = socket.write_all(&words).await;
    io::ErrorKind::InvalidData.into()
}

/// Reads what has come. Space is taken only once there is something: most who say nothing never
/// will.
async fn read_some(socket: &mut Metered, bytes: &mut Vec<u8>) -> io::Result<()> {
    std::future::poll_fn(|context| {
        let mut space = [0; READ_BYTES];
        let mut buffer = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut *socket).poll_read(context, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        bytes.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(()))
    })
    .await
}
