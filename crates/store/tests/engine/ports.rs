//! Every method of every port of the store has a case that runs on both engines, else this fails.
//!
//! A port's methods are read from its source, and cases from the tests beside this file: a call is
//! written `store.method(...)`, and a test that runs on one engine alone does not count.

use std::{collections::BTreeSet, fs, path::Path};

/// Code without comments and with all blanks made one, so that a call is one piece of text.
fn code(text: &str) -> String {
    let without = |line: &str| line.split("//").next().unwrap_or_default().trim().to_owned();
    text.lines().map(without).collect::<Vec<_>>().join(" ").replace(" .", ".")
}

/// `Port::method` of all traits in a port's source whose names end in `Store`.
fn methods(text: &str) -> BTreeSet<String> {
    let text = code(text);
    let mut found = BTreeSet::new();
    for part in text.split("pub trait ").skip(1) {
        let name = part.split(|c: char| !c.is_alphanumeric()).next().unwrap();
        if !name.ends_with("Store") || name == "Store" {
            continue;
        }
        // Up to the brace that ends the trait: ports have no bodies and no other braces.
        let body = part.split_once('{').unwrap().1.split('}').next().unwrap();
        for method in body.split("fn ").skip(1) {
            let method = method.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap();
            found.insert(format!("{name}::{method}"));
        }
    }
    found
}

/// The tests of a file that run on both engines, and what they share.
fn on_both(text: &str) -> String {
    let parts: Vec<&str> = text.split("#[test]").collect();
    parts.into_iter().filter(|part| !part.contains("check_on(")).map(code).collect()
}

fn texts(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources = files.filter(|path| path.extension().is_some_and(|end| end == "rs"));
    sources.map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// What has no case.
fn uncovered(ports: &[String], tests: &[String]) -> Vec<String> {
    let tests: String = tests.iter().map(|text| on_both(text)).collect();
    let is_called = |name: &String| {
        let (_, method) = name.split_once("::").unwrap();
        tests.contains(&format!("store.{method}("))
    };
    let all: BTreeSet<String> = ports.iter().flat_map(|text| methods(text)).collect();
    all.into_iter().filter(|name| !is_called(name)).collect()
}

#[test]
fn every_method_of_every_port_has_a_case_on_both_engines() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ports = texts(&here.join("../model/src/ports"));
    let all: usize = ports.iter().map(|text| methods(text).len()).sum();
    assert!(all > 100, "only {all} methods were read from the ports");
    let uncovered = uncovered(&ports, &texts(&here.join("tests/engine")));
    assert!(uncovered.is_empty(), "without a case on both engines: {uncovered:?}");
}

#[test]
fn a_method_without_a_case_is_found() {
    let port = "/// A port.\n#[async_trait]\npub trait GullStore: Send {\n    \
                /// Feeds (`fn nap`).\n    async fn feed(\n        &self,\n    ) -> X;\n    \
                async fn rest(&self);\n}\npub trait Clock { fn now(&self); }";
    let found: Vec<String> = methods(port).into_iter().collect();
    assert_eq!(found, ["GullStore::feed", "GullStore::rest"]);
    for (test, expected) in [
        ("#[test] fn a() { check(|case| case.store.feed()) }", "[\"GullStore::rest\"]"),
        ("#[test] fn a() { check(|case| case.store\n    .feed(); store.rest(1)) }", "[]"),
        ("#[test] fn a() { check_on(Kind::Sqlite, |case| case.store.feed()) }", "both"),
        ("#[test] fn a() { check(|case| store.feed()) } // store.rest()", "[\"GullStore::rest\"]"),
        ("#[test] fn a() { check(|case| store.feeds(); store.rested()) }", "both"),
    ] {
        let found = format!("{:?}", uncovered(&[port.to_owned()], &[test.to_owned()]));
        let both = "[\"GullStore::feed\", \"GullStore::rest\"]";
        assert_eq!(found, expected.replace("both", both), "{test}");
    }
}
