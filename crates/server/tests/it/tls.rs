//! TLS from the host's own files: served, replaced on SIGHUP, kept when the new ones are no good,
//! and everybody who comes without it sent there.

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

/// A server with TLS; ended with its test.
struct Secure {
    child: Child,
    address: SocketAddr,
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a new certificate and its key, and answers the certificate.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    std::fs::write(folder.join("chain.pem"), made.cert.pem()).expect("written");
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("written");
    CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).expect("PEM")
}

fn command(folder: &Path, more: &str) -> Command {
    let config = folder.join("fulmar.toml");
    let at = |name: &str| folder.join(name).display().to_string();
    let (chain, key) = (at("chain.pem"), at("key.pem"));
    let text = format!("[tls]\ncertificate = {chain:?}\nkey = {key:?}\n{more}");
    std::fs::write(&config, text).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fulmar"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(config);
    command.arg("--data").arg(folder.join("data")).stderr(Stdio::null());
    command
}

fn start(folder: &Path, more: &str) -> Secure {
    let mut child = command(folder, more).stdout(Stdio::piped()).spawn().expect("starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("standard output");
    BufReader::new(out).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("ready https://").expect("ready").parse();
    Secure { child, address: address.expect("an address") }
}

/// The head of the answer to a request over TLS, for who trusts only this certificate.
fn ask(to: SocketAddr, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let session = rustls::ClientConnection::new(Arc::new(config), name).expect("a session");
    let socket = TcpStream::connect(to)?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut stream = rustls::StreamOwned::new(session, socket);
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn hang_up(server: &Secure) {
    let told = Command::new("kill").args(["-HUP", &server.child.id().to_string()]).status();
    assert!(told.expect("runs").success());
}

#[test]
fn a_certificate_is_served_and_replaced_while_serving() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = certify(folder.path());
    let server = start(folder.path(), "");
    let answer = ask(server.address, &first).expect("served");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
    let second = certify(folder.path());
    hang_up(&server);
    let deadline = Instant::now() + Duration::from_secs(20);
    while ask(server.address, &second).is_err() {
        assert!(Instant::now() < deadline, "the new certificate is never served");
    }
    assert!(ask(server.address, &first).is_err(), "the first is out of force");
}

#[test]
fn files_that_cannot_be_used_are_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path());
    std::fs::write(folder.path().join("key.pem"), "no key").expect("written");
    let out = command(folder.path(), "").stderr(Stdio::piped()).output().expect("runs");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && said.contains("cannot be used"), "{said}");
}

#[test]
fn who_comes_without_tls_is_sent_there_and_gets_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path());
    // Free a moment ago; were it taken meanwhile, the server would refuse to start.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let plain = free.expect("a free port");
    let more = format!("redirect_listen = \"{plain}\"\n[server]\ndomain = \"example.org\"\n");
    let _server = start(folder.path(), &more);
    let mut socket = TcpStream::connect(plain).expect("connected");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
    let asked = b"GET /@ann?page=2 HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    socket.write_all(asked).expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
    assert!(answer.contains("location: https://example.org/@ann?page=2\r\n"), "{answer}");
    assert!(!answer.contains("strict-transport-security"), "{answer}");
}
