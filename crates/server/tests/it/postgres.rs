//! The server on a real PostgreSQL: the main story, the command line, and the database going away
//! and coming back.

use crate::{instance::Instance, leaving, mail, story};
use serde_json::json;
use std::process::Command;
use testkit::{
    PATIENCE,
    postgres::Cluster,
    proxy::{ChaosProxy, Mood},
};
use tokio::runtime::Runtime;

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

fn fresh_database(runtime: &Runtime) -> String {
    let cluster = Cluster::shared();
    cluster.url(&runtime.block_on(cluster.database()))
}

#[test]
fn the_main_story_on_postgresql() {
    let url = fresh_database(&runtime());
    story::follow_post_kill(&mut Instance::on_postgres(&url));
}

#[test]
fn an_address_is_confirmed_on_postgresql() {
    let url = fresh_database(&runtime());
    mail::sign_up_and_confirm(&format!("[store]\npostgres_url = \"{url}\"\n"));
}

#[test]
fn a_deletion_on_postgresql() {
    let url = fresh_database(&runtime());
    leaving::deletion(&mut Instance::on_postgres(&url));
}

#[test]
fn members_are_told_to_come_back_while_the_database_is_away_and_need_no_restart() {
    let runtime = runtime();
    let url = fresh_database(&runtime);
    let target = ([127, 0, 0, 1], Cluster::shared().port()).into();
    let proxy = runtime.block_on(ChaosProxy::to(target)).expect("a proxy");
    let name = url.rsplit('/').next().expect("a name");
    let here = Instance::on_postgres(&format!("postgres://postgres@{}/{name}", proxy.address()));
    let ann = here.member("ann");
    let post =
        |text: &str| here.ask("POST", "/api/v1/statuses", &ann, Some(json!({ "status": text })));
    assert_eq!(post("before").status, 200);
    for mood in [Mood::Cut, Mood::Stalled] {
        proxy.set(mood);
        for path in ["/api/v1/statuses", "/api/v1/bookmarks", "/ready"] {
            let method = if path.ends_with("statuses") { "POST" } else { "GET" };
            let away = here.ask(method, path, &ann, Some(json!({ "status": "during" })));
            assert_eq!(away.status, 503, "{mood:?} {path}: {}", away.body);
            assert!(away.head.to_lowercase().contains("retry-after: "), "{}", away.head);
            let said = away.body.to_string().to_lowercase();
            assert!(!said.contains("postgres") && !said.contains("connection"), "{said}");
        }
        proxy.set(Mood::Open);
        let back = runtime.block_on(async {
            let again = async {
                while post("after").status != 200 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(PATIENCE, again).await
        });
        assert!(back.is_ok(), "{mood:?}: it did not come back");
    }
}

#[test]
fn a_database_that_is_not_there_is_said_at_the_start_without_the_password() {
    let data = tempfile::TempDir::new().expect("a folder");
    let config = data.path().join("fulmar.toml");
    let port = Cluster::shared().port();
    let url = format!("postgres://postgres:hush@127.0.0.1:{port}/nowhere");
    std::fs::write(&config, format!("[store]\npostgres_url = \"{url}\"\n")).expect("written");
    let missing = "database \"nowhere\" does not exist";
    for (words, why) in [
        (&["serve", "--listen", "127.0.0.1:0"][..], missing),
        // Nothing was begun, so there is nothing that a command could be for.
        (&["account", "list"], "begin one with `fulmar serve`"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fulmar"));
        command.args(words).arg("--data").arg(data.path()).arg("--config").arg(&config);
        let ended = command.output().expect("it runs");
        let said = String::from_utf8(ended.stderr).expect("text");
        assert!(!ended.status.success());
        assert!(said.contains(why), "{said}");
        assert!(!said.contains("hush"), "{said}");
    }
}

#[test]
fn of_two_servers_on_one_database_the_second_is_refused_and_takes_over_when_the_first_is_gone() {
    let url = fresh_database(&runtime());
    let mut first = Instance::on_postgres(&url);
    let ann = first.member("ann");
    let data = tempfile::TempDir::new().expect("a folder");
    for words in [&["serve", "--listen", "127.0.0.1:0"][..], &["account", "list"]] {
        let said = first.command_at(data.path(), words);
        assert!(!said.is_done && said.err.contains("another Fulmar works on"), "{}", said.err);
    }
    let posted = first.ask("POST", "/api/v1/statuses", &ann, Some(json!({ "status": "still" })));
    assert_eq!(posted.status, 200, "{}", posted.body);
    first.kill();
    let said = first.command_at(data.path(), &["account", "show", "ann", "--json"]);
    assert!(said.is_done, "{}", said.err);
}
