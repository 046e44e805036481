//! The deny set of a running server, in a network namespace of the test's own: what an operator
//! types takes effect at once, and however the server ends, nothing of it stays behind.

use crate::lab::{Lab, SERVER, SERVER_6};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// A server where the laboratory's peers can reach it.
struct Server<'l> {
    lab: &'l Lab,
    folder: TempDir,
    child: Child,
    port: u16,
    log: BufReader<std::process::ChildStderr>,
}

fn started(mut command: Command, folder: TempDir, lab: &Lab) -> Server<'_> {
    command.args(["serve", "--listen", "[::]:0", "--data"]).arg(folder.path().join("data"));
    command.arg("--config").arg(folder.path().join("fulmar.toml")).env_remove("RUST_LOG");
    let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.expect("the binary starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("standard output");
    BufReader::new(out).read_line(&mut line).expect("a line");
    let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
    let log = BufReader::new(child.stderr.take().expect("standard error"));
    Server { lab, folder, child, port: port.unwrap_or_else(|| panic!("ready: {line:?}")), log }
}

impl<'l> Server<'l> {
    fn start(lab: &'l Lab, config: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("fulmar.toml"), config).expect("a configuration");
        started(lab.command(env!("CARGO_BIN_EXE_fulmar")), folder, lab)
    }

    /// A command beside it, from where its host sits: in another namespace.
    fn say(&self, words: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fulmar"));
        command.args(words).arg("--data").arg(self.folder.path().join("data"));
        let ran = command.arg("--config").arg(self.folder.path().join("fulmar.toml")).output();
        let ran = ran.expect("runs");
        let text = [ran.stdout, ran.stderr].concat();
        (ran.status.success(), String::from_utf8(text).expect("text"))
    }

    fn listed(&self) -> Vec<Value> {
        let (is_done, said) = self.say(&["shield", "list", "--json"]);
        assert!(is_done, "{said}");
        let said: Value = serde_json::from_str(&said).expect("JSON");
        said["entries"].as_array().expect("entries").clone()
    }

    /// Its log up to the line with this in it.
    fn logged(&mut self, wanted: &str) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            let read = self.log.read_line(&mut line).expect("its log");
            assert!(read > 0, "it ended without {wanted:?}:\n{all}");
            if line.contains(wanted) {
                return line;
            }
            all += &line;
        }
    }

    fn serves(&self, from: &str) -> bool {
        let to = if from.contains(':') { SERVER_6 } else { SERVER };
        self.lab.reaches(from, to, self.port)
    }

    fn end(&mut self, signal: &str) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args([signal, &pid]).status().expect("runs");
        assert!(told.success());
        self.child.wait().expect("gone");
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_an_operator_says_of_an_address_takes_effect_at_once() {
    let Some(lab) = Lab::new() else { return };
    let here = Server::start(&lab, "");
    for (address, shown, from) in [
        ("10.77.0.2", "10.77.0.2", "10.77.0.2"),
        ("fd77:0:0:5::b", "fd77:0:0:5::/64", "fd77:0:0:5::a"),
    ] {
        assert!(here.serves(from));
        let (is_done, said) = here.say(&["shield", "deny", address, "--seconds", "600"]);
        assert!(is_done, "{said}");
        assert!(!here.serves(from) && here.serves("10.77.0.3"), "{address}");
        let listed = here.listed();
        let [entry] = listed.as_slice() else { panic!("{listed:?}") };
        assert_eq!(entry["address"], shown);
        assert_eq!(entry["why"], "operator");
        assert!(entry["dropped_packets"].as_u64() > Some(0), "{entry}");
        let moment = |name: &str| -> jiff::Timestamp {
            entry[name].as_str().expect("a time").parse().expect("a time")
        };
        assert_eq!(moment("until").as_second() - moment("since").as_second(), 600);
        let (_, said) = here.say(&["shield", "list"]);
        assert!(said.starts_with(&format!("{shown}\tsince ")), "{said}");
        let (_, said) = here.say(&["shield", "clear", shown]);
        assert_eq!(said.trim(), "it is forgiven");
        assert!(here.serves(from), "{address} after it was forgiven");
        let (_, said) = here.say(&["shield", "clear", address]);
        assert_eq!(said.trim(), "it was not denied");
    }
    for address in ["10.77.0.2", "10.77.0.4", "2001:db8::1"] {
        assert!(here.say(&["shield", "deny", address]).0);
    }
    assert_eq!(here.listed().len(), 3);
    assert!(here.say(&["shield", "clear"]).0);
    assert!(here.listed().is_empty() && here.serves("10.77.0.2"));
    for nonsense in ["10.77.0", "10.0.0.0/8", "2001:db8::/32", "0.0.0.0", "::ffff:0:0"] {
        let (is_done, said) = here.say(&["shield", "deny", nonsense]);
        assert!(!is_done && said.contains("address"), "{nonsense}: {said}");
    }
}

