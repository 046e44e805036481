//! A server of the test's own: TLS on a free port of loopback, and an answer for each request by a
//! function of its path. It ends with its value.

use std::{net::SocketAddr, sync::Arc, thread};

use drill::{LoopbackTarget, Member, Post, Scene, Setting, Stage, StageError, system::Process};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_rustls::TlsAcceptor;

/// What is answered to a request's first line; none leaves it without an answer.
pub type Answer = fn(&str) -> Option<String>;

pub struct Toy {
    scene: Scene,
    /// Ends the server when it is dropped.
    _end: oneshot::Sender<()>,
}

impl Stage for Toy {
    fn raise(&mut self, _setting: Setting) -> Result<Scene, StageError> {
        Ok(self.scene.clone())
    }
    fn strike(&mut self) {}
}

/// An answer of this status with this body.
pub fn said(status: u16, body: &str) -> Option<String> {
    let length = body.len();
    Some(format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n{body}"))
}

impl Toy {
    pub fn serving(answer: Answer) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        let certificate = made.cert.der().to_vec();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a certificate");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (end, ended) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel::<SocketAddr>();
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("one");
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                tell.send(listener.local_addr().expect("an address")).expect("told");
                let serve = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(one(acceptor.clone(), stream, answer));
                    }
                };
                tokio::select! { () = serve => {}, _ = ended => {} }
            });
        });
        let address = told.recv().expect("an address");
        let member = |name: &str| Member { name: name.to_owned(), token: "t".repeat(40) };
        let scene = Scene {
            target: LoopbackTarget::at(address).expect("loopback"),
            authority: Some(certificate),
            host: format!("localhost:{}", address.port()),
            process: Process::new(std::process::id()),
            members: ["ann", "bo", "cy"].map(member).to_vec(),
            taken: vec![member("dee")],
            posts: vec![Post { author: "ann".to_owned(), id: "1".to_owned() }],
            visit_cookie: None,
            clearance_cookie: None,
            outside: None,
        };
        Self { scene, _end: end }
    }
}

async fn one(acceptor: TlsAcceptor, stream: TcpStream, answer: Answer) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut ahead = Vec::new();
    loop {
        while let Some(end) = ahead.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = ahead.drain(..end + 4).collect();
            let head = String::from_utf8_lossy(&head).into_owned();
            let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next());
            let mut body: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
            while body > 0 {
                if ahead.is_empty() && stream.read_buf(&mut ahead).await.unwrap_or(0) == 0 {
                    return;
                }
                let taken = body.min(ahead.len());
                ahead.drain(..taken);
                body -= taken;
            }
            let line = head.lines().next().unwrap_or_default();
            let Some(said) = answer(line) else { continue };
            if stream.write_all(said.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
        if stream.read_buf(&mut ahead).await.unwrap_or(0) == 0 {
            return;
        }
    }
}
