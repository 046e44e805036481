//! Another server as the target: one that runs on loopback already, or one that the drill starts
//! for each run and ends after it. It keeps its data: a run meets what the one before left.

use anyhow::{Context as _, bail, ensure};
use drill::{Defence, LoopbackTarget, Scene, Setting, Stage, StageError, peer::Met, system};
use std::{
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Tokens of which one in so many is a bot's: an account that somebody took over.
const TAKEN_OF: usize = 10;

/// A peer.
pub(crate) struct Peer {
    target: LoopbackTarget,
    host: String,
    tokens: Vec<String>,
    authority: Option<Vec<u8>>,
    start: Option<String>,
    child: Option<Child>,
}

impl Peer {
    /// From the words of the command line: its address, a file with a token a line, the authority
    /// of its certificate, and the command that starts it.
    pub(crate) fn new(
        url: &str,
        tokens: &Path,
        authority: Option<&PathBuf>,
        start: Option<String>,
    ) -> anyhow::Result<Self> {
        let (is_secure, rest) = match url.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => bail!("--target {url:?} begins neither with http:// nor with https://"),
        };
        let host = rest.split('/').next().unwrap_or_default().to_owned();
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) => {
                (name, port.parse::<u16>().context("--target has no valid port")?)
            }
            None => (host.as_str(), if is_secure { 443 } else { 80 }),
        };
        let target = LoopbackTarget::resolve(name.trim_matches(['[', ']']), port)?;
        let text = std::fs::read_to_string(tokens)
            .with_context(|| format!("cannot read {}", tokens.display()))?;
        let tokens: Vec<String> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Into::into).collect();
        ensure!(!tokens.is_empty(), "--tokens names a file without a token: one a line, please");
        ensure!(
            is_secure == authority.is_some(),
            "--authority FILE is needed with https:// and with nothing else: the certificate that \
             vouches for the peer's own, which must be for `localhost`"
        );
        let authority = authority.map(|path| certificate(path)).transpose()?;
        Ok(Self { target, host, tokens, authority, start, child: None })
    }

    /// Whether it speaks TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.authority.is_some()
    }

    /// Whether the drill starts it, so that it can be confined.
    pub(crate) fn is_started(&self) -> bool {
        self.start.is_some()
    }

    fn begin(&mut self, setting: &Setting) -> anyhow::Result<Scene> {
        if let Some(start) = &self.start {
            let mut command = Command::new("/bin/sh");
            // The shell becomes the server, where the command is one program.
            command.args(["-c", &format!("exec {start}")]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
            system::confine(&mut command, setting.files);
            self.child = Some(command.spawn().context("cannot start the peer")?);
        }
        let Met { mut members, posts } =
            drill::peer::meet(self.target, self.authority.as_deref(), &self.host, &self.tokens)?;
        let port = self.target.address().port();
        let process = system::Process::listening_on(port)
            .context("no process of this machine listens there: a tunnel is no target")?;
        let taken = members.split_off(members.len() - members.len() / TAKEN_OF);
        Ok(Scene {
            target: self.target,
            authority: self.authority.clone(),
            host: self.host.clone(),
            process,
            members,
            taken,
            posts,
            visit_cookie: None,
            clearance_cookie: None,
            outside: None,
        })
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ended = child.kill();
            let _waited = child.wait();
        }
    }
}

/// The first certificate of a file in PEM.
fn certificate(path: &Path) -> anyhow::Result<Vec<u8>> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let found = CertificateDer::from_pem_file(path);
    let found = found.with_context(|| format!("{} holds no certificate", path.display()))?;
    Ok(found.to_vec())
}

impl Stage for Peer {
    fn raise(&mut self, setting: Setting) -> Result<Scene, StageError> {
        self.end();
        if setting.defence != Defence::Own {
            return Err(StageError("another server has the defence that it has".to_owned()));
        }
        self.begin(&setting).map_err(|error| StageError(format!("{error:#}")))
    }

    fn strike(&mut self) {
        self.end();
    }

    fn ceiling(&self, vector: &str, overload: f64, seed: u64) -> Option<[f64; 4]> {
        super::ceiling::of(vector, overload, seed)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end();
    }
}
