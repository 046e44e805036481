//! A PostgreSQL of its own on a free loopback port, from Debian's package, for words that need one.
//!
//! Started directly, as the package's user when this is root (the server refuses to run as root),
//! in a folder that goes away with it. It synchronises to disk as it does for hosts.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::{ground, http, instance};

/// Where Debian's package puts the programs.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// Time that it may take to come up or to end: a slow machine makes a cluster in a minute.
const PATIENCE: Duration = Duration::from_secs(120);

/// Attempts to start it.
const STARTS_MAX: u32 = 5;

/// Whether the package is installed.
pub fn installed() -> bool {
    Path::new(PROGRAMS).join("postgres").exists()
}

/// A running PostgreSQL.
pub struct Postgres {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    #[expect(dead_code, reason = "holds the cluster until it has ended")]
    folder: TempDir,
}

impl Postgres {
    /// Makes a cluster and starts it.
    ///
    /// # Errors
    /// When the package lacks or the server does not come up.
    pub fn start() -> Result<Self> {
        if !installed() {
            bail!("{PROGRAMS}/postgres is missing (apt-get install postgresql-15)");
        }
        let folder = tempfile::Builder::new().prefix("fulmar-postgres-").tempdir()?;
        let owner = Owner::find()?;
        if let Some(Owner { user, group }) = owner {
            chown(folder.path(), Some(user), Some(group))?;
        }
        let data = folder.path().join("data");
        let mut make = program("initdb", owner);
        make.args(["--auth=trust", "--username=fulmar", "--encoding=UTF8", "--locale=C.UTF-8"]);
        ground::output(make.arg("-D").arg(&data)).context("initdb")?;
        // A port that was free may be taken by the time it is bound: another is tried then.
        let mut refused = String::new();
        for _ in 0..STARTS_MAX {
            match Self::serve(&data, owner)? {
                Ok((child, address)) => {
                    let started = Self { child, address, folder };
                    started.create_database()?;
                    return Ok(started);
                }
                Err(log) => refused = log,
            }
        }
        bail!("PostgreSQL does not come up:\n{refused}");
    }

    /// Serves a cluster at a free address; what it said when it ended instead.
    fn serve(data: &Path, owner: Option<Owner>) -> Result<Result<(Child, SocketAddr), String>> {
        let address = free_address()?;
        let mut serve = program("postgres", owner);
        serve.arg("-D").arg(data).args(["-p", &address.port().to_string()]);
        serve.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        serve.args(["-c", "max_connections=200", "-c", "shared_buffers=256MB"]);
        let log = data.with_extension("log");
        let output = std::fs::File::create(&log)?;
        let mut child = serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).spawn()?;
        let listens = ground::poll("PostgreSQL listens", PATIENCE, || {
            let over = child.try_wait().ok().flatten().is_some();
            (over || http::connect(address).is_ok()).then_some(!over)
        });
        if listens.is_ok_and(|listens| listens) {
            return Ok(Ok((child, address)));
        }
        let _over = child.kill();
        child.wait()?;
        Ok(Err(std::fs::read_to_string(&log).unwrap_or_default()))
    }

    /// The address of its database for a configuration file.
    pub fn url(&self) -> String {
        Self::url_at(self.address)
    }

    /// The same database, met at another address (a proxy's).
    pub fn url_at(address: SocketAddr) -> String {
        format!("postgres://fulmar@{address}/fulmar")
    }

    /// Runs a statement and gives what psql prints, without decoration.
    fn psql(&self, database: &str, statement: &str) -> Result<String> {
        let mut command = Command::new(PathBuf::from(PROGRAMS).join("psql"));
        command.args(["-h", "127.0.0.1", "-p", &self.address.port().to_string()]);
        command.args(["-U", "fulmar", "-d", database, "-v", "ON_ERROR_STOP=1", "-Atqc", statement]);
        ground::output(&mut command)
    }

    fn create_database(&self) -> Result<()> {
        ground::poll("PostgreSQL takes statements", PATIENCE, || {
            self.psql("postgres", "CREATE DATABASE fulmar").ok()
        })?;
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Fast shutdown: connections are ended, data are written.
        let _sent = instance::signal(self.child.id(), libc::SIGINT);
        let ended =
            ground::poll("PostgreSQL ends", PATIENCE, || self.child.try_wait().ok().flatten());
        if ended.is_err() {
            let _killed = self.child.kill();
            let _waited = self.child.wait();
        }
    }
}

#[derive(Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// The package's user when this is root; none when it is not.
    fn find() -> Result<Option<Self>> {
        if !is_root() {
            return Ok(None);
        }
        let text = std::fs::read_to_string("/etc/passwd")?;
        let line = text.lines().find(|line| line.starts_with("postgres:"));
        let fields: Vec<&str> = line.context("there is no user postgres")?.split(':').collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse().ok());
        Ok(Some(Self { user: number(2).context("uid")?, group: number(3).context("gid")? }))
    }
}

/// Whether this runs as root.
#[expect(unsafe_code, reason = "std does not say who runs it")]
pub fn is_root() -> bool {
    // SAFETY: a system call without arguments that cannot fail.
    unsafe { libc::geteuid() == 0 }
}

fn program(name: &str, owner: Option<Owner>) -> Command {
    let mut command = Command::new(PathBuf::from(PROGRAMS).join(name));
    command.env("LC_ALL", "C.UTF-8").current_dir("/");
    if let Some(Owner { user, group }) = owner {
        command.uid(user).gid(group);
    }
    command
}

/// A loopback address that nobody listened on a moment ago.
///
/// # Errors
/// When there is none.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::Postgres;

    #[test]
    fn it_starts_on_a_free_port_and_takes_statements() {
        let database = Postgres::start().expect("PostgreSQL starts");
        assert_eq!(database.psql("fulmar", "SHOW fsync").unwrap().trim(), "on");
        assert!(database.url().contains(&database.address.port().to_string()));
    }
}
