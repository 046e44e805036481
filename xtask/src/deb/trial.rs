//! Tries a package: systemd reads its unit and says how open it is; dpkg installs, upgrades,
//! removes and purges it in a copy of this machine that nobody keeps; lintian reads it.
//!
//! The copy is an overlay in memory within a mount namespace of its own, so that dpkg finds a whole
//! Debian around it and this machine stays as it is. It needs root, and says so where it is not.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::PACKAGING;
use crate::{ground, postgres};

/// Exposure as `systemd-analyze security` counts it, in tenths: 0 is closed, 100 open. Reached:
/// what remains is the network, a fixed user, and the port below 1024.
const EXPOSURE_MAX: u32 = 15;
/// Words of lintian that are of no concern to a package outside of Debian's archive.
const LET_OFF: &str = "initial-upload-closes-no-bugs,no-symbols-control-file,\
    bogus-mail-host,maintainer-address-malformed,\
    bogus-mail-host-in-debian-changelog,non-standard-file-perm,embedded-library";

/// Has systemd read the unit.
///
/// # Errors
/// When it does not understand a line, or finds the unit more open than it was.
pub fn unit() -> Result<()> {
    ensure!(ground::has("systemd-analyze"), "no systemd-analyze here: apt install systemd");
    let text = fs::read_to_string(ground::root().join(PACKAGING).join("fulmar.service"))?;
    let folder = tempfile::tempdir()?;
    let verify = |text: &str| -> Result<String> {
        let copy = folder.path().join("fulmar.service");
        // The program is not installed here, so the copy that is verified starts one that is.
        let text = text.replace("/usr/bin/fulmar", "/bin/true").replace("man:fulmar(1) ", "");
        fs::write(&copy, text)?;
        let ran = Command::new("systemd-analyze").arg("verify").arg(&copy).output()?;
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        let ours = said.lines().filter(|line| line.contains("fulmar.service"));
        Ok(ours.collect::<Vec<_>>().join("\n"))
    };
    let said = verify(&text)?;
    ensure!(said.is_empty(), "systemd does not understand the unit: {said}");
    // And it would have said something.
    let said = verify(&format!("{text}\n[Service]\nPrivateTemp=true\n"))?;
    ensure!(said.contains("PrivateTemp"), "systemd-analyze verify says nothing of faults: {said}");
    verify(&text)?;
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--no-pager", "--offline=true"]);
    security.arg(format!("--threshold={EXPOSURE_MAX}"));
    let ran = security.arg(folder.path().join("fulmar.service")).output()?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let overall = said.lines().find(|line| line.contains("exposure level")).unwrap_or(&said);
    println!("systemd-analyze security: {}", overall.trim_matches(['→', ' ']));
    ensure!(ran.status.success(), "the unit is more open than it was: {overall}");
    Ok(())
}

/// What happens to a package in its life, as a script for the copy of this machine. `$1` is the
/// package. systemctl is replaced by what notes its words: no service manager runs there.
const LIFE: &str = r#"
set -eu
say() { echo "trial: $*"; }
fail() { echo "trial: FAILED: $*" >&2; exit 1; }
printf '#!/bin/sh\necho "$*" >> /tmp/systemctl.log\n' > /usr/bin/systemctl
chmod 755 /usr/bin/systemctl
mkdir -p /run/systemd/system
# Images of containers forbid with it what is tried here.
rm -f /usr/sbin/policy-rc.d
: > /tmp/systemctl.log
as() { setpriv --reuid fulmar --regid fulmar --clear-groups "$@"; }

dpkg -i "$1" >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail "it does not install"; }
grep -q 'systemctl enable --now fulmar' /tmp/dpkg.log || fail "a host is not told how to go on"
[ "$(stat -c '%U:%G %a' /var/lib/fulmar)" = 'fulmar:fulmar 700' ] || fail "the data folder"
[ "$(stat -c '%U:%G %a' /etc/fulmar/fulmar.toml)" = 'root:fulmar 640' ] || fail "the configuration"
grep -q start /tmp/systemctl.log && fail "it was started before anybody looked"
as fulmar config check --config /etc/fulmar/fulmar.toml >/dev/null || fail "its configuration"
[ "$(dpkg --verify fulmar)" = "" ] || fail "its files are not as packed"
say "installed"

# As the unit has it: the user, no right of root but low ports, nothing writable but its folder,
# of the processes nothing but its own.
umask 0077
: > /tmp/ready
unshare --mount sh -c '
    mount --bind /var/lib/fulmar /var/lib/fulmar
    mount -o remount,bind,ro /
    mount -t tmpfs none /dev/shm
    mount -t proc -o subset=pid,hidepid=invisible proc /proc
    exec setpriv --reuid fulmar --regid fulmar --clear-groups --no-new-privs \
        --inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service \
        --bounding-set=-all,+net_bind_service \
        fulmar serve --config /etc/fulmar/fulmar.toml --data /var/lib/fulmar \
        --listen 127.0.0.1:81' > /tmp/ready 2> /tmp/serve.log &
