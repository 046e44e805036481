//! The figures: on their own listener and nowhere else, under names that dashboards can rely on,
//! and true.

use crate::service::{Service, ask, get};
use std::{collections::BTreeSet, process::Command};

/// The value of a row, by the whole of its name and labels.
fn value(text: &str, row: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(' '))?;
    Some(line.parse().expect("a number"))
}

#[test]
fn figures_are_told_on_their_own_listener_and_nowhere_else() {
    let mut here = Service::start("[metrics]\nlisten = \"127.0.0.1:0\"\n", &[]);
    let metrics = figures_at(&mut here);
    for _ in 0..3 {
        assert_eq!(get(here.address(), "/health").status(), 200);
    }
    // With a slash at the end it is the same route; without a route all paths are one.
    assert_eq!(get(here.address(), "/health/").status(), 200);
    for path in ["/metrics", "/api/v1/metrics", "/nowhere/at/all?x=secret"] {
        assert_eq!(get(here.address(), path).status(), 404, "{path}");
    }
    assert_eq!(get(here.address(), "/api/v1/timelines/home").status(), 401);
    let heard = get(metrics, "/metrics");
    assert_eq!(heard.status(), 200);
    assert!(heard.head.contains("application/openmetrics-text"), "{}", heard.head);
    let text = &heard.body;
    let health = "method=\"GET\",route=\"/health\"";
    for (row, expected) in [
        (format!("fulmar_requests_total{{{health},status=\"2xx\"}}"), 4.0),
        (format!("fulmar_request_duration_seconds_count{{{health}}}"), 4.0),
        (format!("fulmar_request_duration_seconds_bucket{{le=\"+Inf\",{health}}}"), 4.0),
        ("fulmar_requests_total{method=\"other\",route=\"none\",status=\"4xx\"}".to_owned(), 3.0),
        (
            "fulmar_requests_total{method=\"GET\",route=\"/api/v1/timelines/home\",\
             status=\"4xx\"}"
                .to_owned(),
            1.0,
        ),
        ("fulmar_edge_connections_total{outcome=\"accepted\"}".to_owned(), 8.0),
        ("fulmar_edge_cut_total{reason=\"slow_reader\"}".to_owned(), 0.0),
        ("fulmar_edge_requests_total{outcome=\"begun\"}".to_owned(), 8.0),
        ("fulmar_store_up".to_owned(), 1.0),
        ("fulmar_streams".to_owned(), 0.0),
        ("fulmar_home_rings".to_owned(), 0.0),
    ] {
        assert_eq!(value(text, &row), Some(expected), "{row}\n{text}");
    }
    for name in ["fulmar_resident_bytes", "fulmar_database_bytes", "fulmar_store_answer_seconds"] {
        assert!(value(text, name).is_some_and(|value| value > 0.0), "{name}\n{text}");
    }
    assert!(text.ends_with("# EOF\n") && !text.contains("secret"), "{text}");
    // There is nothing else on that listener, and it says so.
    let nothing = get(metrics, "/health");
    assert_eq!((nothing.status(), nothing.body.trim()), (404, "figures are at /metrics"));
    let wrong = ask(metrics, "POST", "/metrics");
    assert_eq!((wrong.status(), wrong.body.trim()), (405, "figures are read: GET /metrics"));
}

/// The address of the figures of a server that has them.
fn figures_at(here: &mut Service) -> std::net::SocketAddr {
    let line = here.logged("metrics are served");
    line.split("address=").nth(1).expect("an address").trim().parse().expect("one")
}

/// Figures by the names under which Prometheus keeps them.
fn figures(config: &str) -> BTreeSet<String> {
    let mut here = Service::start(&format!("[metrics]\nlisten = \"127.0.0.1:0\"\n{config}"), &[]);
    let metrics = figures_at(&mut here);
    // A route has figures once somebody has asked for it. Over TLS this is no request, but counted.
    let _ = std::net::TcpStream::connect(here.address());
    let text = get(metrics, "/metrics").body;
    let named = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let named = named.map(|(name, kind)| match kind {
        "counter" => format!("{name}_total"),
        _ => name.to_owned(),
    });
    named.collect()
}

/// What a host reads of a figure is there, and what is there a host can read of: also where mail is
/// sent, certificates are asked for and TLS is spoken.
#[test]
fn the_page_for_hosts_names_every_figure_and_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    std::fs::write(&chain, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let with_files = format!(
        "[server]\ndomain = \"fulmar.example\"\n[tls]\ncertificate = {chain:?}\nkey = {key:?}\n\
         [mail]\nhost = \"127.0.0.1\"\nport = 1\nfrom = \"owner@fulmar.example\"\n\
         tls = \"none\"\n"
    );
    let with_authority = "[server]\ndomain = \"fulmar.example\"\n[tls]\nacme = true\n\
         acme_terms_accepted = true\nacme_contact = \"owner@fulmar.example\"\n\
         acme_directory = \"https://127.0.0.1:1/dir\"\n";
    let mut there = figures(&with_files);
    there.extend(figures(with_authority));
    assert!(there.contains("fulmar_mails_total"), "{there:?}");
    let page = include_str!("../../../../docs/operating/monitoring.md");
    let words = page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let told: BTreeSet<String> =
        words.filter(|word| word.starts_with("fulmar_")).map(str::to_owned).collect();
    let untold: Vec<&String> = there.difference(&told).collect();
    let absent: Vec<&String> = told.difference(&there).collect();
    assert!(untold.is_empty() && absent.is_empty(), "untold: {untold:?}, absent: {absent:?}");
}

#[test]
fn an_address_that_others_can_reach_must_be_meant() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("fulmar.toml");
    for (text, fine) in [
        ("listen = \"0.0.0.0:9464\"", false),
        ("listen = \"[::]:9464\"", false),
        ("listen = \"0.0.0.0:9464\"\npublic = true", true),
        ("listen = \"[::1]:9464\"", true),
        ("listen = \"127.0.0.1:9464\"", true),
    ] {
        std::fs::write(&file, format!("[metrics]\n{text}\n")).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_fulmar"));
        let ran = command.args(["config", "check", "--config"]).arg(&file).output().expect("runs");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.success(), fine, "{text}: {said}");
        assert!(fine || said.contains("metrics.public = true"), "{said}");
    }
}
