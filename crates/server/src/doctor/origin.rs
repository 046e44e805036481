//! What reveals where this server is, for whoever hides it behind proxies: names that lead to it,
//! what it listens on, what it sends, and what it says of itself. Asks the resolver of this machine
//! and its own addresses, and nobody else. What is asked comes through `World`, so that every
//! finding can be tried; what the findings are is decided here.

use super::{Finding, good, network::Network, note, wrong};
use crate::{
    Place,
    acme::Kept,
    certificate::{self, Facts},
    config::{self, Config},
    control,
    limits::{KNOCK_MS, KNOCKS_MAX, ORIGIN_ANSWER_BYTES_MAX, RESOLVE_MS, RESOLVES_LOST},
};
use async_trait::async_trait;
use httpkit::{
    address::is_public,
    egress::{Egress, Reach, Target},
};
use ipnet::IpNet;
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Where what to do about it is written.
const PAGE: &str = "docs/operating/behind-a-proxy.md";

/// Names under a domain that people give to machines, and that those who look for one try first.
const USUAL: [&str; 36] = [
    "www",
    "direct",
    "origin",
    "backend",
    "server",
    "host",
    "node",
    "vps",
    "web",
    "app",
    "api",
    "social",
    "mastodon",
    "files",
    "media",
    "cdn",
    "static",
    "mail",
    "smtp",
    "mx",
    "imap",
    "pop",
    "webmail",
    "autoconfig",
    "autodiscover",
    "ftp",
    "ssh",
    "vpn",
    "ns1",
    "ns2",
    "dev",
    "test",
    "staging",
    "old",
    "status",
    "git",
];

/// A wider network than this is no proxy: so many leading bits are the least (IPv4, IPv6).
const PROXY_BITS_MIN: (u8, u8) = (8, 20);

/// What happens to somebody who connects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Knock {
    /// Nothing listens, or nothing comes through.
    Closed,
    /// The connection is ended before anything is said.
    Ended,
    /// It stays open: whoever it is may speak.
    Open,
}

/// What can be asked here.
#[async_trait]
pub(super) trait World: Sync {
    /// Where a name leads, if anywhere; None where the resolver says nothing.
    async fn resolve(&self, name: &str) -> Option<Vec<IpAddr>>;
    /// Connects to an address of this machine and waits a moment.
    async fn knock(&self, at: SocketAddr) -> Knock;
    /// The whole answer of this server to a request, if it gives one.
    async fn ask(&self, at: SocketAddr, host: &str) -> Option<String>;
}

/// This machine.
pub(super) struct Here;

#[async_trait]
impl World for Here {
    async fn resolve(&self, name: &str) -> Option<Vec<IpAddr>> {
        // With the dot at its end no domain of this machine's own is tried behind it.
        let asked = tokio::net::lookup_host((format!("{name}."), 0));
        match tokio::time::timeout(Duration::from_millis(RESOLVE_MS), asked).await {
            Ok(Ok(found)) => Some(found.map(|address| address.ip().to_canonical()).collect()),
            // The library does not tell "no such name" from "nobody to ask".
            Ok(Err(_)) => Some(Vec::new()),
            Err(_) => None,
        }
    }

    async fn knock(&self, at: SocketAddr) -> Knock {
        let within = Duration::from_millis(KNOCK_MS);
        let host = at.ip().to_string();
        let egress = Egress::default();
        let to = Target { host: &host, port: at.port(), is_verified: false };
        let opened = tokio::time::timeout(within, egress.open(to, Reach::Anywhere)).await;
        let Ok(Ok(mut socket)) = opened else { return Knock::Closed };
        match tokio::time::timeout(within, socket.read_u8()).await {
            Ok(Err(_)) => Knock::Ended,
            Ok(Ok(_)) | Err(_) => Knock::Open,
        }
    }

