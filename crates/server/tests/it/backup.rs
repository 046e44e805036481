//! Backups: taken while people post, restored elsewhere, and refused where they are not whole.

use crate::{
    instance::Instance,
    media::{path, uploaded},
};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};
use tempfile::TempDir;
use testkit::postgres::Cluster;

const STATUSES: &str = "/api/v1/statuses";

fn post(here: &Instance, token: &str, text: &str) -> String {
    let answer = here.ask("POST", STATUSES, token, Some(json!({ "status": text })));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["id"].as_str().expect("an id").to_owned()
}

/// An archive of this instance, in a folder of its own.
fn archive(here: &Instance) -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("all.tar.zst");
    let said = here.command(&["backup", file.to_str().expect("text")]);
    assert!(said.is_done, "{}", said.err);
    (folder, file)
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.expect("an entry").file_name().into_string().expect("text")
    };
    let mut names: Vec<String> = fs::read_dir(folder).expect("a folder").map(name).collect();
    names.sort();
    names
}

/// Lines of configuration for a database of PostgreSQL that nobody uses.
fn fresh_database() -> String {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let cluster = Cluster::shared();
    let url = cluster.url(&runtime.block_on(cluster.database()));
    format!("[store]\npostgres_url = \"{url}\"\n")
}

#[test]
fn a_backup_under_load_restores_every_post_and_picture_from_before_it() {
    under_load("", "");
}

#[test]
fn so_does_one_from_postgresql() {
    under_load(&fresh_database(), &fresh_database());
}

fn under_load(config: &str, other: &str) {
    let here = Instance::with(config);
    let ann = here.member("ann");
    let media = uploaded(&here, &ann, &[("description", "a gull")]);
    let body = json!({ "status": "look", "media_ids": [media["id"]] });
    let shown = here.ask("POST", STATUSES, &ann, Some(body)).body;
    let before: Vec<String> = (0..20).map(|n| post(&here, &ann, &format!("before {n}"))).collect();
    let done = AtomicBool::new(false);
    let (during, (folder, file)) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut during = vec![];
            while !done.load(Ordering::Relaxed) || during.is_empty() {
                during.push(post(&here, &ann, &format!("during {}", during.len())));
            }
            during
        });
        let taken = archive(&here);
        done.store(true, Ordering::Relaxed);
        (writer.join().expect("a writer"), taken)
    });
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(names(folder.path()), ["all.tar.zst"]);
    assert!(!here.data().join("backing-up").exists());
    drop(here);

    let (there, said) = Instance::restored(&file, other);
    assert!(said.out.contains("restored 2 accounts"), "{}", said.out);
    // The same key: her token still opens what is hers.
    for id in &before {
        assert_eq!(there.ask("GET", &format!("{STATUSES}/{id}"), &ann, None).status, 200);
    }
    let is_there = |id| there.ask("GET", &format!("{STATUSES}/{id}"), &ann, None).status == 200;
    let kept: Vec<bool> = during.iter().map(is_there).collect();
    assert!(kept.is_sorted_by(|a, b| a >= b), "a gap among posts in a row: {kept:?}");
    let file = path(&shown["media_attachments"][0]["url"]);
    let (head, bytes) = there.exchange("GET", &file, "", "", b"");
    assert!(head.starts_with("HTTP/1.1 200") && bytes.len() > 50, "{head}");
    post(&there, &ann, "and it goes on");
}

#[test]
fn an_archive_that_is_not_whole_changes_nothing() {
    let here = Instance::new();
    let ann = here.member("ann");
    uploaded(&here, &ann, &[]);
    post(&here, &ann, "kept");
    let (folder, file) = archive(&here);
    let whole = fs::read(&file).expect("an archive");
    let bad = folder.path().join("bad");
    let data = folder.path().join("data");
    let mut cases: Vec<(String, Vec<u8>)> = [0, 1, 100, whole.len() / 2, whole.len() - 1]
        .map(|length| (format!("cut at {length}"), whole[..length].to_vec()))
        .into();
    for eighth in 0..8 {
        let at = (whole.len() - 1) * eighth / 7;
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        cases.push((format!("changed at {at}"), bytes));
    }
    cases.push(("longer".into(), [whole.as_slice(), b"more"].concat()));
    cases.push(("something else".into(), b"PK\x03\x04 no archive of ours".to_vec()));
    for (case, bytes) in cases {
        fs::write(&bad, bytes).expect("written");
        let said = here.command_at(&data, &["restore", bad.to_str().expect("text")]);
        assert!(!said.is_done && said.err.contains("was not restored"), "{case}: {}", said.err);
        assert_eq!(names(&data), ["lock"], "{case}");
    }
    let said = here.command_at(&data, &["restore", file.to_str().expect("text")]);
    assert!(said.is_done, "{}", said.err);
}

