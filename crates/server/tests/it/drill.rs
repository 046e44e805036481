//! `fulmar drill` as far as it does not attack: the list, and what it says to who asks for nothing
//! or for what is not there. Whole runs are tried in the crate `drill`.

use std::process::Command;

/// Whether it ends well, and what it says on standard output and standard error.
fn drill(words: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_fulmar")).arg("drill").args(words).output();
    let output = output.expect("the program");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_list_has_each_vector_with_what_it_models_and_where_it_was_seen() {
    let (is_well, list, _) = drill(&["--list"]);
    assert!(is_well);
    for name in ["page-flood", "low-and-wide", "slow-headers", "rapid-reset", "handshake-flood"] {
        assert!(list.lines().any(|line| line.trim_start().starts_with(name)), "{name}: {list}");
    }
    assert_eq!(list.matches("seen: ").count(), ::drill::VECTORS.len());
    assert_eq!(list.matches("how: ").count(), ::drill::VECTORS.len());
}

#[test]
fn what_is_not_there_is_refused_before_anything_starts() {
    let table: [(&[&str], &str); 4] = [
        (&[], "say what to run"),
        (&["--vector", "page-flod"], "--list"),
        (&["--family", "flod"], "floods"),
        (&["--vector", "page-flood", "--json", "/nowhere/a.json"], "cannot write"),
    ];
    for (words, said) in table {
        let (is_well, out, error) = drill(words);
        assert!(!is_well && out.is_empty() && error.contains(said), "{words:?}: {error}");
    }
}

#[test]
fn only_the_loopback_is_a_target_whatever_it_is_called() {
    let tokens = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let table = [
        ("http://192.0.2.1", "this machine's loopback and nothing else"),
        ("http://[2001:db8::1]:8080/", "this machine's loopback and nothing else"),
        ("https://10.0.0.1:3000", "this machine's loopback and nothing else"),
        ("ftp://127.0.0.1", "neither with http://"),
        ("http://127.0.0.1:1x", "valid port"),
        ("https://127.0.0.1:3000", "--authority"),
    ];
    for (url, said) in table {
        let words = ["--vector", "page-flood", "--target", url, "--tokens", tokens];
        let (is_well, out, error) = drill(&words);
        assert!(!is_well && out.is_empty() && error.contains(said), "{url}: {error}");
    }
    let (_, _, error) = drill(&["--vector", "page-flood", "--target", "http://127.0.0.1"]);
    assert!(error.contains("--tokens"), "{error}");
    let words = ["--vector", "page-flood", "--no-shield", "--compare"];
    assert!(drill(&words).2.contains("cannot be used with"));
}