#[test]
fn however_a_server_ends_its_table_is_gone() {
    let Some(lab) = Lab::new() else { return };
    // As it might be left behind by something that is not of now.
    lab.nft("table inet fulmar { set left_behind { type ipv4_addr; elements = { 10.77.0.3 }; }; }");
    lab.nft("table inet host { set kept { type ipv4_addr; elements = { 10.77.0.9 }; }; }");
    for signal in ["-TERM", "-KILL"] {
        let mut here = Server::start(&lab, "");
        assert!(here.say(&["shield", "deny", "10.77.0.2"]).0);
        assert!(!here.serves("10.77.0.2"));
        let table = lab.nft("list table inet fulmar");
        assert!(table.contains("10.77.0.2") && !table.contains("left_behind"), "{table}");
        here.end(signal);
        assert_eq!(lab.nft("list tables").trim(), "table inet host", "after {signal}");
        let (is_done, said) = here.say(&["shield", "list"]);
        assert!(!is_done && said.contains("no server runs"), "{said}");
    }
    assert!(lab.nft("list table inet host").contains("10.77.0.9"));
}

#[test]
fn without_the_right_to_it_a_server_serves_all_the_same_and_says_so() {
    let Some(lab) = Lab::new() else { return };
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("fulmar.toml"), "").expect("a configuration");
    let mut command = lab.command("setpriv");
    command.args(["--bounding-set", "-net_admin", env!("CARGO_BIN_EXE_fulmar")]);
    let mut here = started(command, folder, &lab);
    let line = here.logged("the kernel drops nothing");
    assert!(line.contains("CAP_NET_ADMIN is missing"), "{line}");
    assert!(here.serves("10.77.0.2"));
    let (is_done, said) = here.say(&["shield", "deny", "10.77.0.2"]);
    assert!(!is_done && said.contains("CAP_NET_ADMIN is missing"), "{said}");
    assert!(here.say(&["shield", "clear", "10.77.0.2"]).1.contains("it was not denied"));
    let (is_done, said) = here.say(&["shield", "list"]);
    assert!(is_done && said.contains("off: CAP_NET_ADMIN is missing"), "{said}");
    let (_, said) = here.say(&["doctor"]);
    let line = said.lines().find(|line| line.contains(" kernel ")).expect("a line");
    assert!(line.contains("note") && line.contains("CAP_NET_ADMIN"), "{line}");
    assert_eq!(lab.nft("list tables"), "");
}

#[test]
fn a_host_says_who_is_never_denied_and_whether_anybody_is() {
    let Some(lab) = Lab::new() else { return };
    let config = "[server]\ntrusted_proxies = [\"10.77.0.2\"]\n\
                  direct_networks = [\"10.77.0.0/24\", \"fd77::/16\"]\n[shield]\n\
                  never_deny = [\"fd77:0:0:5::/62\"]\n";
    let here = Server::start(&lab, config);
    for spared in ["10.77.0.2", "fd77:0:0:6::a"] {
        let (is_done, said) = here.say(&["shield", "deny", spared]);
        assert!(!is_done && said.contains("never denied"), "{said}");
        assert!(here.serves(spared));
    }
    assert!(here.say(&["shield", "deny", "10.77.0.3"]).0);
    assert!(!here.serves("10.77.0.3"));
    drop(here);
    let here = Server::start(&lab, "[shield]\nkernel = \"off\"\n");
    let (is_done, said) = here.say(&["shield", "deny", "10.77.0.3"]);
    assert!(!is_done && said.contains("shield.kernel"), "{said}");
    assert_eq!(lab.nft("list tables"), "");
}