#[test]
fn nothing_is_overwritten_unless_forced() {
    let mut here = Instance::new();
    let ann = here.member("ann");
    let old = post(&here, &ann, "before");
    let (_folder, file) = archive(&here);
    let name = file.to_str().expect("text").to_owned();
    let said = here.command(&["backup", &name]);
    assert!(!said.is_done && said.err.contains("--force"), "{}", said.err);
    let said = here.command(&["restore", &name, "--force"]);
    assert!(!said.is_done && said.err.contains("Stop it first"), "{}", said.err);
    let new = post(&here, &ann, "after");
    here.kill();
    let said = here.command(&["restore", &name]);
    assert!(!said.is_done && said.err.contains("--force"), "{}", said.err);
    let said = here.command(&["restore", &name, "--force"]);
    assert!(said.is_done && said.out.contains("before-restore-"), "{}{}", said.out, said.err);
    let aside = names(here.data()).into_iter().find(|n| n.starts_with("before-restore-"));
    let aside = names(&here.data().join(aside.expect("what was there")));
    assert!(aside.contains(&"fulmar.db".to_owned()), "{aside:?}");
    // Without a server the command takes it itself, over the first.
    let said = here.command(&["backup", &name, "--force"]);
    assert!(said.is_done, "{}", said.err);
    here.kill_and_restart();
    assert_eq!(here.ask("GET", &format!("{STATUSES}/{old}"), &ann, None).status, 200);
    assert_eq!(here.ask("GET", &format!("{STATUSES}/{new}"), &ann, None).status, 404);
}

#[test]
fn a_database_that_is_not_empty_is_left_alone_and_forced_it_goes_aside() {
    let database = fresh_database();
    let mut here = Instance::with(&database);
    let ann = here.member("ann");
    let old = post(&here, &ann, "before");
    let (folder, file) = archive(&here);
    let name = file.to_str().expect("text").to_owned();
    let new = post(&here, &ann, "after");
    here.kill();
    let elsewhere = folder.path().join("data");
    let said = here.command_at(&elsewhere, &["restore", &name]);
    assert!(!said.is_done && said.err.contains("is not empty"), "{}", said.err);
    assert_eq!(names(&elsewhere), ["lock"]);
    let said = here.command(&["restore", &name, "--force"]);
    assert!(said.is_done && said.out.contains("in the schema before_restore_"), "{}", said.err);
    let schema = said.out.trim().rsplit(' ').next().expect("a name").to_owned();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let aside = runtime.block_on(async {
        let url = database.split('"').nth(1).expect("an address");
        let client = Cluster::shared().client(url.rsplit('/').next().expect("a name")).await;
        let sql = format!("SELECT COUNT(*) FROM {schema}.status");
        client.query_one(&sql, &[]).await.expect("what was there").get::<_, i64>(0)
    });
    assert_eq!(aside, 2);
    here.kill_and_restart();
    assert_eq!(here.ask("GET", &format!("{STATUSES}/{old}"), &ann, None).status, 200);
    assert_eq!(here.ask("GET", &format!("{STATUSES}/{new}"), &ann, None).status, 404);
    post(&here, &ann, "and it goes on");
}

