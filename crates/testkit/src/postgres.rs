//! A real PostgreSQL for tests: one cluster a test binary, on a free port of the loopback, with a
//! fresh database for each test. It ends with the process that started it, however that ends.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicI32, AtomicU32, Ordering},
        mpsc,
    },
    thread,
};
use tokio_postgres::{Client, NoTls};

/// Where Debian's packages put the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// A port may be taken between finding and using it.
const START_TRIES: usize = 5;

/// A running server.
pub struct Cluster {
    port: u16,
    databases: AtomicU32,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static SERVER: AtomicI32 = AtomicI32::new(0);
static FOLDER: OnceLock<PathBuf> = OnceLock::new();

impl Cluster {
    /// The one of this process, started when first asked for.
    pub fn shared() -> &'static Self {
        CLUSTER.get_or_init(|| {
            let port = start().unwrap_or_else(|e| panic!("PostgreSQL did not start: {e}"));
            Self { port, databases: AtomicU32::new(0) }
        })
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// A fresh, empty database; its name.
    pub async fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::SeqCst));
        let admin = self.client("postgres").await;
        let sql = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'");
        admin.batch_execute(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        name
    }

    /// A bare connection, for what tests do behind the store's back.
    pub async fn client(&self, database: &str) -> Client {
        crate::until("a connection to PostgreSQL", || async {
            let (client, connection) =
                tokio_postgres::connect(&self.url(database), NoTls).await.ok()?;
            tokio::spawn(connection);
            Some(client)
        })
        .await
    }
}

fn programs() -> io::Result<PathBuf> {
    let newest = fs::read_dir(VERSIONS)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|path| path.join("initdb").is_file())
        .max();
    newest.ok_or_else(|| io::Error::other("install it first: apt-get install postgresql-15"))
}

/// The user to run as: PostgreSQL refuses root.
fn user() -> io::Result<Option<(u32, u32)>> {
    // SAFETY: no arguments, cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = users.lines().find_map(|line| {
        let mut parts = line.split(':');
        (parts.next() == Some("postgres")).then_some(())?;
        let uid = parts.nth(1)?.parse().ok()?;
        Some((uid, parts.next()?.parse().ok()?))
    });
    ids.map(Some).ok_or_else(|| io::Error::other("no user named postgres"))
}

fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env("LC_ALL", "C.UTF-8").current_dir("/");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

fn start() -> io::Result<u16> {
    let (programs, user) = (programs()?, user()?);
    let folder = tempfile::Builder::new().prefix("fulmar-postgres-").tempdir()?.keep();
    if let Some((uid, gid)) = user {
        chown(&folder, Some(uid), Some(gid))?;
    }
    let data = folder.join("data");
    let made = command(&programs.join("initdb"), user)
        .args(["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8"])
        .args(["--locale=C", "--pgdata"])
        .arg(&data)
        .output()?;
    if !made.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
    }
    let _ = FOLDER.set(folder.clone());
    // SAFETY: the handler is a plain function that lives as long as the program.
    unsafe { libc::atexit(stop) };
    for _ in 0..START_TRIES {
        // Nobody else is given this port until we bind it, or close to nobody.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut server = command(&programs.join("postgres"), user);
        server
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-h", "127.0.0.1"])
            .args(["-c", "unix_socket_directories=", "-c", "shared_buffers=64MB"])
            .args(["-c", "max_connections=400", "-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log"))?);
        if let Some(pid) = keep(server)? {
            SERVER.store(pid, Ordering::SeqCst);
            if answers(&folder.join("data/postmaster.pid")) {
                return Ok(port);
            }
        }
    }
    Err(io::Error::other(fs::read_to_string(folder.join("log")).unwrap_or_default()))
}

/// Starts the server from a thread that stays: the kernel ends it when that thread does, that is,
/// with this process, even one that was killed.
fn keep(mut server: Command) -> io::Result<Option<i32>> {
    let (started, start) = mpsc::channel();
    thread::Builder::new().name("postgres-keeper".into()).spawn(move || {
        // SAFETY: prctl is async-signal-safe; it runs after the change of user, which would
        // have undone it.
        unsafe {
            server.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGQUIT);
                Ok(())
            });
        }
        let mut child: io::Result<Child> = server.spawn();
        let pid = match &child {
            Ok(child) => Ok(i32::try_from(child.id()).ok()),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        let _ = started.send(pid);
        if let Ok(child) = &mut child {
            let _ = child.wait();
        }
        SERVER.store(0, Ordering::SeqCst);
    })?;
    start.recv().map_err(io::Error::other)?
}

/// Waits until the server says in its own file that it is ready, or is gone.
fn answers(status: &Path) -> bool {
    let (ready, waiting) = mpsc::channel::<()>();
    for _ in 0..2_000 {
        if fs::read_to_string(status).is_ok_and(|text| text.contains("ready")) {
            return true;
        }
        if SERVER.load(Ordering::SeqCst) == 0 {
            break;
        }
        let _ = waiting.recv_timeout(std::time::Duration::from_millis(10));
    }
    drop(ready);
    false
}

extern "C" fn stop() {
    let server = SERVER.load(Ordering::SeqCst);
    if server > 0 {
        // SAFETY: a signal to the process that we started and have not yet waited for.
        unsafe { libc::kill(server, libc::SIGQUIT) };
    }
    if let Some(folder) = FOLDER.get() {
        // The server may still be writing its last words; what is left then is a few files.
        for _ in 0..3 {
            if fs::remove_dir_all(folder).is_ok() {
                break;
            }
        }
    }
}
