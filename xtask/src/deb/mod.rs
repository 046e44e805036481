//! `cargo xtask deb`: the Debian package, made by dpkg-deb from what the repository holds, and
//! tried (`trial`). The program itself writes the configuration, so that the package cannot lag
//! behind its keys.
//!
//! Leaves to others: what the scripts and the unit say (`packaging/`), and whose licences go along
//! (`licences`). Why no tool for it: the package is a folder that dpkg-deb packs, and this is that
//! folder.

mod licences;
mod trial;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::ground;
use crate::steps::Outcome;

/// The folder of the repository that holds unit and scripts.
const PACKAGING: &str = "packaging";
/// Where the documents go.
const DOCUMENTS: &str = "usr/share/doc/fulmar";
/// The scripts that dpkg runs.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
/// Debian's style of packing: what every dpkg of today unpacks.
const COMPRESSION: &str = "xz";

/// What is wished for.
pub struct Wish {
    /// A program that is built already; else the release is built.
    pub program: Option<PathBuf>,
    /// Whether the package is also tried: unit, scripts, lint.
    pub tries: bool,
}

/// Builds the program unless it is there, and the package.
///
/// # Errors
/// When the program does not build, dpkg-deb is missing or refuses, or the trial finds a fault.
pub fn run(wish: &Wish) -> Result<()> {
    let program = match &wish.program {
        Some(program) => program.clone(),
        None => {
            ground::build_server()?;
            ground::server_binary()
        }
    };
    let made = package(&program, &ground::kept("deb")?, COMPRESSION)?;
    println!("made {}", made.display());
    if wish.tries {
        trial::unit()?;
        trial::package(&made)?;
        trial::lint(&made)?;
    }
    println!("install it with: apt install {}", made.display());
    Ok(())
}

/// The same as a step of a longer word, of a program that is there. Where no copy of the machine
/// can be made the package is packed and read, and the step says what was left out.
///
/// # Errors
/// As [`run`].
pub fn step() -> Result<Outcome> {
    let impossible = trial::impossible();
    let program = Some(ground::server_binary());
    run(&Wish { program, tries: impossible.is_none() })?;
    if let Some(why) = impossible {
        trial::unit()?;
        return Ok(Outcome::Skipped(why));
    }
    Ok(Outcome::Done)
}

/// Packs this program into a folder, compressed as dpkg-deb's `-Z` has it; where the package is.
fn package(program: &Path, into: &Path, compression: &str) -> Result<PathBuf> {
    if !ground::has("dpkg-deb") {
        bail!("there is no dpkg-deb here: the package is made on Debian or what is like it");
    }
    let root = tempfile::tempdir_in(into).context("make a folder to pack in")?;
    let root = root.path();
    fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
    let repository = ground::root();
    let packaging = repository.join(PACKAGING);
    put(root, "usr/bin/fulmar", 0o755, &fs::read(program).context("read the program")?)?;
    if ground::has("strip") {
        // Names for traces of a panic stay; what only a debugger reads is most of the bytes.
        let mut strip = Command::new("strip");
        ground::output(strip.arg("--strip-unneeded").arg(root.join("usr/bin/fulmar")))?;
    }
    let default = ground::output(Command::new(program).args(["config", "default"]))?;
    put(root, "etc/fulmar/fulmar.toml", 0o640, default.as_bytes())?;
    let unit = fs::read(packaging.join("fulmar.service"))?;
    put(root, "lib/systemd/system/fulmar.service", 0o644, &unit)?;
    let manual = zipped(&fs::read_to_string(packaging.join("fulmar.1"))?)?;
    put(root, "usr/share/man/man1/fulmar.1.gz", 0o644, &manual)?;
    documents(root, &repository)?;
    for script in SCRIPTS {
        put(root, &format!("DEBIAN/{script}"), 0o755, &fs::read(packaging.join(script))?)?;
    }
    put(root, "DEBIAN/conffiles", 0o644, b"/etc/fulmar/fulmar.toml\n")?;
    let sums = sums(root)?;
    put(root, "DEBIAN/md5sums", 0o644, sums.as_bytes())?;
    let version = version(program)?;
    let architecture = ground::output(Command::new("dpkg").arg("--print-architecture"))?;
    let architecture = architecture.trim();
    let control = control(&version, architecture, installed_kib(root)?)?;
    put(root, "DEBIAN/control", 0o644, control.as_bytes())?;
    let made = into.join(format!("fulmar_{version}_{architecture}.deb"));
    let mut pack = Command::new("dpkg-deb");
    pack.args(["--root-owner-group", &format!("-Z{compression}"), "--build"]).arg(root).arg(&made);
    ground::output(&mut pack)?;
    Ok(made)
}

/// Licences, what has changed, and what a host reads.
fn documents(root: &Path, repository: &Path) -> Result<()> {
    let packaging = repository.join(PACKAGING);
    let mut copyright = fs::read_to_string(packaging.join("copyright"))?;
    copyright.push_str("\nLicense: MIT\n");
    for line in fs::read_to_string(repository.join("LICENSE-MIT"))?.lines() {
        copyright.push_str(&format!(" {}\n", if line.is_empty() { "." } else { line }));
    }
    let put = |name: &str, bytes: &[u8]| put(root, &format!("{DOCUMENTS}/{name}"), 0o644, bytes);
    put("copyright", copyright.as_bytes())?;
    put("third-party.gz", &zipped(&licences::of_the_program()?)?)?;
    put("changelog.gz", &zipped(&fs::read_to_string(packaging.join("changelog"))?)?)?;
    for entry in fs::read_dir(repository.join("docs/operating"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        put(&format!("operating/{name}"), &fs::read(entry.path())?)?;
    }
    Ok(())
}

/// Compressed as Debian wants it, without a name and a time in it.
fn zipped(text: &str) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("text");
    fs::write(&path, text)?;
    let output = Command::new("gzip").args(["-9n", "--stdout"]).arg(&path).output();
    let output = output.context("gzip")?;
    if !output.status.success() {
        bail!("gzip ended with {}", output.status);
    }
    Ok(output.stdout)
}

