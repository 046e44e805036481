//! What tests need from outside, installed when it is missing, with a word on each.
//!
//! Debian's packages through apt-get, Python's through pip into an environment of its own under
//! `target/`. Nothing is installed that is there, so the second run costs a second.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{ground, postgres};

/// A program or file that shows whether a package is there, the package, and what for.
const PACKAGES: [(&str, &str, &str); 4] = [
    ("/usr/lib/postgresql/15/bin/postgres", "postgresql-15", "the other store"),
    ("pebble", "pebble", "a certificate authority for the test of ACME"),
    ("python3", "python3", "real clients"),
    ("cc", "gcc", "crates with C inside"),
];

/// Installs Debian's packages that are missing.
///
/// # Errors
/// When one is missing and cannot be installed.
pub fn system() -> Result<()> {
    let missing: Vec<&(&str, &str, &str)> =
        PACKAGES.iter().filter(|(probe, _, _)| !is_there(probe)).collect();
    if missing.is_empty() {
        println!("installed already: {}", PACKAGES.map(|(_, package, _)| package).join(", "));
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

fn apt(words: &[&str]) -> Result<()> {
    let root = postgres::is_root();
    let mut command = Command::new(if root { "apt-get" } else { "sudo" });
    if !root {
        command.arg("apt-get");
    }
    ground::shown(
        command
            .args(["--quiet", "-o", "Dpkg::Use-Pty=0"])
            .args(words)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
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
        let wanted = std::fs::read_to_string(requirements())?;
        let stamp = python.folder.join("installed.txt");
        if std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
            return Ok(python);
        }
        println!("installing Python clients into {}", python.folder.display());
        if !python.program("python").exists() {
            let mut make = Command::new("python3");
            if ground::shown(make.args(["-m", "venv"]).arg(&python.folder)).is_err() {
                // Debian's python3 leaves this part to a package of its own.
                apt(&["install", "--yes", "--no-install-recommends", "python3-venv"])?;
                ground::shown(Command::new("python3").args(["-m", "venv"]).arg(&python.folder))?;
            }
        }
        let mut pip = Command::new(python.program("pip"));
        ground::shown(pip.args(["install", "--quiet", "--requirement"]).arg(requirements()))?;
        std::fs::write(&stamp, wanted).context("note what was installed")?;
        Ok(python)
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
            let mut fetch = Command::new(self.program("pip"));
            fetch.args(["download", "--quiet", "--no-deps", "--no-binary", ":all:"]);
            ground::shown(fetch.arg("toot==0.52.1").arg("--dest").arg(&folder))?;
            let archive = folder.join(format!("{TOOT}.tar.gz"));
            ground::shown(Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(&folder))?;
        }
        Ok(unpacked)
    }
}

const TOOT: &str = "toot-0.52.1";

fn requirements() -> PathBuf {
    ground::root().join("tests/clients/requirements.txt")
}
