//! The scratch instance: this very program, started as a host starts it, on data of its own and a
//! free port, with a certificate of an authority that lives as long as the drill. One folder holds
//! all of it, and goes when the drill ends. One that a killed drill left goes when the next begins.

use super::{
    ceiling,
    community::{self, Community, JOINED_DAYS},
    passes,
};
use crate::{Place, config, demo::ScriptClock, open, shielding, world::WallClock};
use anyhow::Context as _;
use drill::{
    Defence, LoopbackTarget, Outside, Plan, Scene, Setting, Stage, StageError, Stop, system,
};
use httpkit::Sealer;
use model::ports::Clock as _;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr},
    os::unix::{fs::DirBuilderExt as _, fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    time::Duration,
};

/// Time that the instance may take until it is ready.
const READY: Duration = Duration::from_secs(60);

/// Between two looks at whether it has ended.
const LOOK: Duration = Duration::from_millis(50);
/// Days by which the recorded peace is dated back.
const PEACE_DAYS: u64 = 2;

/// Makes scratch instances.
pub(crate) struct Scratch {
    folder: PathBuf,
    authority: Vec<u8>,
    community: Community,
    /// The template's, with which cookies are made.
    sealer: Option<Arc<Sealer>>,
    made: u32,
    child: Option<Child>,
}

