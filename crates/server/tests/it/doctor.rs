//! What the doctor says of a folder: all is well, or what to do.

use crate::instance::Instance;
use serde_json::Value;
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
};

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("changed");
}

/// What it says of one thing, and whether it ended well.
fn said(here: &Instance, check: &str) -> (bool, String) {
    let said = here.command(&["doctor", "--json"]);
    let all: Value = serde_json::from_str(&said.out).expect("JSON");
    let all = all.as_array().expect("findings");
    let found = all.iter().filter(|finding| finding["check"] == check);
    let words: Vec<String> =
        found.map(|f| format!("{} {} {}", f["verdict"], f["found"], f["advice"])).collect();
    (said.is_done, words.join("; "))
}

#[test]
fn a_sound_instance_is_called_so_and_each_trouble_by_its_name() {
    let mut here = Instance::new();
    mode(here.data(), 0o700);
    let said_all = here.command(&["doctor"]);
    assert!(said_all.is_done, "{}{}", said_all.out, said_all.err);
    assert!(said_all.out.contains("runs and answers"), "{}", said_all.out);
    assert!(!said_all.out.contains("WRONG"), "{}", said_all.out);
    let check = |here: &Instance, name, expected: &str, well| {
        let (is_done, words) = said(here, name);
        assert!(words.contains(expected) && is_done == well, "{name}: {is_done} {words}");
    };
    check(&here, "backup", "none was ever taken", true);
    check(&here, "sign-up", "without confirmation", true);
    let archive = here.data().join("all.tar.zst");
    assert!(here.command(&["backup", archive.to_str().expect("text")]).is_done);
    check(&here, "backup", "\"good\" \"0 hours old", true);
    fs::remove_file(&archive).expect("removed");
    check(&here, "backup", "not there any more", true);

    mode(here.data(), 0o755);
    check(&here, "data folder", "chmod 700", false);
    mode(here.data(), 0o700);
    mode(&here.data().join("token.key"), 0o640);
    check(&here, "secrets", "chmod 600", false);
    mode(&here.data().join("token.key"), 0o600);

    here.kill();
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address");
    here.configure(&format!("[server]\nlisten = \"{address}\"\n"));
    check(&here, "listening", "another program listens", false);
    drop(taken);
    check(&here, "listening", "is free", true);
    here.configure("[server]\nlisten = \"0.0.0.0:0\"\n");
    check(&here, "domain", "others can reach", false);
    here.configure("[server]\nlisen = \"0.0.0.0:0\"\n");
    check(&here, "configuration", "listen", false);
    here.configure("");

    check(&here, "database", "sound", true);
    fs::create_dir(here.data().join("restoring")).expect("made");
    check(&here, "restore", "interrupted", false);
    fs::remove_dir(here.data().join("restoring")).expect("removed");
    let database = here.data().join("fulmar.db");
    let mut bytes = fs::read(&database).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0x55);
    fs::write(&database, bytes).expect("written");
    check(&here, "database", "restore a backup", false);
}

#[test]
fn a_file_that_root_left_is_called_wrong_and_root_restores_into_nobodys_folder() {
    let mut here = Instance::new();
    mode(here.data(), 0o700);
    assert!(said(&here, "owners").1.contains("all is the owner's"));
    // Only root can give files away; whoever else runs this has shown what they can.
    if fs::metadata("/proc/self").expect("a process").uid() != 0 {
        return;
    }
    let archive = here.data().join("all.tar.zst");
    let name = archive.to_str().expect("text").to_owned();
    assert!(here.command(&["backup", &name]).is_done);
    here.kill();
    chown(here.data().join("token.key"), Some(4_242), None).expect("given away");
    let (is_done, words) = said(&here, "owners");
    assert!(!is_done && words.contains("token.key") && words.contains("chown -R"), "{words}");
    chown(here.data(), Some(4_242), None).expect("given away");
    let said = here.command(&["restore", &name, "--force"]);
    assert!(!said.is_done && said.err.contains("sudo -u '#4242'"), "{}", said.err);
    assert!(!here.data().join("restoring").exists());
}

#[test]
fn a_folder_without_an_instance_is_left_as_it_is() {
    let here = Instance::new();
    let elsewhere = here.data().join("elsewhere");
    let said = here.command_at(&elsewhere, &["doctor"]);
    assert!(!said.is_done && said.out.contains("fulmar serve"), "{}", said.out);
    assert!(!elsewhere.exists());
}