server=$!
tries=0
until grep -q '^ready http://127.0.0.1:81$' /tmp/ready; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] && kill -0 $server || { cat /tmp/serve.log; fail "it does not serve"; }
    sleep 0.1
done
as fulmar account create ann --email ann@example.org --data /var/lib/fulmar >/dev/null
kill -TERM $server
wait $server || fail "it does not stop as it should"
[ "$(stat -c '%U %a' /var/lib/fulmar/fulmar.db)" = 'fulmar 600' ] || \
    fail "the database has mode $(stat -c '%U %a' /var/lib/fulmar/fulmar.db)"
umask 0022
say "served on a port below 1024 as the user fulmar, and stopped"

echo '# mine' >> /etc/fulmar/fulmar.toml
dpkg -i "$1" >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail "it does not upgrade"; }
grep -q '^# mine$' /etc/fulmar/fulmar.toml || fail "an upgrade lost the configuration"
[ "$(stat -c '%U:%G %a' /etc/fulmar/fulmar.toml)" = 'root:fulmar 640' ] || fail "its owner"
grep -q 'try-restart fulmar.service' /tmp/systemctl.log || fail "what runs is not restarted"
grep -q 'stop fulmar' /tmp/systemctl.log && fail "an upgrade stops the server for good"
say "upgraded"

dpkg -r fulmar >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail "it cannot be removed"; }
grep -q 'stop fulmar.service' /tmp/systemctl.log || fail "it was not stopped"
[ -e /usr/bin/fulmar ] && fail "the program is still there"
grep -q '^# mine$' /etc/fulmar/fulmar.toml || fail "removing lost the configuration"
[ -s /var/lib/fulmar/fulmar.db ] || fail "removing lost the data"
say "removed, configuration and data kept"

dpkg -i "$1" >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail "it does not install again"; }
as fulmar account list --data /var/lib/fulmar | grep -q ann || fail "the members are gone"
dpkg -P fulmar >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail "it cannot be purged"; }
[ -e /etc/fulmar ] && fail "purging left the configuration"
[ -s /var/lib/fulmar/fulmar.db ] || fail "purging destroyed what members wrote"
grep -q 'rm -r /var/lib/fulmar' /tmp/dpkg.log || fail "nobody is told where the data is"
say "purged, data kept and named"

rm -r /var/lib/fulmar
dpkg -i "$1" >/tmp/dpkg.log 2>&1
dpkg -P fulmar >/tmp/dpkg.log 2>&1
[ -e /var/lib/fulmar ] && fail "an empty data folder stays"
say "purged without data, nothing left"
"#;

/// Why a package cannot be tried here, if it cannot.
pub fn impossible() -> Option<String> {
    let what = "the package is installed into a copy of this machine";
    if !postgres::is_root() {
        return Some(format!("{what}, which takes root"));
    }
    let mut own = Command::new("unshare");
    own.args(["--mount", "--net", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"]);
    let error = ground::output(&mut own).err()?;
    Some(format!("{what}, which this machine does not allow: {error:#}"))
}

/// Takes the package through its life in a copy of this machine.
///
/// # Errors
/// When something in it went wrong; the script says what.
pub fn package(made: &Path) -> Result<()> {
    if let Some(why) = impossible() {
        bail!("{why}");
    }
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("life.sh"), LIFE)?;
    fs::copy(made, folder.path().join("fulmar.deb")).context("copy the package")?;
    let copy = r#"
        set -eu
        at=$1/copy
        mkdir -p "$at"
        mount -t tmpfs none "$at"
        mkdir "$at/upper" "$at/work" "$at/root"
        mount -t overlay overlay "$at/root" \
            -o "lowerdir=/,upperdir=$at/upper,workdir=$at/work"
        mount -t tmpfs none "$at/root/tmp"
        mount -t tmpfs none "$at/root/run"
        mount --rbind /dev "$at/root/dev"
        mount -t proc proc "$at/root/proc"
        cp "$1/life.sh" "$1/fulmar.deb" "$at/root/tmp/"
        ip link set lo up 2>/dev/null || true
        exec chroot "$at/root" sh /tmp/life.sh /tmp/fulmar.deb
    "#;
    // A network of its own as well: the port is nobody else's there.
    let mut trial = Command::new("unshare");
    trial.args(["--mount", "--net", "--pid", "--fork", "--kill-child"]);
    trial.args(["sh", "-c", copy, "trial"]).arg(folder.path());
    ground::shown(&mut trial).context("the package's life")
}

/// Has lintian read the package, where it is installed.
///
/// # Errors
/// When it finds an error or a warning.
pub fn lint(made: &Path) -> Result<()> {
    if !ground::has("lintian") {
        println!("lintian is not installed: nobody read the package (apt install lintian)");
        return Ok(());
    }
    let mut lint = Command::new("lintian");
    lint.args(["--fail-on", "error,warning", "--suppress-tags", LET_OFF]);
    lint.arg(made);
    ground::shown(&mut lint)
}