impl Scratch {
    /// Makes the folder, the certificate, and the community that every instance begins with.
    pub(crate) async fn make(seed: u64) -> anyhow::Result<Self> {
        let name = format!("fulmar-drill-{}-{seed}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        sweep(&folder)?;
        // From here on dropping it removes the folder.
        let mut scratch = Self {
            folder,
            authority: Vec::new(),
            community: Community::default(),
            sealer: None,
            made: 0,
            child: None,
        };
        scratch.authority = certify(&scratch.folder).context("cannot make a certificate")?;
        let config = scratch.configure(Defence::Shield, false, None)?;
        let place = Place { data: scratch.template(), config: Some(config) };
        let now = WallClock.now();
        let clock = Arc::new(ScriptClock::at(now.plus_ms(-JOINED_DAYS * 86_400_000)));
        let instance =
            open::open_at(&place, &config::load(&place)?, Arc::clone(&clock) as _).await?;
        let password = instance.social.secret();
        scratch.community = community::fill(&instance, &clock, now, &password).await?;
        scratch.sealer = Some(Arc::clone(&instance.sealer));
        drop(instance);
        Ok(scratch)
    }

    /// Lets the template live in peace for a while, so that its shield knows what people there look
    /// like, and dates that back: every instance begins as one that was there for days. Bots that
    /// want to be known come in a peace of their own, which only their instance remembers.
    pub(crate) async fn record(
        &mut self,
        plan: &Plan,
        seed: u64,
        with_bots: bool,
    ) -> anyhow::Result<()> {
        self.live(plan, seed, false).await?;
        if with_bots {
            let (learnt, people) = (self.learnt(), self.folder.join("people.state"));
            fs::copy(&learnt, &people)?;
            self.live(plan, seed, true).await?;
            fs::copy(&learnt, self.with_bots())?;
            fs::copy(&people, &learnt)?;
        }
        Ok(())
    }

    /// What the template's shield has learnt.
    fn learnt(&self) -> PathBuf {
        self.template().join(shielding::STATE)
    }

    /// The same, where bots came as well.
    fn with_bots(&self) -> PathBuf {
        self.folder.join("bots.state")
    }

    async fn live(&mut self, plan: &Plan, seed: u64, with_bots: bool) -> anyhow::Result<()> {
        let defence = Defence::Shield;
        let (room, has_proxies, has_outside) = (None, false, false);
        let knows_bots = with_bots;
        let setting = Setting { files: None, defence, room, has_proxies, has_outside, knows_bots };
        let scene = self.begin(&setting, &self.template())?;
        let (process, plan) = (scene.process, *plan);
        let lived = move || drill::peace(&scene, &plan, seed, with_bots, &Stop::default());
        tokio::task::spawn_blocking(lived).await??;
        process.ask_to_end();
        let ended = async {
            while let Some(child) = self.child.as_mut()
                && child.try_wait()?.is_none()
            {
                tokio::time::sleep(LOOK).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(READY, ended).await.context("the instance does not end")??;
        self.child = None;
        shielding::backdate(&self.template(), PEACE_DAYS).context("peace was not recorded")
    }

    /// Writes the configuration of an instance; where it stands.
    fn configure(
        &self,
        defence: Defence,
        has_proxies: bool,
        outside: Option<&Outside>,
    ) -> anyhow::Result<PathBuf> {
        let mut lines = "[server]\ntitle = \"Drill\"\n".to_owned();
        if outside.is_some() {
            // Links in letters lead there.
            lines.push_str("domain = \"drill.example\"\n");
        }
        if has_proxies {
            // Without a defence there is no rule about who may come round the proxies either.
            let direct = if defence == Defence::None { "\"127.0.0.0/8\"" } else { "" };
            lines.push_str(&format!(
                "trusted_proxies = [{:?}]\nproxy_protocol = \"required\"\n\
                 direct_networks = [{direct}]\n",
                drill::atlas::PROXIES
            ));
        }
        // What a host with open sign-up would write, with mail or without.
        let confirm = outside.is_some();
        lines.push_str(&format!("[signup]\nopen = true\nconfirm = {confirm}\n"));
        lines.push_str("[log]\nlevel = \"error\"\n");
        if let Some(outside) = outside {
            lines.push_str(&sends_through(outside, defence));
        }
        lines.push_str(match defence {
            Defence::Shield => "",
            Defence::Limiter => "[shield]\nmode = \"limiter\"\n",
            Defence::None | Defence::Own => "[shield]\nmode = \"off\"\n",
        });
        lines.push_str(&format!(
            "[tls]\ncertificate = {:?}\nkey = {:?}\nstrict_days = 0\n",
            self.folder.join("chain.pem"),
            self.folder.join("key.pem")
        ));
        let path = self.folder.join("fulmar.toml");
        fs::write(&path, lines)?;
        Ok(path)
    }

    fn template(&self) -> PathBuf {
        self.folder.join("template")
    }

    fn start(&mut self, setting: &Setting) -> anyhow::Result<Scene> {
        self.made += 1;
        let data = self.folder.join(format!("data-{}", self.made));
        copy(&self.template(), &data).context("cannot copy the community")?;
        if setting.knows_bots {
            fs::copy(self.with_bots(), data.join(shielding::STATE))?;
        }
        self.begin(setting, &data)
    }

    /// Starts the instance whose data lie somewhere.
    fn begin(&mut self, setting: &Setting, data: &Path) -> anyhow::Result<Scene> {
        let outside =
            setting.has_outside.then(|| Outside::open(Ipv4Addr::LOCALHOST)).transpose()?;
        let config = self.configure(setting.defence, setting.has_proxies, outside.as_ref())?;
        let mut command = Command::new(std::env::current_exe()?);
        // In a room of its own the server listens for IPv6 too; nobody else can reach that.
        let listen = if setting.room.is_some() { "[::]:0" } else { "127.0.0.1:0" };
        command.args(["serve", "--listen", listen, "--data"]).arg(data);
        command.arg("--config").arg(config);
        // What is set for the host's own instance is not meant for this one.
        command.env_remove("FULMAR_DATA").env_remove("FULMAR_CONFIG").env_remove("RUST_LOG");
        command.env_remove("NOTIFY_SOCKET");
        let log = fs::File::create(self.folder.join(format!("log-{}", self.made)))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        // Ctrl-C is for the drill, which then ends its instance itself.
        command.process_group(0);
        system::confine(&mut command, setting.files);
        if let Some(room) = &setting.room {
            room.start(&mut command);
        }
        let child = self.child.insert(command.spawn().context("cannot start the instance")?);
        let process = system::Process::new(child.id());
        let output = child.stdout.take().context("no standard output")?;
        let address = ready(output).with_context(|| {
            let said = fs::read_to_string(self.folder.join(format!("log-{}", self.made)));
            format!("the instance was not ready; it said: {}", said.unwrap_or_default().trim())
        })?;
        Ok(Scene {
            target: LoopbackTarget::at((Ipv4Addr::LOCALHOST, address.port()).into())?,
            authority: Some(self.authority.clone()),
            host: format!("localhost:{}", address.port()),
            process,
            members: self.community.members.clone(),
            taken: self.community.taken.clone(),
            posts: self.community.posts.clone(),
            visit_cookie: self.sealer.clone().map(passes::visits),
            clearance_cookie: self.sealer.clone().map(passes::clearances),
            outside,
        })
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It holds nothing that anybody needs: no drain is waited for.
            let _ended = child.kill();
            let _waited = child.wait();
            let _removed = fs::remove_dir_all(self.folder.join(format!("data-{}", self.made)));
        }
    }
}

impl Stage for Scratch {
    fn raise(&mut self, setting: Setting) -> Result<Scene, StageError> {
        self.end();
        self.start(&setting).map_err(|error| StageError(format!("{error:#}")))
    }

    fn strike(&mut self) {
        self.end();
    }

    fn ceiling(&self, vector: &str, overload: f64, seed: u64) -> Option<[f64; 4]> {
        ceiling::of(vector, overload, seed)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.end();
        let _removed = fs::remove_dir_all(&self.folder);
    }
}

/// Where mail goes, and through which proxy; without a defence the host has not thought of one.
fn sends_through(outside: &Outside, defence: Defence) -> String {
    let (mail, proxy) = (outside.mail(), outside.proxy());
    let mut lines = format!(
        "[mail]\nhost = \"{}\"\nport = {}\ntls = \"none\"\nfrom = \"no-reply@drill.example\"\n",
        mail.ip(),
        mail.port()
    );
    if defence != Defence::None {
        lines.push_str(&format!("[egress]\nproxy = \"http://{proxy}\"\n"));
    }
    lines
}

/// Removes what drills have left that were killed: folders beside ours, of the same owner, whose
/// process is gone.
fn sweep(own: &Path) -> std::io::Result<()> {
    let owner = fs::symlink_metadata(own)?.uid();
    let processes = Path::new("/proc");
    if !processes.join("self").exists() {
        return Ok(());
    }
    let beside = own.parent().map(fs::read_dir).transpose()?.into_iter().flatten().flatten();
    for entry in beside {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix("fulmar-drill-"));
        let Some((process, _)) = process.and_then(|rest| rest.split_once('-')) else { continue };
        let is_number = !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit());
        let is_gone = is_number && !processes.join(process).exists();
        let is_ours = |found: fs::Metadata| found.is_dir() && found.uid() == owner;
        if is_gone && fs::symlink_metadata(entry.path()).is_ok_and(is_ours) {
            let _left = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Where it listens, once it says so.
fn ready(output: std::process::ChildStdout) -> anyhow::Result<SocketAddr> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("ready https://") {
                let _gone = tell.send(address.trim_end_matches('/').to_owned());
            }
        }
    });
    let address = told.recv_timeout(READY).context("it did not say `ready`")?;
    address.parse().with_context(|| format!("ready at {address}"))
}