/// Writes a file of the package, and the folders to it as everybody may enter them.
fn put(root: &Path, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
    let mut folder = root.to_path_buf();
    for part in Path::new(path).parent().into_iter().flat_map(Path::components) {
        folder.push(part);
        if !folder.is_dir() {
            fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        }
    }
    let path = root.join(path);
    fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
    Ok(fs::set_permissions(&path, fs::Permissions::from_mode(mode))?)
}

/// The digests by which `dpkg --verify` finds what was changed.
fn sums(root: &Path) -> Result<String> {
    let mut find = Command::new("find");
    find.args([".", "-type", "f", "!", "-path", "./DEBIAN/*", "!", "-path", "./etc/*"]);
    find.args(["-printf", "%P\\n"]).current_dir(root);
    let found = ground::output(&mut find)?;
    let mut names: Vec<&str> = found.lines().collect();
    names.sort_unstable();
    ground::output(Command::new("md5sum").args(names).current_dir(root))
}

/// The version as the program says it: its last word.
fn version(program: &Path) -> Result<String> {
    let said = ground::output(Command::new(program).arg("--version"))?;
    let version = said.split_whitespace().last().context("the program has no version")?;
    Ok(version.to_owned())
}

/// How much room the package takes, in KiB.
fn installed_kib(folder: &Path) -> Result<u64> {
    let mut kib = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        kib += match entry.metadata()? {
            found if found.is_dir() => installed_kib(&entry.path())?,
            found => found.len().div_ceil(1024),
        };
    }
    Ok(kib)
}

fn control(version: &str, architecture: &str, kib: u64) -> Result<String> {
    // The program runs with the C library that it was linked to, or a newer one.
    let mut query = Command::new("dpkg-query");
    let libc = ground::output(query.args(["--show", "--showformat=${Version}", "libc6"]))?;
    let libc = libc.split('-').next().unwrap_or_default();
    Ok(format!(
        "Package: fulmar\nVersion: {version}\nArchitecture: {architecture}\nSection: net\n\
         Priority: optional\nMaintainer: The Fulmar contributors <fulmar@localhost>\n\
         Installed-Size: {kib}\nDepends: adduser, libc6 (>= {libc}), libgcc-s1\n\
         Suggests: postgresql\nDescription: small social network that you host yourself\n \
         A microblogging server for any Mastodon app, in one program with its own\n database. It \
         speaks TLS by itself, is backed up by one command, and\n tells what is wrong with it.\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> PathBuf {
        let program = ground::target().join("debug/fulmar");
        if !program.exists() {
            let words = ["build", "--quiet", "--package", "server", "--bin", "fulmar", "--locked"];
            ground::sh("cargo", &words).expect("builds");
        }
        program
    }

    #[test]
    fn the_package_holds_what_a_host_needs_and_belongs_to_root() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = package(&program(), folder.path(), "none").expect("packed");
        let ask = |word: &str| {
            let mut command = Command::new("dpkg-deb");
            ground::output(command.arg(word).arg(&made)).expect("read")
        };
        let contents = ask("--contents");
        for (mode, path) in [
            ("-rwxr-xr-x", "./usr/bin/fulmar"),
            ("-rw-r-----", "./etc/fulmar/fulmar.toml"),
            ("-rw-r--r--", "./lib/systemd/system/fulmar.service"),
            ("-rw-r--r--", "./usr/share/man/man1/fulmar.1.gz"),
            ("-rw-r--r--", "./usr/share/doc/fulmar/copyright"),
            ("-rw-r--r--", "./usr/share/doc/fulmar/changelog.gz"),
            ("-rw-r--r--", "./usr/share/doc/fulmar/third-party.gz"),
            ("-rw-r--r--", "./usr/share/doc/fulmar/operating/install.md"),
            ("-rw-r--r--", "./usr/share/doc/fulmar/operating/configuration.md"),
        ] {
            let line = contents.lines().find(|line| line.ends_with(path));
            let line = line.unwrap_or_else(|| panic!("no {path} in\n{contents}"));
            assert!(line.starts_with(&format!("{mode} root/root ")), "{line}");
        }
        let info = ask("--info");
        for part in ["Package: fulmar", "Depends: adduser", "conffiles", "postinst", "prerm"] {
            assert!(info.contains(part), "no {part} in\n{info}");
        }
        let out = folder.path().join("out");
        let mut unpack = Command::new("dpkg-deb");
        ground::output(unpack.arg("--raw-extract").arg(&made).arg(&out)).expect("unpacked");
        let config = out.join("etc/fulmar/fulmar.toml");
        let mut check = Command::new(out.join("usr/bin/fulmar"));
        ground::output(check.args(["config", "check", "--config"]).arg(config)).expect("valid");
    }

    #[test]
    fn systemd_understands_every_line_of_the_unit_and_finds_it_closed() {
        trial::unit().expect("sound");
    }
}
