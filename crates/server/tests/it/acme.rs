//! Certificates that the server gets by itself, from a real authority: Debian's pebble, which Let's
//! Encrypt keeps for tests, beside its own name server. Ordered, kept, renewed under an open
//! connection, refused, and asked for where nobody answers.

use crate::egress::Proxy;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Instant,
};
use tempfile::TempDir;
use testkit::PATIENCE;

/// The name that certificates here are for; the authority's name server leads it to this machine.
const NAME: &str = "fulmar.example.org";
const DAYS_90_S: u64 = 90 * 86_400;

/// A process; ended with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Looks until there is something, and says what there was not.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE * 2;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: never");
        std::thread::yield_now();
    }
}

/// Ports that were free a moment ago; were one taken meanwhile, its program would refuse to start.
fn free<const N: usize>() -> [SocketAddr; N] {
    let sockets = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    sockets.map(|socket| socket.local_addr().expect("its address"))
}

/// An authority with its name server.
struct Authority {
    folder: TempDir,
    directory: SocketAddr,
    management: SocketAddr,
    programs: Vec<Running>,
}

impl Authority {
    /// It looks for servers at these addresses and gives certificates for so many seconds.
    fn start(handshake: SocketAddr, fetch: SocketAddr, valid_s: u64) -> Self {
        let folder = TempDir::new().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("made");
        fs::write(at("own.pem"), made.cert.pem()).expect("written");
        fs::write(at("own-key.pem"), made.signing_key.serialize_pem()).expect("written");
        let [directory, management, names, orders] = free();
        let config = serde_json::json!({ "pebble": {
            "listenAddress": directory.to_string(),
            "managementListenAddress": management.to_string(),
            "certificate": at("own.pem"),
            "privateKey": at("own-key.pem"),
            "httpPort": fetch.port(),
            "tlsPort": handshake.port(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": valid_s,
        }});
        fs::write(at("pebble.json"), config.to_string()).expect("written");
        let mut resolver = Command::new("pebble-challtestsrv");
        resolver.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01"]);
        resolver.arg(names.to_string()).arg("-management").arg(orders.to_string());
        resolver.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        let resolver = spawn(resolver);
        let mut pebble = Command::new("pebble");
        pebble.arg("-config").arg(at("pebble.json")).arg("-dnsserver").arg(names.to_string());
        // Without the rests by which it teaches patience; nothing here is patient about tests.
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0");
        let pebble = spawn(pebble);
        for address in [names, directory, management] {
            until("the authority", || TcpStream::connect(address).ok());
        }
        Self { folder, directory, management, programs: vec![resolver, pebble] }
    }

    fn own_certificate(&self) -> PathBuf {
        self.folder.path().join("own.pem")
    }

    /// What its certificates are to be verified against: made anew at its every start.
    fn root(&self) -> CertificateDer<'static> {
        let own = CertificateDer::from_pem_file(self.own_certificate()).expect("PEM");
        let mut stream = connect(self.management, "127.0.0.1", Some(&own)).expect("connected");
        let asked = b"GET /roots/0 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(asked).expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        CertificateDer::from_pem_slice(&answer).expect("a root")
    }
}

/// Starts a program of the package `pebble`.
fn spawn(mut command: Command) -> Running {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; `cargo xtask test` installs it (apt install pebble)")
    }))
}

/// Accepts whatever stands in for a certificate.
#[derive(Debug)]
struct Anything(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A connection that trusts this root alone, or anybody.
fn connect(
    to: SocketAddr,
    name: &str,
    trusted: Option<&CertificateDer<'static>>,
) -> std::io::Result<Stream> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let config = match trusted {
        Some(root) => {
            let mut roots = RootCertStore::empty();
            roots.add(root.clone()).expect("a root");
            config.with_root_certificates(roots).with_no_client_auth()
        }
        None => {
            let config = config.dangerous();
            config
                .with_custom_certificate_verifier(Arc::new(Anything(provider)))
                .with_no_client_auth()
        }
    };
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut session = ClientConnection::new(Arc::new(config), name).expect("a session");
    let mut socket = TcpStream::connect(to)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(session, socket))
}

/// The status of an answer on this connection, which stays open.
fn health(stream: &mut Stream) -> u16 {
    let asked = format!("GET /health HTTP/1.1\r\nhost: {NAME}\r\n\r\n");
    stream.write_all(asked.as_bytes()).expect("sent");
    let mut reader = BufReader::new(stream);
    let (mut head, mut line) = (String::new(), String::new());
    while reader.read_line(&mut line).expect("answered") > 2 {
        head.push_str(&std::mem::take(&mut line));
    }
    let length = head.to_ascii_lowercase();
    let length = length.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let mut body = vec![0; length.expect("a length").trim().parse().expect("a number")];
    reader.read_exact(&mut body).expect("a body");
    head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status")
}