/// Writes a chain and its key, and gives the certificate of the authority that signed it.
fn certify(folder: &Path) -> anyhow::Result<Vec<u8>> {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.distinguished_name.push(rcgen::DnType::CommonName, "Fulmar drill");
    let certificate = authority.self_signed(&key)?;
    let issuer = Issuer::new(authority, key);
    let own = KeyPair::generate()?;
    let signed = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&own, &issuer)?;
    fs::write(folder.join("chain.pem"), signed.pem())?;
    open::write_secret(&folder.join("key.pem"), own.serialize_pem().as_bytes())?;
    Ok(certificate.der().to_vec())
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_goes_through_the_proxy_but_where_nothing_defends() {
        let outside = Outside::open(Ipv4Addr::LOCALHOST).expect("open");
        for (defence, is_hidden) in
            [(Defence::Shield, true), (Defence::Limiter, true), (Defence::None, false)]
        {
            let folder = tempfile::tempdir().expect("a folder");
            let text = format!(
                "[server]\ndomain = \"drill.example\"\n{}",
                sends_through(&outside, defence)
            );
            let path = folder.path().join("fulmar.toml");
            fs::write(&path, text).expect("written");
            let place = Place { data: folder.path().to_owned(), config: Some(path) };
            let config = config::load(&place).expect("a configuration that is accepted");
            let (way, mail) = (config.way_out().expect("a way"), outside.mail().ip().to_string());
            assert_eq!((way.is_set(), way.is_direct(&mail)), (is_hidden, false), "{defence:?}");
        }
    }

    #[test]
    fn only_what_dead_drills_left_is_swept() {
        let folder = tempfile::tempdir().expect("a folder");
        let living = std::process::id();
        let names = [
            // Linux gives no process a number above 2^22.
            ("fulmar-drill-4194309-7".to_owned(), false),
            (format!("fulmar-drill-{living}-7"), true),
            ("fulmar-drill-4194309".to_owned(), true),
            ("fulmar-drill--7".to_owned(), true),
            ("fulmar-data-4194309-7".to_owned(), true),
        ];
        for (name, _) in &names {
            fs::create_dir_all(folder.path().join(name).join("data")).expect("made");
        }
        let file = folder.path().join("fulmar-drill-4194310-1");
        fs::write(&file, "").expect("written");
        sweep(&folder.path().join(&names[1].0)).expect("swept");
        for (name, stays) in &names {
            assert_eq!(folder.path().join(name).exists(), *stays, "{name}");
        }
        assert!(file.exists());
    }
}
