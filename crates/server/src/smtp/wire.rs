//! TLS from the first byte to a mail server, over a connection that the way out has opened: the
//! library for mail would open one of its own. Leaves STARTTLS, and all that is said, to it.

use crate::config::Config;
use anyhow::{Context as _, bail};
use lettre::transport::smtp::client::AsyncTokioStream;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Certificates of the host's own that vouch for the mail server, besides the public ones.
///
/// # Errors
/// When the file cannot be read or holds none.
pub(super) fn authorities(config: &Config) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let Some(path) = &config.mail.ca_file else { return Ok(Vec::new()) };
    let said = || format!("`mail.ca_file`: {}", path.display());
    let pem = std::fs::read(path).with_context(said)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => bail!("{}: it holds no certificate in PEM", said()),
        Err(error) => Err(error).with_context(said),
    }
}

/// Encrypts connections to one mail server.
pub(super) struct Encrypter {
    name: ServerName<'static>,
    connector: TlsConnector,
}

impl Encrypter {
    /// To this host, which must prove that it is.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub(super) fn new(host: &str, config: &Config) -> anyhow::Result<Self> {
        let name = ServerName::try_from(host.to_owned()).context("`mail.host`")?;
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for authority in authorities(config)? {
            roots.add(authority).context("`mail.ca_file`")?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { name, connector: TlsConnector::from(Arc::new(config)) })
    }

    /// The handshake.
    ///
    /// # Errors
    /// When the other side is not who it should be, or leaves.
    pub(super) async fn encrypt(&self, socket: TcpStream) -> io::Result<Encrypted> {
        let stream = self.connector.connect(self.name.clone(), socket).await;
        stream.map(Encrypted).map_err(|error| io::Error::other(format!("tls error: {error}")))
    }
}

/// An encrypted connection, as the library for mail takes one.
#[derive(Debug)]
pub(super) struct Encrypted(TlsStream<TcpStream>);

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
