//! What tests need from outside, installed when it is missing, with a word on each.
//!
//! Debian's packages through apt-get, Python's through pip into an environment of its own under
//! `target/`. Nothing is installed that is there, so the second run costs a second.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::bench::NGINX_STREAMS;
use crate::{ground, postgres};

/// A program or file that shows whether a package is there, the package, and what for.
type Package = (&'static str, &'static str, &'static str);

/// What the tests of the workspace start.
const FOR_TESTS: [Package; 7] = [
    ("/usr/lib/postgresql/15/bin/postgres", "postgresql-15", "the other store"),
    ("pebble", "pebble", "a certificate authority for the test of ACME"),
    ("nft", "nftables", "a witness of what the kernel is told to drop"),
    ("ip", "iproute2", "network namespaces for the tests of that"),
    ("setpriv", "util-linux", "a server without a right, in the same tests"),
    ("cc", "gcc", "crates with C inside"),
    ("/usr/include/stdio.h", "libc6-dev", "the same"),
];
/// What the release is tried with.
const FOR_RELEASE: [Package; 12] = [
    ("systemd-analyze", "systemd", "a reader of the package's unit"),
    ("lintian", "lintian", "a reader of the package"),
    ("python3", "python3", "real clients"),
    ("chromium", "chromium", "pages as people meet them"),
    ("nginx", "nginx-light", "a yardstick for refusals"),
    (NGINX_STREAMS, "libnginx-mod-stream", "its part that refuses before TLS"),
    ("wrk", "wrk", "load that is not ours, for both"),
    ("hping3", "hping3", "floods in a network namespace"),
    ("slowhttptest", "slowhttptest", "slow attacks that are not ours"),
    ("h2load", "nghttp2-client", "floods that are not ours"),
    ("openssl", "openssl", "a certificate for both"),
    ("tar", "tar", "toot's sources come in an archive"),
];

/// Installs Debian's packages that are missing.
///
/// # Errors
/// When one is missing and cannot be installed.
pub fn system(with_release: bool) -> Result<()> {
    let more: &[Package] = if with_release { &FOR_RELEASE } else { &[] };
    install(&FOR_TESTS.iter().chain(more).copied().collect::<Vec<Package>>())
}

/// Installs those of them that are missing, of the packages that are known here, for a word that
/// needs no others.
///
/// # Errors
/// When one is not known, or cannot be installed.
pub fn packages(names: &[&str]) -> Result<()> {
    let known = || FOR_TESTS.iter().chain(&FOR_RELEASE).copied();
    let of = |name: &&str| known().find(|(_, package, _)| package == name).context("no package");
    install(&names.iter().map(of).collect::<Result<Vec<Package>>>()?)
}

fn install(wanted: &[Package]) -> Result<()> {
    let missing: Vec<Package> =
        wanted.iter().filter(|(probe, ..)| !is_there(probe)).copied().collect();
    if missing.is_empty() {
        let names: Vec<&str> = wanted.iter().map(|(_, package, _)| *package).collect();
        println!("installed already: {}", names.join(", "));
        return Ok(());
    }
    if !ground::has("apt-get") {
        let names: Vec<&str> = missing.iter().map(|(_, package, _)| *package).collect();
        bail!("no apt-get here: install by hand what is like {}", names.join(", "));
    }
    apt(&["update"])?;
    for (probe, package, what_for) in missing {
        println!("installing {package}: {what_for}");
        apt(&["install", "--yes", "--no-install-recommends", package])?;
        if !is_there(probe) {
            bail!("{package} was installed, but {probe} is not there");
        }
    }
    Ok(())
}

fn is_there(probe: &str) -> bool {
    if probe.starts_with('/') { Path::new(probe).exists() } else { ground::has(probe) }
}

/// Another apt-get on the machine is waited for, and a mirror that does not answer asked again.
const PATIENCE: [&str; 9] = [
    "--quiet",
    "-o",
    "Dpkg::Use-Pty=0",
    "-o",
    "DPkg::Lock::Timeout=300",
    "-o",
    "Acquire::Retries=3",
    "-o",
    "Acquire::http::Timeout=60",
];

fn apt(words: &[&str]) -> Result<()> {
    let root = postgres::is_root();
    ground::again(|| {
        let mut command = Command::new(if root { "apt-get" } else { "sudo" });
        if !root {
            command.arg("apt-get");
        }
        command.args(PATIENCE).args(words);
        ground::shown(command.env("DEBIAN_FRONTEND", "noninteractive"))
    })
}

/// Fetches the outside crates of both workspaces, so that a registry's bad moment is met here,
/// where it is asked again, and not in the middle of a build.
///
/// # Errors
/// When they cannot be had.
pub fn crates() -> Result<()> {
    let about = ground::output(Command::new("rustc").arg("-vV").current_dir(ground::root()))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not say what machine this is")?;
    ground::again(|| ground::sh("cargo", &["fetch", "--locked", "--target", host]))?;
    let fuzz = ["fetch", "--target", host, "--manifest-path", "fuzz/Cargo.toml"];
    ground::again(|| ground::sh("cargo", &fuzz))
}

/// The Python environment of the client suites.
pub struct Python {
    folder: PathBuf,
}

impl Python {
    /// Makes it, or takes the one that is there if it has what is wanted.
    ///
    /// # Errors
    /// When pip cannot install what is wanted.
    pub fn ready() -> Result<Self> {
        let folder = ground::kept("clients")?.join("venv");
        let python = Self { folder };
        let wanted = std::fs::read_to_string(listed("requirements"))?
            + &std::fs::read_to_string(listed("constraints"))?;
        let stamp = python.folder.join("installed.txt");
        if std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
            return Ok(python);
        }
        println!("installing Python clients into {}", python.folder.display());
        if !python.program("pip").exists() && python.make().is_err() {
            // Debian's python3 leaves a part of this to a package of its own.
            apt(&["update"])?;
            apt(&["install", "--yes", "--no-install-recommends", "python3-venv"])?;
            python.make()?;
        }
        ground::again(|| {
            let mut pip = python.pip("install");
            pip.arg("--requirement").arg(listed("requirements"));
            ground::shown(pip.arg("--constraint").arg(listed("constraints")))
        })?;
        std::fs::write(&stamp, wanted).context("note what was installed")?;
        Ok(python)
    }

    fn make(&self) -> Result<()> {
        let mut make = Command::new("python3");
        ground::shown(make.args(["-m", "venv", "--clear"]).arg(&self.folder))
    }

    /// pip with a word, started as a module: the program's first line would name the folder, which
    /// the system cuts when it is long.
    fn pip(&self, word: &str) -> Command {
        let mut pip = Command::new(self.program("python"));
        pip.args(["-m", "pip", "--disable-pip-version-check", "--retries", "5", "--timeout", "60"]);
        pip.args([word, "--quiet"]);
        pip
    }

    /// A program of the environment.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// toot's source distribution, unpacked: its own tests are only there.
    ///
    /// # Errors
    /// When it cannot be fetched.
    pub fn toot_sources(&self) -> Result<PathBuf> {
        let folder = ground::kept("clients")?;
        let unpacked = folder.join(TOOT);
        if !unpacked.join("tests").exists() {
            ground::again(|| {
                let mut fetch = self.pip("download");
                fetch.args(["--no-deps", "--no-binary", ":all:", "toot==0.52.1", "--dest"]);
                ground::shown(fetch.arg(&folder))
            })?;
            let archive = folder.join(format!("{TOOT}.tar.gz"));
            ground::shown(Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(&folder))?;
        }
        Ok(unpacked)
    }
}

const TOOT: &str = "toot-0.52.1";

/// A list of Python packages: what is wanted, or the versions of what that brings along.
fn listed(name: &str) -> PathBuf {
    ground::root().join("tests/clients").join(name).with_extension("txt")
}
