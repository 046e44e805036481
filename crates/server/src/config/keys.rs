//! Every key of the configuration, declared once. To add one: a line here, its use where it is
//! needed, and `fulmar config reference > docs/operating/configuration.md`; a test says when the
//! page was forgotten. A key that nothing reads has no place here.

use super::{
    declare::configuration,
    kinds::{
        Domain, Email, ForwardedHeader, Host, Kernel, Language, LogFormat, LogLevel, MailTls,
        ProxyProtocol, Secret, ShieldMode, Whole,
    },
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

configuration! {
    /// Where this place lives and how it is called.
    server: Server {
        /// The name in addresses: people here are `@name@domain`.
        ///
        /// Links begin with `https://` and this name. Without it links use the listening address,
        /// which is right for a first look on your own machine and for nothing else. Addresses are
        /// made when they are shown and never stored, so the name can be set later.
        domain: Option<Domain> = None, like "\"example.org\"";
        /// Address and port to listen on.
        ///
        /// On every address of the machine: `"[::]:443"`. Port 0 takes a free port. The word
        /// `--listen` of `fulmar serve` comes before this key.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080));
        /// Networks of the proxies in front of this server.
        ///
        /// Connections from there are not counted against the bound on connections of one
        /// network, because they carry everybody, and the address that they write into
        /// `forwarded_header` is believed. Once a proxy is named here, whoever comes neither from
        /// one nor from `direct_networks` is reset at once, before anything is read.
        trusted_proxies: Vec<IpNet> = Vec::new(), like "[\"127.0.0.1\"]";
        /// Networks that may come round the proxies: this machine, and what watches it.
        ///
        /// Without `trusted_proxies` everybody may, and this says nothing. They are counted as
        /// themselves, and no header of theirs is believed.
        direct_networks: Vec<IpNet> = vec![
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
        ];
        /// The header in which the proxies write whom they speak for.
        ///
        /// Only this one is read. Proxies pass the other on as a stranger wrote it, so name the one
        /// that yours appends to or overwrites.
        forwarded_header: ForwardedHeader = ForwardedHeader::XForwardedFor;
        /// Whether the proxies begin each connection with the client's address (the PROXY protocol,
        /// version 1 or 2).
        ///
        /// For proxies that pass bytes on, such as haproxy in `mode tcp` with `send-proxy-v2`. With
        /// `required` a connection from `trusted_proxies` that does not begin so is closed.
        proxy_protocol: ProxyProtocol = ProxyProtocol::Off;
        /// What this place is called.
        title: String = "Fulmar".to_owned();
        /// One sentence about it, for apps and for lists of servers.
        description: String = "A small social network".to_owned();
        /// Where people and authorities can write to who runs this place.
        contact_email: Option<Email> = None, like "\"owner@example.org\"";
        /// Languages that are mostly written here, the main one first.
        languages: Vec<Language> = vec![Language("en".to_owned())];
        /// Rules of this place, a sentence each. Apps show them before somebody joins.
        rules: Vec<String> = Vec::new(), like "[\"Be kind.\", \"No advertising.\"]";
        /// Most characters in a post.
        ///
        /// Posts that exist stay as they are when it is lowered.
        status_characters: Whole<1, 100_000> =
            Whole::new(model::limits::STATUS_CHARACTERS as u64);
    }

    /// Encryption by this server itself: with a certificate that it gets by itself (ACME, as from
    /// Let's Encrypt), or with certificate files of yours.
    ///
    /// The files are read again when they have changed, and on SIGHUP. Where a proxy in front of
    /// this server speaks TLS, leave this section out.
    tls: Tls {
        /// Whether the server gets its certificate by itself, and renews it.
        ///
        /// With it, `server.listen` speaks TLS. The authority looks for this server on port 443 of
        /// each name, and on port 80 too where `redirect_listen` is set. Account, certificate and
        /// key are kept in the data folder.
        acme: bool = false;
        /// Whether you accept the terms of service of the authority. Needed for `acme`.
        ///
        /// Those of Let's Encrypt are at <https://letsencrypt.org/repository/>.
        acme_terms_accepted: bool = false;
        /// Address of the authority's directory.
        ///
        /// To try things out: `"https://acme-staging-v02.api.letsencrypt.org/directory"`, which has
        /// wide limits and gives certificates that no browser trusts.
        acme_directory: String = "https://acme-v02.api.letsencrypt.org/directory".to_owned();
        /// Where the authority can write to, if it has something to say.
        acme_contact: Option<Email> = None, like "\"owner@example.org\"";
        /// Names that the certificate is for. Without any it is for `server.domain`.
        acme_domains: Vec<Domain> = Vec::new(), like "[\"example.org\", \"www.example.org\"]";
        /// Certificates in PEM that vouch for the directory, instead of the public ones.
        ///
        /// For an authority of your own.
        acme_ca_file: Option<PathBuf> = None, like "\"/etc/fulmar/authority.pem\"";
        /// A certificate of yours and its chain, in PEM. With it, `server.listen` speaks TLS.
        certificate: Option<PathBuf> = None, like "\"/etc/fulmar/fullchain.pem\"";
        /// The private key of that certificate, in PEM.
        key: Option<PathBuf> = None, like "\"/etc/fulmar/privkey.pem\"";
        /// Another address, where everything is redirected to https and nothing is served.
        redirect_listen: Option<SocketAddr> = None, like "\"[::]:80\"";
        /// For how many days browsers shall come by https only (HSTS).
        ///
        /// 0 leaves the header out. Browsers keep to it, also when TLS is switched off meanwhile.
        strict_days: Whole<0, 3_650> = Whole::new(180);
    }

    /// How this server defends itself.
    shield: Shield {
        /// How much the shield does.
        ///
        /// `on` turns strangers away while more is asked than the machine can do, members last.
        /// `observe` decides, counts and notes what it would have done, and serves all. `off` does
        /// nothing of that. `limiter` puts in its place what most servers have, to be compared
        /// with: ten requests a second for each address, and a burst of twenty. At the door all
        /// are alike: while it is crowded, strangers' handshakes wait in turn, and strangers from
        /// networks that nobody came from in peace may find the kernel's line full.
        mode: ShieldMode = ShieldMode::On;
        /// How much of the machine this server counts on, in percent.
        ///
        /// Lower it where other programs need their part of the machine: a database beside it, or
        /// a neighbour. The shield also finds out by itself, once admitted work waits.
        capacity_percent: Whole<1, 100> = Whole::new(100);
        /// Whether the kernel drops what proven offenders send to this server.
        ///
        /// `auto`: where it can be had. It needs the capability CAP_NET_ADMIN, which the packaged
        /// service does not have unless you give it; without it offenders are refused by this
        /// program, which costs more. `fulmar shield list` shows who is dropped, and
        /// `fulmar shield clear` forgives.
        kernel: Kernel = Kernel::Auto;
        /// Networks of which the kernel never drops anything, besides `server.trusted_proxies`.
        ///
        /// Where you and your monitoring come from. Nobody is locked out of the machine either way:
        /// only what is sent to this server's own ports is dropped.
        never_deny: Vec<IpNet> = Vec::new(), like "[\"192.0.2.0/24\", \"2001:db8:1::/48\"]";
    }

    /// Who may join.
    signup: Signup {
        /// Whether anybody may sign up.
        ///
        /// Closed unless said so. `fulmar account create` makes members either way.
        open: bool = false;
        /// Most sign-ups of one address in half an hour. Past it they are refused until it is over.
        ///
        /// An IPv6 address counts with its whole /64. Behind a proxy, name its network in
        /// `server.trusted_proxies`: else all who come through it are one address.
        per_address: Whole<0, 1_000_000> = Whole::new(httpkit::rate::SIGN_UP.limit as u64);
        /// Whether who signs up must follow a link in a mail before the account can be used.
        ///
        /// It needs `mail.host`; without that nobody is asked. Accounts that the command line makes
        /// are not asked either.
        confirm: bool = true;
    }

    /// Mail to members: to confirm their address, and when they forgot a password.
    ///
    /// Without `host` none is sent. `fulmar doctor` tries the connection.
    mail: Mail {
        /// The server that takes mail from this one, by name or address.
        ///
        /// With it, `mail.from` and `server.domain` must be set: links in mails lead there.
        host: Option<Host> = None, like "\"mail.example.org\"";
        /// How the connection to it is encrypted.
        ///
        /// `implicit` from its beginning, `starttls` after the server's first words and never
        /// without, `none` not at all, which is accepted for this machine only.
        tls: MailTls = MailTls::Implicit;
        /// Its port. Without it 465, 587 or 25, as `tls` is `implicit`, `starttls` or `none`.
        port: Option<Whole<1, 65_535>> = None, like "465";
        /// Who logs in there. Without it nobody does.
        user: Option<String> = None, like "\"fulmar@example.org\"";
        /// The password for it. It can stand in a file of its own instead: `password_file`.
        password: Option<Secret> = None, like "\"correct horse battery staple\"";
        /// A file that holds the password, and nothing else.
        password_file: Option<PathBuf> = None, like "\"/etc/fulmar/mail-password\"";
        /// The address that mails come from.
        from: Option<Email> = None, like "\"no-reply@example.org\"";
        /// A certificate authority of your own, in PEM, which is believed besides the public ones.
        ca_file: Option<PathBuf> = None, like "\"/etc/fulmar/mail-ca.pem\"";
        /// Seconds in which a mail must have been taken. Past it, it is tried again later.
        timeout_s: Whole<1, { crate::limits::MAIL_S_MAX }> = Whole::new(60);
    }

    /// What others see of this server when it calls them: its mail server, the authority that
    /// certifies it, later other servers and pages that posts link to.
    ///
    /// For whoever hides the server behind proxies: an address that calls others is no secret.
    /// PostgreSQL is reached as ever.
    egress: Egress {
        /// A proxy that opens these connections, and resolves the names for them.
        ///
        /// It is `http://host:port` (CONNECT) or `socks5://host:port`, with `user:password@` before
        /// the host where it wants that. Pages that are not encrypted are not fetched through it.
        proxy: Option<Secret> = None, like "\"socks5://proxy.example.org:1080\"";
        /// A file that holds the address of the proxy, and nothing else.
        proxy_file: Option<PathBuf> = None, like "\"/etc/fulmar/egress-proxy\"";
        /// The address of this machine from which these connections leave.
        ///
        /// Only addresses of the same family (IPv4 or IPv6) are called then.
        address: Option<IpAddr> = None, like "\"203.0.113.7\"";
        /// Hosts that are called as if nothing else stood in this section.
        ///
        /// Names and addresses as they stand in other keys, such as a mail server on this machine.
        direct: Vec<Host> = ["localhost", "127.0.0.1", "::1"].map(Host::of).to_vec();
    }

    /// How apps get their tokens.
    oauth: OAuth {
        /// Whether apps may trade a member's name and password for a token.
        ///
        /// An app that asks for passwords can keep them, so this is for scripts of your own that
        /// have no browser. Every app may log in by a browser either way.
        password_grant: bool = false;
        /// Apps that one address may register in half an hour.
        ///
        /// Every app that somebody logs in with registers itself once, so that people who share an
        /// address (a school, a carrier) need some. Twice as many may ask for a token of their own,
        /// without a member. Past it: 429.
        apps_per_address: Whole<1, 1_000_000> = Whole::new(api::limits::APPS.limit as u64);
    }

    /// Where everything but pictures is kept.
    store: Store {
        /// Address of a PostgreSQL database. Without one, SQLite in the data folder.
        ///
        /// It is `postgres://user:password@host:port/database`. As it may hold a password, it can
        /// stand in a file of its own instead: `postgres_url_file`. Over a network add
        /// `?sslmode=require`: without it the connection is in the clear, and the server says so.
        /// One server at a time works on a database; a second is refused.
        postgres_url: Option<Secret> = None, like "\"postgres://fulmar@localhost/fulmar\"";
        /// A file that holds the address of the PostgreSQL database, and nothing else.
        postgres_url_file: Option<PathBuf> = None, like "\"/etc/fulmar/postgres-url\"";
    }

    /// Figures for Prometheus and what is like it, on a listener of their own.
    ///
    /// The listener in `server` never shows them.
    metrics: Metrics {
        /// Address and port that serve `/metrics`. Without it nothing does.
        listen: Option<SocketAddr> = None, like "\"127.0.0.1:9464\"";
        /// Whether others than this machine may reach that address.
        ///
        /// The figures tell how busy this place is and are not encrypted. Unless this is true, only
        /// an address of the machine itself is accepted.
        public: bool = false;
    }

    /// What is written to standard error, and how. Passwords, tokens and query strings never are.
    log: Log {
        /// How much is said.
        level: LogLevel = LogLevel::Info;
        /// Levels by part of the program, where one level is not enough.
        ///
        /// The words are those of RUST_LOG: `"info,fulmar::request=debug"`. It comes before
        /// `level`, and the environment variable `RUST_LOG` comes before both.
        filter: Option<String> = None, like "\"info,fulmar::request=debug\"";
        /// What a line looks like.
        ///
        /// `text` is for people, `json` gives one object a line.
        format: LogFormat = LogFormat::Text;
    }
}