#[test]
fn a_backup_goes_back_to_the_kind_of_database_that_it_came_from() {
    for (from, into, expected) in [
        (String::new(), fresh_database(), "names PostgreSQL"),
        (fresh_database(), String::new(), "the configuration names none"),
    ] {
        let here = Instance::with(&from);
        let (folder, file) = archive(&here);
        here.configure(&into);
        let data = folder.path().join("data");
        let said = here.command_at(&data, &["restore", file.to_str().expect("text")]);
        assert!(!said.is_done && said.err.contains(expected), "{}", said.err);
        assert_eq!(names(&data), ["lock"]);
    }
}

#[test]
fn an_interrupted_restore_keeps_the_folder_closed_and_is_finished_by_the_next() {
    let mut here = Instance::new();
    let ann = here.member("ann");
    let id = post(&here, &ann, "kept");
    let (folder, file) = archive(&here);
    here.kill();
    // As a power cut leaves it: unpacked and verified, the marker is there, the key has moved.
    let data = folder.path().join("data");
    let words = ["restore", file.to_str().expect("text")];
    assert!(here.command_at(&data, &words).is_done);
    let stage = data.join("restoring");
    fs::create_dir_all(stage.join("new")).expect("made");
    for name in ["fulmar.db", "media"] {
        fs::rename(data.join(name), stage.join("new").join(name)).expect("moved");
    }
    let moving: Value = json!({
        "file": file, "aside": "before-restore-1", "accounts": 2, "posts": 1, "media_files": 0,
        "header": { "fulmar_backup": 1, "version": "0", "created": "then", "media": true },
    });
    fs::write(stage.join("moving.json"), moving.to_string()).expect("written");
    let list = json!(["fulmar.db", "media", "token.key"]);
    fs::write(stage.join("names"), list.to_string()).expect("written");
    let said = here.command_at(&data, &["account", "list"]);
    assert!(!said.is_done && said.err.contains("interrupted"), "{}", said.err);
    let said = here.command_at(&data, &words);
    assert!(said.is_done && said.out.contains("restored 2 accounts"), "{}{}", said.out, said.err);
    let said = here.command_at(&data, &["account", "show", "ann", "--json"]);
    assert!(said.is_done, "{}", said.err);
    let shown: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(shown["posts"], 1, "{id}");
    assert!(!stage.exists() && !data.join("before-restore-1").exists());
    // Killed when nothing but its own cleaning was left: whoever opens the folder next does that.
    let left = data.join("restored");
    fs::create_dir_all(left.join("new")).expect("made");
    fs::write(left.join("moving.json"), moving.to_string()).expect("written");
    assert!(here.command_at(&data, &["account", "show", "ann"]).is_done);
    assert!(!left.exists());
}

/// The tables may be in the database, for the answer of an earlier try was lost: so long as nobody
/// could ask, nothing is given up and nobody is told that nothing was changed.
#[test]
fn a_restore_of_tables_is_given_up_only_when_nothing_was_done_for_sure() {
    let here = Instance::with("");
    let folder = TempDir::new().expect("a folder");
    let (data, file) = (folder.path().join("data"), folder.path().join("all.tar.zst"));
    let tables = data.join("restoring/new/database");
    fs::create_dir_all(&tables).expect("made");
    let moving = json!({
        "file": file, "aside": "before-restore-1", "accounts": 2, "posts": 1, "media_files": 0,
        "header": { "fulmar_backup": 1, "version": "0", "created": "then", "media": true },
    });
    fs::write(data.join("restoring/moving.json"), moving.to_string()).expect("written");
    let words = ["restore", file.to_str().expect("text")];
    // A port on which nobody answers: taken and left again.
    let gone = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = gone.local_addr().expect("its address").port();
    drop(gone);
    here.configure(&format!("[store]\npostgres_url = \"postgres://a@127.0.0.1:{port}/b\"\n"));
    let said = here.command_at(&data, &words);
    assert!(!said.is_done && said.err.contains("not known whether"), "{}", said.err);
    assert!(said.err.contains("run `fulmar restore` again"), "{}", said.err);
    assert!(tables.exists() && data.join("restoring/moving.json").exists());
    // Asked, the database knows of no such restore, and the copy is none.
    here.configure(&fresh_database());
    let said = here.command_at(&data, &words);
    assert!(!said.is_done && said.err.contains("nothing was changed"), "{}", said.err);
    assert_eq!(names(&data), ["lock"]);
}