/// The server's certificate on this connection.
fn leaf(stream: &Stream) -> Vec<u8> {
    stream.conn.peer_certificates().expect("certificates")[0].to_vec()
}

/// A server that gets its certificate by itself.
struct Server {
    folder: TempDir,
    address: SocketAddr,
    running: Option<Running>,
}

impl Server {
    fn new(address: SocketAddr, directory: SocketAddr, root: &Path, more: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let root = root.display().to_string();
        let text = format!(
            "[server]\ndomain = \"{NAME}\"\nlisten = \"{address}\"\n[metrics]\nlisten = \
             \"127.0.0.1:0\"\n[tls]\nacme = true\nacme_terms_accepted = true\nacme_contact = \
             \"owner@example.org\"\nacme_directory = \"https://{directory}/dir\"\nacme_ca_file = \
             {root:?}\n{more}"
        );
        fs::write(folder.path().join("fulmar.toml"), text).expect("written");
        let mut server = Self { folder, address, running: None };
        server.start();
        server
    }

    fn command(&self, word: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fulmar"));
        command.arg(word).arg("--config").arg(self.folder.path().join("fulmar.toml"));
        command.arg("--data").arg(self.data()).env_remove("RUST_LOG");
        command
    }

    fn start(&mut self) {
        self.running = None;
        let log = fs::File::create(self.folder.path().join("log")).expect("a log");
        let mut command = self.command("serve");
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("starts");
        let out = child.stdout.take().expect("standard output");
        self.running = Some(Running(child));
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("a line");
        assert!(line.starts_with("ready https://"), "{line}{}", self.log());
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).expect("read")
    }

    /// Waits until its log has this.
    fn logged(&self, what: &str) -> String {
        until(&format!("a line with {what:?}"), || Some(self.log()).filter(|l| l.contains(what)))
    }

    /// A connection, once its certificate is one that this root vouches for.
    fn trusted(&self, root: &CertificateDer<'static>) -> Stream {
        until("a certificate", || connect(self.address, NAME, Some(root)).ok())
    }

    /// What the doctor says of one thing.
    fn doctor(&self, check: &str) -> String {
        let out = self.command("doctor").arg("--json").output().expect("runs").stdout;
        let all: Value = serde_json::from_slice(&out).expect("JSON");
        let all = all.as_array().expect("findings").iter();
        let found = all.filter(|finding| finding["check"] == check).map(Value::to_string);
        found.collect::<Vec<_>>().join("\n")
    }

    /// The figure of this name.
    fn figure(&self, name: &str) -> Option<f64> {
        let log = self.logged("metrics are served");
        let address = log.split("metrics are served address=").nth(1).expect("an address");
        let address = address.lines().next().expect("one").trim().parse().expect("an address");
        let text = crate::service::get(address, "/metrics").body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.parse().ok()
    }

    fn hang_up(&self) {
        let pid = self.running.as_ref().expect("runs").0.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().expect("runs").success());
    }

    fn history(&self) -> Value {
        let text = fs::read(self.data().join("acme-history.json")).expect("kept");
        serde_json::from_slice(&text).expect("JSON")
    }
}

#[test]
fn the_authority_is_called_through_the_proxy_where_there_is_one() {
    let [address, nowhere] = free();
    let authority = Authority::start(address, nowhere, DAYS_90_S);
    let root = authority.root();
    let proxy = Proxy::start();
    let egress = format!("[egress]\nproxy = \"http://{}\"\ndirect = []\n", proxy.address);
    let own = authority.own_certificate();
    let server = Server::new(address, authority.directory, &own, &egress);
    assert_eq!(health(&mut server.trusted(&root)), 200);
    assert_eq!(proxy.asked(), [authority.directory.to_string()]);
}

