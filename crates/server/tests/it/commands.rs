//! Commands of the host, beside a running server and without one: the same words, the same result,
//! and known to the server at once.

use crate::instance::Instance;
use serde_json::Value;
use std::{
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    process::Command,
};

const VERIFY: &str = "/api/v1/accounts/verify_credentials";

fn json(here: &Instance, words: &[&str]) -> Value {
    let said = here.command(words);
    assert!(said.is_done, "{words:?}: {}", said.err);
    serde_json::from_str(&said.out).expect("JSON")
}

/// What a token is answered, now or after the server is back.
fn status(here: &mut Instance, served: bool, token: &str) -> u16 {
    if !served {
        here.kill_and_restart();
    }
    let status = here.ask("GET", VERIFY, token, None).status;
    if !served {
        here.kill();
    }
    status
}

#[test]
fn in_a_folder_that_all_may_enter_nobody_else_reads_what_is_kept() {
    let here = Instance::new();
    let open = here.data().join("open to all");
    std::fs::create_dir(&open).expect("a folder");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).expect("opened");
    let words = ["account", "create", "ann", "--email", "ann@example.org"];
    let said = here.command_at(&open, &words);
    assert!(said.is_done, "{}", said.err);
    let mut files = 0;
    for entry in std::fs::read_dir(&open).expect("a folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("a mode").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", entry.path().display());
        files += 1;
    }
    assert!(files > 1, "a database and a key at least");
}

#[test]
fn decisions_take_effect_at_once_and_are_kept() {
    for served in [true, false] {
        let mut here = Instance::new();
        let token = here.member("ann");
        if !served {
            here.kill();
        }
        let suspend = ["account", "suspend", "ann", "--reason", "sells watches", "--json"];
        assert!(json(&here, &suspend)["suspended"].is_string());
        assert_eq!(json(&here, &suspend)["already"], true);
        assert_eq!(status(&mut here, served, &token), 401);
        assert!(!here.command(&["token", "create", "ann"]).is_done);
        assert!(json(&here, &["account", "unsuspend", "@ann", "--json"])["suspended"].is_null());
        assert_eq!(status(&mut here, served, &token), 200);

        let tokens = json(&here, &["token", "list", "ann", "--json"]);
        let id = tokens[0]["id"].as_str().expect("a number").to_owned();
        assert!(here.command(&["token", "revoke", &id]).out.contains("has ended"));
        assert!(here.command(&["token", "revoke", &token]).out.contains("had ended before"));
        assert_eq!(status(&mut here, served, &token), 401);

        let token = here.token("ann");
        let reset = json(&here, &["account", "reset-password", "ann", "--json"]);
        assert!(reset["password"].as_str().is_some_and(|password| password.len() > 20));
        assert_eq!(status(&mut here, served, &token), 401);

        let role = json(&here, &["account", "role", "ann", "moderator", "--json"]);
        assert_eq!(role["role"], "moderator");
        let shown = json(&here, &["account", "show", "ann", "--json"]);
        let kept = shown["decisions"].as_array().expect("decisions");
        let verdicts: Vec<_> = kept.iter().map(|d| d["verdict"].as_str().expect("one")).collect();
        assert_eq!(verdicts, ["role moderator", "password", "unsuspend", "suspend"]);
        assert_eq!(kept[3]["reason"], "sells watches");
        let list = json(&here, &["account", "list", "--json"]);
        assert_eq!((&list[0]["username"], &list[1]["username"]), (&"ann".into(), &"owner".into()));
    }
}

#[test]
fn what_cannot_be_done_says_what_to_do() {
    for served in [true, false] {
        let mut here = Instance::new();
        if !served {
            here.kill();
        }
        for (words, expected) in [
            (["account", "suspend", "owner"].as_slice(), "make somebody else an owner"),
            (&["account", "role", "owner", "member"], "make somebody else an owner"),
            (&["account", "role", "owner", "king"], "member, moderator or owner"),
            (&["account", "show", "nobody"], "fulmar account list"),
            (&["account", "create", "owner", "--email", "o@example.org"], "already been taken"),
            (&["account", "create", "o o", "--email", "o@example.org"], "only letters"),
            (&["token", "create", "owner", "--scopes", "all"], "they are: read write"),
            (&["token", "revoke", "12"], "fulmar token list"),
            (&["token", "revoke", "forged"], "fulmar token list"),
        ] {
            let said = here.command(words);
            assert!(!said.is_done && said.out.is_empty(), "{words:?}: {}", said.out);
            assert!(said.err.contains(expected), "{words:?}: {}", said.err);
        }
    }
}

