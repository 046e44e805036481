//! A mail server for tests, on a free port of this machine: it speaks SMTP (RFC 5321) with STARTTLS
//! or TLS from the beginning, keeps what it takes, and can be as unkind as servers are.

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

/// How long a mail may take to arrive: longer than the first wait before another attempt.
const PATIENCE: Duration = Duration::from_secs(40);

/// How the server is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    /// Takes everything.
    Kind,
    /// Refuses the recipient with this answer.
    Refuses(&'static str),
    /// Says nothing at all.
    Silent,
    /// Hangs up in the middle of a letter, before it is taken.
    Cuts,
    /// Takes a letter and hangs up before it says so.
    Forgets,
    /// Knows no password.
    Locked,
    /// Offers no STARTTLS.
    Open,
}

/// How it is encrypted.
#[expect(clippy::enum_variant_names, reason = "STARTTLS is called that")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tls {
    None,
    StartTls,
    Implicit,
}

/// A letter that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    pub from: String,
    pub to: Vec<String>,
    pub head: String,
    pub body: String,
    pub user: Option<String>,
    pub is_encrypted: bool,
}

impl Taken {
    /// A header's value; folded lines are joined.
    pub fn header(&self, name: &str) -> Option<String> {
        let unfolded = self.head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let start = format!("{}:", name.to_lowercase());
        let mut found =
            unfolded.lines().filter(|line| line.to_lowercase().starts_with(start.as_str()));
        let value = found.next().map(|line| line[start.len()..].trim().to_owned());
        assert!(found.next().is_none(), "{name} comes twice:\n{}", self.head);
        value
    }

    /// What the link in it leads to on its server: path and query.
    pub fn link(&self) -> String {
        let at = self.body.find("token=").expect("a link");
        let line = self.body[..at].rfind("https://").expect("an address");
        let address = self.body[line..].lines().next().expect("a line");
        let path = address.splitn(4, '/').nth(3).expect("a path");
        format!("/{path}")
    }

    /// What the link in it carries.
    pub fn token(&self) -> String {
        self.link().split_once("token=").expect("a token").1.to_owned()
    }
}

struct State {
    mood: Mutex<Mood>,
    taken: Mutex<Vec<Taken>>,
    /// Conversations that were begun, and letters that were begun in them.
    begun: Mutex<(usize, usize)>,
    /// Who called, once each, and how the last introduced itself.
    callers: Mutex<(BTreeSet<IpAddr>, String)>,
    news: Condvar,
    tls: Tls,
    config: Arc<ServerConfig>,
}

/// A running mail server. It ends with the process.
pub struct Sink {
    state: Arc<State>,
    address: SocketAddr,
    /// The certificate of its authority, in PEM.
    pub authority: String,
}

impl Sink {
    /// Started.
    pub fn new(tls: Tls) -> Self {
        let names = ["localhost", "mail.example"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).expect("made");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            mood: Mutex::new(Mood::Kind),
            taken: Mutex::default(),
            begun: Mutex::default(),
            callers: Mutex::default(),
            news: Condvar::new(),
            tls,
            config: Arc::new(config),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || {
                    if let Ok(peer) = socket.peer_addr() {
                        state.callers.lock().expect("callers").0.insert(peer.ip());
                    }
                    state.begun.lock().expect("begun").0 += 1;
                    state.news.notify_all();
                    // A client that leaves is no failure of the server's.
                    let _ = Talk::new(socket, &state).and_then(|talk| talk.hold(&state));
                });
            }
        });
        Self { state, address, authority: made.cert.pem() }
    }

    /// The section of a configuration that sends mail here. The authority is in this file.
    pub fn section(&self, authority: &std::path::Path, more: &str) -> String {
        std::fs::write(authority, &self.authority).expect("written");
        let tls = match self.state.tls {
            Tls::None => "none",
            Tls::StartTls => "starttls",
            Tls::Implicit => "implicit",
        };
        let ca = match self.state.tls {
            Tls::None => String::new(),
            _ => format!("ca_file = {:?}\n", authority.display().to_string()),
        };
        format!(
            "[mail]\nhost = \"localhost\"\nport = {}\ntls = \"{tls}\"\n{ca}\
             from = \"no-reply@social.example\"\n{more}",
            self.address.port()
        )
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The addresses that called until now.
    pub fn peers(&self) -> Vec<IpAddr> {
        self.state.callers.lock().expect("callers").0.iter().copied().collect()
    }

    /// How the last of them introduced itself.
    pub fn hello(&self) -> String {
        self.state.callers.lock().expect("callers").1.clone()
    }

    /// From now on like this.
    pub fn set(&self, mood: Mood) {
        *self.state.mood.lock().expect("mood") = mood;
    }

    /// The first so many letters, once they are there.
    pub fn letters(&self, count: usize) -> Vec<Taken> {
        let until = Instant::now() + PATIENCE;
        let mut taken = self.state.taken.lock().expect("letters");
        while taken.len() < count {
            let left = until.checked_duration_since(Instant::now());
            let left = left.unwrap_or_else(|| panic!("{} of {count} letters came", taken.len()));
            taken = self.state.news.wait_timeout(taken, left).expect("letters").0;
        }
        taken.clone()
    }

    /// How many letters were taken until now.
    pub fn count(&self) -> usize {
        self.state.taken.lock().expect("letters").len()
    }

    /// Waits until so many conversations, and letters in them, were begun.
    pub fn wait_begun(&self, conversations: usize, letters: usize) {
        let until = Instant::now() + PATIENCE;
        let mut begun = self.state.begun.lock().expect("begun");
        while begun.0 < conversations || begun.1 < letters {
            let left = until.checked_duration_since(Instant::now());
            let left = left.unwrap_or_else(|| panic!("begun: {begun:?}"));
            begun = self.state.news.wait_timeout(begun, left).expect("begun").0;
        }
    }
}

trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// One conversation.
struct Talk {
    wire: BufReader<Box<dyn Wire>>,
    /// The same socket, for who begins TLS in the middle.
    socket: TcpStream,
    is_encrypted: bool,
}

impl Talk {
    fn new(socket: TcpStream, state: &State) -> std::io::Result<Self> {
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut talk = Self {
            wire: BufReader::new(Box::new(socket.try_clone()?)),
            socket,
            is_encrypted: false,
        };
        if state.tls == Tls::Implicit {
            talk.encrypt(state)?;
        }
        Ok(talk)
    }

    fn encrypt(&mut self, state: &State) -> std::io::Result<()> {
        let session = ServerConnection::new(Arc::clone(&state.config)).expect("a session");
        let stream = StreamOwned::new(session, self.socket.try_clone()?);
        self.wire = BufReader::new(Box::new(stream));
        self.is_encrypted = true;
        Ok(())
    }

    fn say(&mut self, line: &str) -> std::io::Result<()> {
        let wire = self.wire.get_mut();
        wire.write_all(format!("{line}\r\n").as_bytes())?;
        wire.flush()
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.wire.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Lines until the dot that ends them, with the dots undone that were added (RFC 5321, 4.5.2).
    fn letter(&mut self) -> std::io::Result<(String, String)> {
        let mut text = String::new();
        loop {
            let line = self.line()?;
            if line == "." {
                break;
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push_str("\r\n");
        }
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        Ok((format!("{head}\r\n"), body.replace("\r\n", "\n")))
    }

    fn mood(state: &State) -> Mood {
        *state.mood.lock().expect("mood")
    }

    fn hold(mut self, state: &State) -> std::io::Result<()> {
        if Self::mood(state) == Mood::Silent {
            // Until the client gives up.
            let _ = self.line();
            return Ok(());
        }
        self.say("220 sink.example ESMTP")?;
        let (mut from, mut to, mut user) = (String::new(), Vec::new(), None);
        loop {
            let line = self.line()?;
            let word = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
            match word.as_str() {
                "EHLO" => {
                    state.callers.lock().expect("callers").1 = line.clone();
                    self.greet(state)?;
                }
                "STARTTLS" => {
                    self.say("220 go ahead")?;
                    self.encrypt(state)?;
                }
                "AUTH" if Self::mood(state) == Mood::Locked => self.say("535 5.7.8 no")?,
                "AUTH" => {
                    user = line.split(' ').nth(2).map(str::to_owned);
                    self.say("235 2.7.0 welcome")?;
                }
                "MAIL" => {
                    from = line.clone();
                    self.say("250 2.1.0 ok")?;
                }
                "RCPT" => match Self::mood(state) {
                    Mood::Refuses(answer) => self.say(answer)?,
                    _ => {
                        to.push(line.clone());
                        self.say("250 2.1.5 ok")?;
                    }
                },
                "DATA" => {
                    self.say("354 go on")?;
                    state.begun.lock().expect("begun").1 += 1;
                    state.news.notify_all();
                    if Self::mood(state) == Mood::Cuts {
                        let _ = self.line()?;
                        return Ok(());
                    }
                    let (head, body) = self.letter()?;
                    let (from, to) = (std::mem::take(&mut from), std::mem::take(&mut to));
                    let (user, is_encrypted) = (user.clone(), self.is_encrypted);
                    // Before anybody hears of the letter, and may change the mood.
                    let forgets = Self::mood(state) == Mood::Forgets;
                    let taken = Taken { from, to, head, body, user, is_encrypted };
                    state.taken.lock().expect("letters").push(taken);
                    state.news.notify_all();
                    if forgets {
                        return Ok(());
                    }
                    self.say("250 2.0.0 taken")?;
                }
                "NOOP" => self.say("250 2.0.0 ok")?,
                "QUIT" => return self.say("221 2.0.0 bye"),
                _ => self.say("502 5.5.1 what?")?,
            }
        }
    }

    fn greet(&mut self, state: &State) -> std::io::Result<()> {
        self.say("250-sink.example")?;
        self.say("250-8BITMIME")?;
        self.say("250-SMTPUTF8")?;
        let offers = state.tls == Tls::StartTls && !self.is_encrypted;
        if offers && Self::mood(state) != Mood::Open {
            self.say("250-STARTTLS")?;
        }
        self.say("250 AUTH PLAIN LOGIN")
    }
}
