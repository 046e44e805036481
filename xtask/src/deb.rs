//! `cargo xtask deb`: the Debian package, made by dpkg-deb from what the repository holds. The
//! program itself writes the configuration, so that the package cannot lag behind its keys.
//!
//! Leaves to others: what the scripts and the unit say (`packaging/`).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::ground;

/// The folder of the repository that holds unit and scripts.
const PACKAGING: &str = "packaging";
/// Where the documents go.
const DOCUMENTS: &str = "usr/share/doc/fulmar";

/// Builds the program and the package.
///
/// # Errors
/// When the program does not build, or dpkg-deb is missing or refuses.
pub fn run() -> Result<()> {
    let mut words = vec!["build", "--package", "server", "--bin", "fulmar", "--locked"];
    if !ground::tries_debug() {
        words.push("--release");
    }
    ground::sh("cargo", &words)?;
    let made = package(&ground::server_binary(), &ground::kept("deb")?, "xz")?;
    println!("made {}", made.display());
    println!("install it with: apt install {}", made.display());
    Ok(())
}

/// Packs this program into a folder, compressed as dpkg-deb's `-Z` has it; where the package is.
fn package(program: &Path, into: &Path, compression: &str) -> Result<PathBuf> {
    let root = tempfile::tempdir_in(into).context("make a folder to pack in")?;
    let root = root.path();
    fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
    let repository = ground::root();
    let packaging = repository.join(PACKAGING);
    put(root, "usr/bin/fulmar", 0o755, &fs::read(program).context("read the program")?)?;
    let default = ground::output(Command::new(program).args(["config", "default"]))?;
    put(root, "etc/fulmar/fulmar.toml", 0o640, default.as_bytes())?;
    let unit = fs::read(packaging.join("fulmar.service"))?;
    put(root, "lib/systemd/system/fulmar.service", 0o644, &unit)?;
    documents(root, &repository)?;
    for script in ["postinst", "prerm", "postrm"] {
        put(root, &format!("DEBIAN/{script}"), 0o755, &fs::read(packaging.join(script))?)?;
    }
    put(root, "DEBIAN/conffiles", 0o644, b"/etc/fulmar/fulmar.toml\n")?;
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

/// Licences, and what a host reads.
fn documents(root: &Path, repository: &Path) -> Result<()> {
    let mut copyright = String::from(
        "Fulmar is licensed under MIT or Apache-2.0, as you choose. The crates in it have licences \
         that permit this.\n",
    );
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let text = fs::read_to_string(repository.join(name)).with_context(|| name.to_owned())?;
        copyright = format!("{copyright}\n---- {name}\n\n{text}");
    }
    put(root, &format!("{DOCUMENTS}/copyright"), 0o644, copyright.as_bytes())?;
    for entry in fs::read_dir(repository.join("docs/operating"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{DOCUMENTS}/operating/{name}");
        put(root, &path, 0o644, &fs::read(entry.path())?)?;
    }
    Ok(())
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
         Priority: optional\nMaintainer: The people who make Fulmar <fulmar@localhost>\n\
         Installed-Size: {kib}\nDepends: adduser, libc6 (>= {libc}), libgcc-s1\n\
         Suggests: postgresql\nDescription: small social network that you host yourself\n \
         A microblogging server for any Mastodon app, in one program with its own database.\n"
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
        if !ground::has("dpkg-deb") {
            println!("no dpkg-deb here: nothing to try");
            return;
        }
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
            ("-rw-r--r--", "./usr/share/doc/fulmar/copyright"),
            ("-rw-r--r--", "./usr/share/doc/fulmar/operating/README.md"),
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
        for script in ["postinst", "prerm", "postrm"] {
            let mut parse = Command::new("sh");
            ground::output(parse.arg("-n").arg(out.join("DEBIAN").join(script))).expect(script);
        }
    }

    #[test]
    fn systemd_understands_every_line_of_the_unit() {
        if !ground::has("systemd-analyze") {
            println!("no systemd-analyze here: nothing to try");
            return;
        }
        // The program is not installed here, so the copy that is verified starts one that is.
        let unit = ground::root().join(PACKAGING).join("fulmar.service");
        let text = fs::read_to_string(unit).expect("the unit");
        let folder = tempfile::tempdir().expect("a folder");
        let verify = |text: &str| {
            let copy = folder.path().join("fulmar.service");
            fs::write(&copy, text.replace("/usr/bin/fulmar", "/bin/true")).expect("written");
            let ran = Command::new("systemd-analyze").arg("verify").arg(&copy).output();
            let ran = ran.expect("runs");
            String::from_utf8_lossy(&ran.stderr).into_owned()
        };
        let said = verify(&text);
        assert!(!said.contains("fulmar.service"), "{said}");
        // And it would have said something.
        assert!(verify(&format!("{text}\n[Service]\nPrivateTemp=true\n")).contains("PrivateTemp"));
    }
}