#[test]
fn a_command_makes_no_instance_where_there_is_none() {
    let here = Instance::new();
    let elsewhere = here.data().join("elsewhere");
    let said = here.command_at(&elsewhere, &["account", "list"]);
    assert!(!said.is_done && said.err.contains("fulmar serve"), "{}", said.err);
    assert!(!elsewhere.exists());
}

#[test]
fn a_folder_is_served_once_and_its_socket_is_the_owners() {
    let mut here = Instance::new();
    let second = here.command(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(!second.is_done && second.err.contains("is taken"), "{}", second.err);
    let socket = here.data().join("control.sock");
    let about = std::fs::metadata(&socket).expect("a socket");
    assert!(about.file_type().is_socket());
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
    // A killed server leaves its socket; the next one takes its place.
    here.kill();
    assert!(socket.exists());
    here.kill_and_restart();
    here.member("ann");
    here.terminate();
    here.wait();
    assert!(!socket.exists());
}

#[test]
fn a_reader_who_leaves_a_pipe_is_no_fault() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fulmar"));
    let ran = command.args(["config", "default"]).stdout(writer).output().expect("runs");
    assert_eq!(String::from_utf8_lossy(&ran.stderr), "");
}

/// The program as a user without the right to pass over permissions, whoever runs the tests.
fn as_nobody_special() -> Command {
    let program = env!("CARGO_BIN_EXE_fulmar");
    let is_root = std::fs::metadata("/proc/self").expect("a process").uid() == 0;
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all", program]);
    command
}

#[test]
fn what_the_system_refuses_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let (file, closed, shut) = (at("file"), at("closed"), at("shut.toml"));
    std::fs::write(&file, "no backup, no folder and no configuration").expect("written");
    std::fs::write(&shut, "").expect("written");
    let words = ["account", "create", "ann", "--email", "ann@example.org", "--data", &closed];
    let made = Command::new(env!("CARGO_BIN_EXE_fulmar")).args(words).output().expect("runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let close = |path: &str, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    };
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).expect("one");
    let (absent, fresh, empty) = (at("absent.toml"), at("fresh"), at("empty"));
    let deep = at("no/such/folder/all.tar.zst");
    let (damaged, secure) = (at("damaged"), at("secure.toml"));
    std::fs::create_dir(&damaged).expect("a folder");
    std::fs::write(format!("{damaged}/fulmar.db"), "no database".repeat(99)).expect("written");
    std::fs::write(format!("{damaged}/token.key"), [7; 32]).expect("written");
    let nowhere = "[tls]\ncertificate = \"/no/chain.pem\"\nkey = \"/no/key.pem\"\n";
    std::fs::write(&secure, nowhere).expect("written");
    close(&shut, 0);
    for (words, is_closed, expected) in [
        (&["serve", "--data", &fresh, "--listen", &taken.1][..], false, "choose another port"),
        (&["serve", "--data", &fresh, "--config", &absent], false, "fulmar config default >"),
        (&["config", "check", "--config", &absent], false, "fulmar config default >"),
        (&["config", "check", "--config", &shut], false, "sudo -u fulmar"),
        (&["config", "check", "--config", &closed], false, "name a file in it"),
        (&["config", "check", "--config", &file], false, "line 1"),
        (&["serve", "--data", &file, "--listen", "127.0.0.1:0"], false, "name another place"),
        (&["account", "list", "--data", &file], false, "fulmar serve"),
        (&["account", "list", "--data", &damaged], false, "fulmar restore BACKUP"),
        (&["serve", "--data", &damaged, "--listen", "127.0.0.1:0"], false, "fulmar doctor"),
        (&["serve", "--data", &fresh, "--config", &secure], false, "how it is written"),
        (&["account", "list", "--data", &closed], true, "sudo -u fulmar"),
        (&["serve", "--data", &closed, "--listen", "127.0.0.1:0"], true, "sudo -u fulmar"),
        (&["backup", &at("all"), "--data", &closed], true, "sudo -u fulmar"),
        (&["restore", &file, "--data", &closed], true, "sudo -u fulmar"),
        (&["doctor", "--data", &closed], true, "thing is wrong"),
        (&["backup", &deep, "--data", &closed], false, "name a file in a folder"),
        (&["backup", &file, "--data", &closed], false, "--force"),
        (&["restore", &deep, "--data", &empty], false, "how it is written"),
        (&["restore", &file, "--data", &empty], false, "no backup of Fulmar"),
        (&["restore", &file, "--data", &closed], false, "--force"),
    ] {
        close(&closed, if is_closed { 0 } else { 0o700 });
        let ran = as_nobody_special().args(words).output().expect("runs");
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(!ran.status.success() && said.contains(expected), "{words:?}: {said}");
        let lines = said.lines().filter(|line| line.contains("panicked")).count();
        assert_eq!(lines, 0, "{words:?}: {said}");
    }
    close(&closed, 0o700);
}