    async fn ask(&self, at: SocketAddr, host: &str) -> Option<String> {
        let (to, egress) = (at.ip().to_string(), Egress::default());
        let asked = async {
            let to = Target { host: &to, port: at.port(), is_verified: false };
            let mut socket = egress.open(to, Reach::Anywhere).await.ok()?;
            let request = format!(
                "GET /api/v2/instance HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            );
            socket.write_all(request.as_bytes()).await.ok()?;
            let mut answer = Vec::new();
            socket.take(ORIGIN_ANSWER_BYTES_MAX).read_to_end(&mut answer).await.ok()?;
            Some(String::from_utf8_lossy(&answer).into_owned())
        };
        let within = Duration::from_millis(2 * KNOCK_MS);
        tokio::time::timeout(within, asked).await.ok().flatten().filter(|text| !text.is_empty())
    }
}

/// Looks at everything that reveals the server. `told`: addresses that the host names.
pub(super) async fn all(place: &Place, told: &[IpAddr]) -> Vec<Finding> {
    let config = match config::load(place) {
        Ok(config) => config,
        Err(error) => {
            let said = format!("{error:#}");
            return vec![wrong("configuration", said, "mend it; `fulmar config check` helps")];
        }
    };
    let is_served = control::is_served(&place.data).await;
    let certified = certified(place, &config);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let (network, told) = (Network::here(), told.iter().copied().collect());
    let host = host.trim().to_owned();
    Look { config: &config, network, told, host, is_served, certified }.findings(&Here).await
}

/// The names in the certificate that this server shows to whoever speaks TLS with it.
fn certified(place: &Place, config: &Config) -> Vec<String> {
    let facts = match &config.tls.certificate {
        Some(path) => certificate::read_file(path).and_then(|pem| Facts::of_pem(&pem)).map(Some),
        None if config.tls.acme => {
            Kept::at(&place.data).certificate().map(|kept| kept.map(|kept| kept.facts))
        }
        None => Ok(None),
    };
    facts.ok().flatten().map_or_else(Vec::new, |facts| facts.names)
}

/// What is known before anybody is asked.
pub(super) struct Look<'a> {
    pub config: &'a Config,
    pub network: Network,
    /// Addresses that the host named: a router's, or earlier ones, which may be somebody else's
    /// by now. So nobody is called there.
    pub told: BTreeSet<IpAddr>,
    /// How this machine calls itself.
    pub host: String,
    pub is_served: bool,
    pub certified: Vec<String>,
}