#[test]
fn a_certificate_is_ordered_kept_and_served_again_after_a_restart() {
    let [address, nowhere] = free();
    let mut authority = Authority::start(address, nowhere, DAYS_90_S);
    let root = authority.root();
    let own = authority.own_certificate();
    let mut server = Server::new(address, authority.directory, &own, "");
    let mut stream = server.trusted(&root);
    assert_eq!(health(&mut stream), 200);
    server.logged("a new certificate is in force");
    for file in ["certificate.key", "acme-account.key", "acme-history.json"] {
        let mode = fs::metadata(server.data().join(file)).expect(file).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let said = server.doctor("certificate");
    assert!(said.contains("\"good\"") && said.contains("89 days left"), "{said}");
    assert_eq!(server.doctor("acme"), "");
    assert_eq!(server.figure("fulmar_certificate_failures"), Some(0.0));
    let ends_s = server.figure("fulmar_certificate_ends_timestamp_seconds").expect("shown");
    let facts = x509_cert::der::Decode::from_der(&leaf(&stream));
    let facts: x509_cert::Certificate = facts.expect("a certificate");
    let validity = facts.tbs_certificate.validity;
    assert_eq!(ends_s, validity.not_after.to_unix_duration().as_secs_f64());

    let first = leaf(&stream);
    authority.programs.clear();
    server.start();
    let mut stream = connect(address, NAME, Some(&root)).expect("trusted at once");
    assert_eq!((leaf(&stream) == first, health(&mut stream)), (true, 200));
    // What makes it somebody else's is noticed: the old one stays in force meanwhile.
    let config = server.folder.path().join("fulmar.toml");
    let text = fs::read_to_string(&config).expect("read");
    fs::write(
        &config,
        text.replace("acme_contact", "acme_domains = [\"b.example\"]\nacme_contact"),
    )
    .expect("written");
    let said = server.doctor("certificate");
    assert!(said.contains("not for b.example"), "{said}");
}

#[test]
fn a_certificate_is_renewed_and_no_connection_notices() {
    let [address, nowhere] = free();
    // So short that two thirds of it pass while one looks.
    let authority = Authority::start(address, nowhere, 12);
    let root = authority.root();
    let own = authority.own_certificate();
    let server = Server::new(address, authority.directory, &own, "");
    let mut before = server.trusted(&root);
    assert_eq!(health(&mut before), 200);
    let first = leaf(&before);
    until("another certificate", || {
        let stream = connect(address, NAME, Some(&root)).ok()?;
        Some(leaf(&stream)).filter(|second| *second != first)
    });
    assert_eq!(health(&mut before), 200, "the connection of before goes on");
    until("that it is kept", || {
        let kept = fs::read(server.data().join("certificate.key")).expect("kept");
        let kept = CertificateDer::from_pem_slice(&kept).expect("PEM");
        Some(()).filter(|()| *kept != *first)
    });
    until("that all is well", || Some(()).filter(|()| server.history()["failures"] == 0));
}

#[test]
fn where_one_way_is_refused_the_reason_is_said_and_the_other_is_tried() {
    let [address, plain, nowhere] = free();
    // The authority finds nobody on the port of handshakes.
    let authority = Authority::start(nowhere, plain, DAYS_90_S);
    let root = authority.root();
    let own = authority.own_certificate();
    let more = format!("redirect_listen = \"{plain}\"\n");
    let server = Server::new(address, authority.directory, &own, &more);
    let log = server.logged("no certificate was given");
    assert!(log.contains("one that nobody vouches for stands in"), "{log}");
    assert!(log.contains(NAME) && log.contains("port 443"), "{log}");
    let mut stream = connect(address, NAME, None).expect("it serves with the stand-in");
    assert_eq!(health(&mut stream), 200);
    let said = server.doctor("acme");
    assert!(said.contains("\"wrong\"") && said.contains("port 443"), "{said}");
    assert!(said.contains("failures since the last: 1"), "{said}");
    assert_eq!(server.figure("fulmar_certificate_failures"), Some(1.0));
    assert_eq!(server.history()["way"], "fetch");
    // Mended, or thought to be: whoever runs this place does not wait for the rest to end.
    server.hang_up();
    let mut stream = server.trusted(&root);
    assert_eq!(health(&mut stream), 200);
    server.logged("a new certificate is in force");
    let said = (server.doctor("acme"), server.doctor("certificate"));
    assert!(said.0.is_empty() && said.1.contains("89 days left"), "{said:?}");
    // What validated is gone; everything else goes where it always went.
    let moved = crate::service::get(plain, "/.well-known/acme-challenge/guessed");
    assert_eq!(moved.status(), 308);
}

#[test]
fn a_directory_that_is_away_keeps_nobody_from_being_served_and_is_not_hammered() {
    let [address, nowhere] = free();
    let folder = TempDir::new().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let root = folder.path().join("root.pem");
    fs::write(&root, made.cert.pem()).expect("written");
    let mut server = Server::new(address, nowhere, &root, "");
    server.logged("no certificate was given");
    let mut stream = connect(address, NAME, None).expect("served");
    assert_eq!(health(&mut stream), 200);
    let said = server.doctor("acme");
    assert!(said.contains("can this machine reach tls.acme_directory"), "{said}");
    let tried = server.history();
    assert_eq!(tried["failures"], 1);
    // A restart is no reason to ask again before the rest is over; a signal is, four times an hour.
    server.start();
    assert_eq!(health(&mut connect(address, NAME, None).expect("served")), 200);
    assert_eq!(server.history(), tried);
    for attempt in 2..=4 {
        server.hang_up();
        until("an attempt", || Some(()).filter(|()| server.history()["failures"] == attempt));
        // It has ended when that was said.
        until("its end", || Some(()).filter(|()| failures_said(&server.log()) + 1 == attempt));
    }
    server.hang_up();
    server.logged("the directory is left alone until then");
    assert_eq!(server.history()["failures"], 4);
}

fn failures_said(log: &str) -> usize {
    log.matches("no certificate was given").count()
}
