//! Each thing that reveals a server, and a server that nothing reveals.

use super::*;

/// A world in which these names lead to these addresses.
struct Told {
    names: &'static [(&'static str, &'static str)],
    knock: Knock,
    answer: Option<&'static str>,
}

#[async_trait]
impl World for Told {
    async fn resolve(&self, name: &str) -> Option<Vec<IpAddr>> {
        let found = self.names.iter().filter(|(known, _)| *known == name);
        Some(found.map(|(_, to)| to.parse().expect("an address")).collect())
    }
    async fn knock(&self, _: SocketAddr) -> Knock {
        self.knock
    }
    async fn ask(&self, _: SocketAddr, _: &str) -> Option<String> {
        self.answer.map(str::to_owned)
    }
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{}";
/// This server's address, as the world knows it.
const OWN: &str = "91.198.174.7";

fn told() -> Told {
    let names = &[("example.org", "93.184.216.34"), ("www.example.org", "93.184.216.34")];
    Told { names, knock: Knock::Ended, answer: Some(HEAD) }
}

/// One that it had before.
const EARLIER: &str = "198.51.100.9";

const HIDDEN: &str = "[server]\ndomain = \"example.org\"\nlisten = \"0.0.0.0:8080\"\n\
    trusted_proxies = [\"93.184.216.0/24\"]\n";
const MAIL: &str = "[mail]\nhost = \"mail.example.net\"\nfrom = \"no-reply@example.org\"\n";

/// What is said of one thing under this configuration.
async fn said(config: &str, world: &Told, check: &str) -> String {
    let config = config::parse(config).expect("a configuration");
    let own = OWN.parse().expect("an address");
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    let listening = ["127.0.0.1:5432", "0.0.0.0:22", "0.0.0.0:8080"];
    let network = Network {
        addresses: BTreeSet::from([own, loopback]),
        listening: listening.map(|one| one.parse().expect("one")).into(),
    };
    let certified = match config.tls.certificate {
        Some(_) => vec!["example.org".to_owned()],
        None => Vec::new(),
    };
    let host = "vps7.hoster.example".to_owned();
    let told = BTreeSet::from([EARLIER.parse().expect("an address")]);
    let look = Look { config: &config, network, told, host, is_served: true, certified };
    let findings = look.findings(world).await;
    let of_it = findings.iter().filter(|finding| finding.check == check);
    let lines = of_it.map(|f| format!("{:?}: {}", f.verdict, f.found));
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn each_thing_that_reveals_a_hidden_server_is_named() {
    let names: &[_] = &[("example.org", "93.184.216.34"), ("mail.example.org", OWN)];
    let all: &[_] = &[("example.org", OWN)];
    let old: &[_] = &[("old.example.org", EARLIER)];
    let open = format!("{HIDDEN}direct_networks = [\"91.198.174.7\"]\n");
    let wide = HIDDEN.replace("93.184.216.0/24", "0.0.0.0/0");
    let mailing = format!("{HIDDEN}{MAIL}");
    let near = mailing.replace("mail.example.net", "localhost");
    let through = format!("{HIDDEN}[egress]\nproxy = \"socks5://127.0.0.1:1080\"\n");
    let from = |address: &str| format!("{HIDDEN}[egress]\naddress = \"{address}\"\n");
    let apart = from("91.198.174.8").replace("0.0.0.0:8080", "91.198.174.7:8080");
    let tls = format!("{HIDDEN}[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n");
    let near_only = HIDDEN.replace("0.0.0.0:8080", "127.0.0.1:8080");
    let inner = HIDDEN.replace("0.0.0.0:8080", "10.0.0.7:8080");
    let leads = "Wrong: mail.example.org leads to 91.198.174.7, an address of this server";
    let itself = "Wrong: example.org leads to 91.198.174.7, an address of this server";
    let names_it = "HTTP/1.1 200 OK\r\n\r\nhttp://91.198.174.7/x";
    let host = "HTTP/1.1 200 OK\r\nX-Node: VPS7.hoster.example\r\n\r\n";
    let software = "HTTP/1.1 200 OK\r\nServer: nginx/1.2\r\n\r\n";
    for (check, config, world, expected) in [
        ("names", HIDDEN, Told { names, ..told() }, leads),
        ("names", HIDDEN, Told { names: all, ..told() }, itself),
        ("names", HIDDEN, Told { names: old, ..told() }, "Wrong: old.example.org leads to 198.51"),
        ("names", HIDDEN, told(), "Good: 2 of "),
        ("names", HIDDEN, Told { names: &[], ..told() }, "Note: the resolver knows none"),
        ("proxies", HIDDEN, told(), "Good: networks named: 1"),
        ("proxies", &wide, told(), "Wrong: server.trusted_proxies holds 0.0.0.0/0"),
        ("addresses", HIDDEN, told(), "Good: looked for: 91.198.174.7, 198.51.100.9"),
        ("listening", HIDDEN, told(), "Note: 91.198.174.7:8080 resets strangers"),
        ("listening", HIDDEN, Told { knock: Knock::Open, ..told() }, "Wrong: 91.198.174.7:8080"),
        ("listening", &open, Told { knock: Knock::Open, ..told() }, "Note: 91.198.174.7:8080"),
        ("listening", HIDDEN, Told { knock: Knock::Closed, ..told() }, "Good: 91.198.174.7:8080"),
        ("listening", &near_only, told(), "Good: 127.0.0.1:8080"),
        ("listening", &inner, told(), "Note: 10.0.0.7:8080: a router"),
        ("other ports", HIDDEN, told(), "Note: others listen on public addresses too: 22"),
        ("egress", HIDDEN, told(), "Note: nothing is set"),
        ("egress", &mailing, told(), "Wrong: nothing is set"),
        ("egress", &through, told(), "Good: what is sent goes through a proxy"),
        ("egress", &from(OWN), told(), "Wrong: what is sent leaves from 91.198.174.7, where"),
        ("egress", &apart, told(), "Good: what is sent leaves from 91.198.174.8"),
        ("mail", &mailing, told(), "Good: HELO and Message-ID say example.org"),
        ("mail", &near, told(), "Wrong: localhost is this machine"),
        ("certificate", &tls, told(), "Good: names example.org"),
        ("certificate", HIDDEN, told(), ""),
        ("answers", HIDDEN, told(), "Good: they name no address"),
        ("answers", HIDDEN, Told { answer: Some(names_it), ..told() }, "Wrong: an answer names"),
        ("answers", HIDDEN, Told { answer: Some(host), ..told() }, "Wrong: an answer names vps7"),
        ("answers", HIDDEN, Told { answer: Some(software), ..told() }, "Note: they carry `server"),
        ("answers", HIDDEN, Told { answer: None, ..told() }, "Note: it does not answer"),
        ("answers", &tls, told(), "Note: not looked at"),
        ("history", HIDDEN, told(), "Note: what led here before"),
    ] {
        let found = said(config, &world, check).await;
        let is_it = found.lines().any(|line| line.starts_with(expected));
        assert!(is_it || found == expected, "{check}: {found:?}, expected {expected:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_hide_is_told_and_never_blamed() {
    let config = format!("[server]\ndomain = \"example.org\"\nlisten = \"0.0.0.0:8080\"\n{MAIL}");
    let world = Told { names: &[("example.org", OWN)], knock: Knock::Open, ..told() };
    for check in ["proxies", "names", "listening", "mail", "answers", "egress", "history"] {
        let found = said(&config, &world, check).await;
        assert!(!found.contains("Wrong"), "{check}: {found}");
    }
    let found = said(&config, &world, "proxies").await;
    assert!(found.starts_with("Note: none are configured"), "{found}");
}