impl Look<'_> {
    /// Whether the host hides this server.
    fn is_hidden(&self) -> bool {
        !self.config.server.trusted_proxies.is_empty()
    }

    /// What reveals a server is wrong where it hides, and else only to be known.
    fn reveals(&self) -> fn(&'static str, String, String) -> Finding {
        if self.is_hidden() { wrong } else { note }
    }

    /// Addresses that lead here, or did.
    fn known(&self) -> BTreeSet<IpAddr> {
        self.told.iter().copied().chain(self.public()).collect()
    }

    /// Its own addresses that the world can reach.
    fn public(&self) -> Vec<IpAddr> {
        self.network.addresses.iter().copied().filter(|one| is_public(*one)).collect()
    }

    /// Where this server listens for visitors.
    fn doors(&self) -> Vec<SocketAddr> {
        let mut doors = vec![self.config.server.listen];
        doors.extend(self.config.tls.redirect_listen);
        doors
    }

    /// Everything, in the order in which it matters.
    pub(super) async fn findings(&self, world: &impl World) -> Vec<Finding> {
        let mut findings = self.proxies();
        findings.push(self.addresses());
        findings.extend(self.names(world).await);
        findings.extend(self.listening(world).await);
        findings.extend(self.others());
        findings.extend(self.certificate());
        findings.extend(self.sending());
        findings.extend(self.mail());
        findings.extend(self.answers(world).await);
        if self.is_hidden() {
            let found = "what led here before the proxies came is kept by others for years: \
                histories of DNS, heads of old mails, old posts that name the address";
            let advice = format!("was it ever reached directly? Then move it: {PAGE}");
            findings.push(note("history", found, advice));
        }
        findings
    }

    fn proxies(&self) -> Vec<Finding> {
        const NAME: &str = "proxies";
        let server = &self.config.server;
        if !self.is_hidden() {
            let found = "none are configured: everybody comes to this server's own address";
            let advice = format!("that is no secret then. To hide it: {PAGE}");
            return vec![note(NAME, found, advice)];
        }
        let is_wide = |network: &&IpNet| match network {
            IpNet::V4(network) => network.prefix_len() < PROXY_BITS_MIN.0,
            IpNet::V6(network) => network.prefix_len() < PROXY_BITS_MIN.1,
        };
        let wide = |networks: &[IpNet], key: &str| {
            let wide = networks.iter().find(is_wide)?;
            let found = format!("{key} holds {wide}: whoever is in there comes in");
            Some(wrong(NAME, found, "name exactly the networks that are meant"))
        };
        let mut findings: Vec<Finding> = wide(&server.trusted_proxies, "server.trusted_proxies")
            .into_iter()
            .chain(wide(&server.direct_networks, "server.direct_networks"))
            .collect();
        if findings.is_empty() {
            let count = server.trusted_proxies.len();
            findings.push(good(NAME, format!("networks named: {count}; others are reset at once")));
        }
        findings
    }

    fn addresses(&self) -> Finding {
        const NAME: &str = "addresses";
        let known: Vec<IpAddr> = self.known().into_iter().collect();
        if known.is_empty() {
            let found = "this machine has no public address of its own";
            return note(NAME, found, "if a router lends it one, say so with --address");
        }
        good(NAME, format!("looked for: {}", list(&known)))
    }

    /// Names that lead here.
    async fn names(&self, world: &impl World) -> Vec<Finding> {
        const NAME: &str = "names";
        let Some(domain) = &self.config.server.domain else {
            let found = "server.domain is not set: links lead to this server's own address";
            return vec![self.reveals()(NAME, found.into(), "set it".into())];
        };
        let domain = domain.host();
        let mut names: Vec<String> = vec![domain.to_owned()];
        names.extend(USUAL.iter().map(|label| format!("{label}.{domain}")));
        // Leads somewhere only if every name does.
        names.push(format!("no-such-name-here.{domain}"));
        names.extend(self.config.tls.acme_domains.iter().map(|one| one.host().to_owned()));
        let from = self.config.mail.from.as_ref().and_then(|from| from.0.rsplit_once('@'));
        names.extend(from.map(|(_, host)| host.to_ascii_lowercase()));
        let mail = self.config.mail.host.as_ref().map(|host| host.as_str().to_owned());
        names.extend(mail.filter(|host| host.parse::<IpAddr>().is_err() && host.contains('.')));
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        let (mut findings, mut answered, mut lost) = (Vec::new(), 0, 0);
        let known = self.known();
        for name in &names {
            let Some(found) = world.resolve(name).await else {
                lost += 1;
                if lost < RESOLVES_LOST {
                    continue;
                }
                let found = "the resolver does not answer: not all names were looked at";
                findings.push(note(NAME, found, "try again, and see /etc/resolv.conf"));
                break;
            };
            answered += usize::from(!found.is_empty());
            let is_own =
                |one: &&IpAddr| self.network.addresses.contains(*one) || known.contains(*one);
            if let Some(own) = found.iter().find(is_own) {
                let found = format!("{name} leads to {own}, an address of this server");
                let advice = "let it lead to the proxies, or take it away".to_owned();
                findings.push(self.reveals()(NAME, found, advice));
            }
        }
        if answered == 0 {
            let found = format!("the resolver knows none of {} names, {domain} first", names.len());
            findings.push(note(NAME, found, "is there a resolver, and is the domain in DNS?"));
        } else if findings.is_empty() {
            let found =
                format!("{answered} of {} under {domain} lead somewhere, none here", names.len());
            findings.push(good(NAME, found));
        }
        let advice = format!("`dig +short {domain} MX TXT` must name no address of this server");
        findings.push(note("mail in DNS", "MX and SPF are not asked for here", advice));
        findings
    }

    /// What this server listens on.
    async fn listening(&self, world: &impl World) -> Vec<Finding> {
        const NAME: &str = "listening";
        let mut findings = Vec::new();
        for door in self.doors() {
            let reached: Vec<IpAddr> = match door.ip().to_canonical() {
                ip if ip.is_unspecified() => {
                    let is_same = |one: &IpAddr| door.is_ipv6() || one.is_ipv4();
                    self.public().into_iter().filter(is_same).collect()
                }
                ip => vec![ip].into_iter().filter(|ip| is_public(*ip)).collect(),
            };
            if reached.is_empty() && !self.told.is_empty() && !door.ip().is_loopback() {
                let found =
                    format!("{door}: a router may pass on to it what comes to another address");
                findings.push(note(NAME, found, "try that from elsewhere: it must end at once"));
                continue;
            }
            if reached.is_empty() {
                findings
                    .push(good(NAME, format!("{door}: not on a public address of this machine")));
                continue;
            }
            for ip in reached.into_iter().take(KNOCKS_MAX) {
                findings.push(self.door(world, SocketAddr::new(ip, door.port())).await);
            }
        }
        findings
    }

    async fn door(&self, world: &impl World, at: SocketAddr) -> Finding {
        const NAME: &str = "listening";
        let server = &self.config.server;
        // Whoever knocks from here comes from that address.
        let admits = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&at.ip()));
        let is_known = admits(&server.trusted_proxies) || admits(&server.direct_networks);
        let firewall = "have the firewall admit the proxies alone, or listen on an address that \
            only they reach";
        match world.knock(at).await {
            Knock::Closed => good(NAME, format!("{at} does not answer this machine")),
            Knock::Ended if self.is_hidden() => {
                let found = format!("{at} resets strangers, but only once they are connected");
                note(NAME, found, format!("who scans sees an open port: {firewall}"))
            }
            Knock::Ended => note(NAME, format!("{at} ended a connection at once"), "look why"),
            Knock::Open if is_known => {
                let found = format!("{at} lets this machine speak, which the configuration admits");
                note(NAME, found, "try it from elsewhere: it must end at once")
            }
            Knock::Open => {
                let found = format!("{at} lets whoever connects speak");
                self.reveals()(NAME, found, format!("set server.trusted_proxies; {firewall}"))
            }
        }
    }

    /// What else listens on a public address.
    fn others(&self) -> Option<Finding> {
        const NAME: &str = "other ports";
        let own: BTreeSet<u16> = self.doors().iter().map(SocketAddr::port).collect();
        let is_seen = |one: &&SocketAddr| {
            let ip = one.ip().to_canonical();
            (ip.is_unspecified() || is_public(ip)) && !own.contains(&one.port())
        };
        let ports: BTreeSet<u16> =
            self.network.listening.iter().filter(is_seen).map(SocketAddr::port).collect();
        if ports.is_empty() {
            return Some(good(NAME, "nothing else listens on a public address"));
        }
        let ports: Vec<u16> = ports.into_iter().collect();
        let found = format!("others listen on public addresses too: {}", list(&ports));
        let advice = "each can show a name or a certificate of this place (`ss -ltnp` says who \
            they are): close them, or let the firewall admit you alone";
        Some(note(NAME, found, advice))
    }

    /// The certificate that who connects is shown.
    fn certificate(&self) -> Option<Finding> {
        const NAME: &str = "certificate";
        if self.certified.is_empty() {
            return None;
        }
        let names = list(&self.certified);
        Some(if self.is_hidden() {
            good(NAME, format!("names {names}; shown to the proxies and direct_networks only"))
        } else {
            let found = format!("who speaks TLS with the bare address is told {names}");
            note(NAME, found, "those who scan all addresses list such names")
        })
    }

    /// What this server sends by itself.
    fn sending(&self) -> Option<Finding> {
        const NAME: &str = "egress";
        let (egress, server) = (&self.config.egress, &self.config.server);
        if !self.is_hidden() {
            return None;
        }
        if egress.proxy.is_some() {
            return Some(good(NAME, "what is sent goes through a proxy, names included"));
        }
        if let Some(address) = egress.address {
            let doors = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into(), address];
            let is_same = doors.contains(&server.listen.ip());
            let found = format!("what is sent leaves from {address}");
            return Some(if is_same {
                let advice = "listen on another address, or set egress.proxy";
                wrong(NAME, format!("{found}, where this server listens too"), advice)
            } else {
                good(NAME, format!("{found}, where this server does not listen"))
            });
        }
        let found = "nothing is set: whoever this server calls sees its address";
        let advice = "set egress.proxy, or egress.address to one that is used for nothing else";
        Some(match (&self.config.mail.host, self.config.tls.acme) {
            (Some(host), _) => {
                let host = host.as_str();
                let found = format!("{found}, and {host} writes it into every mail (Received)");
                wrong(NAME, found, advice)
            }
            (None, true) => wrong(NAME, format!("{found}, the authority first"), advice),
            (None, false) => note(NAME, found, advice),
        })
    }

    /// What a mail says.
    fn mail(&self) -> Vec<Finding> {
        const NAME: &str = "mail";
        let (Some(host), Some(domain)) = (&self.config.mail.host, &self.config.server.domain)
        else {
            return Vec::new();
        };
        let said = domain.host();
        let mut findings =
            vec![good(NAME, format!("HELO and Message-ID say {said}, nothing else"))];
        let host = host.as_str();
        let is_near = host == "localhost"
            || host.parse().is_ok_and(|address: IpAddr| {
                address.is_loopback() || self.network.addresses.contains(&address)
            });
        if is_near {
            let found = format!("{host} is this machine: it sends mail on from its own address");
            let advice = "let it relay through another machine, and take its Received away there";
            findings.push(self.reveals()(NAME, found, advice.to_owned()));
        }
        findings
    }

    /// What answers say.
    async fn answers(&self, world: &impl World) -> Option<Finding> {
        const NAME: &str = "answers";
        let listen = self.config.server.listen;
        if !self.is_served {
            return Some(note(NAME, "no server runs: they were not looked at", "start it"));
        }
        if self.config.tls.acme || self.config.tls.certificate.is_some() {
            let advice = "`curl -sv https://...` must name neither the machine nor an address";
            return Some(note(NAME, "not looked at: this server speaks TLS", advice));
        }
        let ip = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let host = self.config.server.domain.as_ref().map_or("localhost", |d| d.as_str());
        let Some(answer) = world.ask(SocketAddr::new(ip, listen.port()), host).await else {
            let advice = "look at them through a proxy: `curl -sv` must name no address";
            return Some(note(NAME, "it does not answer this machine", advice));
        };
        let lower = answer.to_lowercase();
        let (head, _) = lower.split_once("\r\n\r\n").unwrap_or((&lower, ""));
        let own = self.known().into_iter().map(|address| address.to_string());
        let is_telling = |name: &String| name.contains('.') && !host.ends_with(name.as_str());
        let named = own.chain(Some(self.host.to_lowercase()).filter(is_telling));
        if let Some(named) = named.into_iter().find(|name| lower.contains(name.as_str())) {
            let found = format!("an answer names {named}");
            return Some(self.reveals()(NAME, found, "report this: it must not".into()));
        }
        let headers = ["server:", "via:", "x-powered-by:", "x-served-by:"];
        let header = head.lines().find(|line| headers.iter().any(|name| line.starts_with(name)));
        Some(match header {
            Some(line) => {
                note(NAME, format!("they carry `{line}`"), "let the proxies take it away")
            }
            None => good(NAME, "they name no address, no machine and no software"),
        })
    }
}

fn list(all: &[impl ToString]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
