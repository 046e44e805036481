//! The configuration as its reader meets it: what is taken, and how everything else is refused.

use super::*;

fn said(text: &str) -> String {
    parse(text).map_or_else(|error| format!("{error:#}"), |_| "can be used".to_owned())
}

#[test]
fn nothing_is_a_configuration_too() {
    let config = parse("").expect("defaults");
    assert_eq!(config.server.listen.port(), 8080);
    assert!(!config.signup.open);
    assert_eq!(config.server.status_characters.count(), model::limits::STATUS_CHARACTERS);
}

#[test]
fn what_is_set_is_read() {
    let config = parse(
        "[server]\ndomain = \"Example.org\"\nlisten = \"[::]:443\"\nstatus_characters = 5_000\n\
         trusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n[signup]\nopen = true\n",
    )
    .expect("can be used");
    assert_eq!(config.server.domain.as_ref().map(kinds::Domain::as_str), Some("example.org"));
    assert_eq!(config.server.status_characters.count(), 5_000);
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert!(config.signup.open);
}

#[test]
fn everything_wrong_is_said_at_once_with_its_line() {
    let text = "[server]\nlisten = \"8080\"\ntitel = \"x\"\n\n[signup]\nopne = true\n\
                title = \"y\"\n[singup]\n";
    let expected = [
        "line 2: `server.listen` must be an address and a port, \
         like \"127.0.0.1:8080\" or \"[::]:443\"",
        "line 3: there is no key `server.titel`; did you mean `title`?",
        "line 6: there is no key `signup.opne`; did you mean `open`?",
        "line 7: there is no key `signup.title`; `title` belongs in [server]",
        "line 8: there is no section [singup]; did you mean [signup]?",
    ];
    let said = said(text);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, expected);
}

#[test]
fn invalid_values_hear_what_would_be_valid() {
    let host = "a host name, like \"example.org\" (international names as xn--...)";
    for (section, key, value, valid) in [
        ("server", "domain", "\"https://a.b/\"", &*format!("{host}, without https:// and")),
        ("server", "domain", "\"exa mple.org\"", host),
        ("server", "status_characters", "0", "a whole number from 1 to 100000"),
        ("server", "status_characters", "\"5\"", "a whole number from 1 to 100000, without quotes"),
        ("server", "languages", "\"en\"", "a list; each entry is a language's code"),
        ("server", "languages", "[\"english\"]", "a list; each entry is a language's code"),
        ("server", "contact_email", "\"me\"", "an e-mail address, like"),
        ("server", "trusted_proxies", "[\"10.0.0.0/33\"]", "a list; each entry is a network"),
        ("signup", "open", "\"yes\"", "true or false, without quotes"),
        ("log", "level", "\"loud\"", "\"error\", \"warn\", \"info\", \"debug\" or \"trace\""),
    ] {
        let said = said(&format!("[{section}]\n{key} = {value}\n"));
        let expected = format!("line 2: `{section}.{key}` must be {valid}");
        assert!(said.contains(&expected), "{said}\nshould say\n{expected}");
    }
    assert!(said("[tls]\nkey = \"k\"").contains("belong together"));
    assert!(said("[tls]\nredirect_listen = \"[::]:80\"").contains("or `tls.certificate` too"));
    let acme = "[tls]\nacme = true\n";
    let said_all = said(acme);
    for part in ["acme_terms_accepted = true", "set `server.domain`"] {
        assert!(said_all.contains(part), "{said_all}");
    }
    let acme = format!("{acme}acme_terms_accepted = true\n");
    for (rest, expected) in [
        ("[server]\ndomain = \"192.0.2.1\"", "no authority certifies 192.0.2.1"),
        ("[server]\ndomain = \"localhost\"", "no authority certifies localhost"),
        ("acme_directory = \"http://a.example/\"\n[server]\ndomain = \"a.example\"", "https://"),
        ("certificate = \"c\"\nkey = \"k\"\n[server]\ndomain = \"a.example\"", "keep one"),
    ] {
        let said = said(&format!("{acme}{rest}"));
        assert!(said.contains(expected), "{said}\nshould say\n{expected}");
    }
    let config = parse(&format!("{acme}[server]\ndomain = \"a.example:8443\"")).expect("fine");
    assert_eq!(config.certified_names(), ["a.example"]);
    assert!(said("signup = true").contains("`signup` is a section: write [signup]"));
    assert!(said("[log]\nfilter = \"info,,=x=\"").contains("`log.filter` is no list of levels"));
}

#[test]
fn mail_is_whole_or_not_there() {
    let whole = "[server]\ndomain = \"a.example\"\n[mail]\nhost = \"mail.example\"\n\
                 from = \"no-reply@a.example\"\n";
    assert_eq!(said(whole), "can be used");
    for (text, why) in [
        (whole.replace("domain = \"a.example\"", ""), "set `server.domain` too"),
        (whole.replace("from = \"no-reply@a.example\"", ""), "set `mail.from` too"),
        (whole.replace("host = \"mail.example\"", ""), "set `mail.host` too"),
        (format!("{whole}user = \"a\"\n"), "belong together"),
        (format!("{whole}password = \"hush\"\n"), "belong together"),
        (format!("{whole}tls = \"none\"\n"), "for this machine only"),
        (format!("{whole}tls = \"maybe\"\n"), "\"implicit\", \"starttls\" or \"none\""),
        (format!("{whole}timeout_s = 0\n"), "from 1 to 120"),
        (format!("{whole}port = 65_536\n"), "from 1 to 65535"),
        (whole.replace("mail.example\"", "mail.example:25\""), "the port has a key of its own"),
        (whole.replace("\"mail.example\"", "\"\""), "must be a host name or an address"),
        (format!("{whole}password_file = \"/nowhere\"\n"), "`mail.password_file`: /nowhere"),
    ] {
        let said = said(&text);
        assert!(said.contains(why) && !said.contains("hush"), "{said}\nshould say\n{why}");
    }
    for host in ["localhost", "127.0.0.1", "::1"] {
        let local = whole.replace("mail.example\"", &format!("{host}\""));
        assert_eq!(said(&format!("{local}tls = \"none\"\n")), "can be used", "{host}");
        let both = format!("{local}tls = \"none\"\nca_file = \"/ca.pem\"\n");
        assert!(said(&both).contains("`mail.ca_file` is for TLS"));
    }
}

#[test]
fn proxies_in_front_are_named_and_the_one_on_the_way_out_is_an_address() {
    for (text, why) in [
        ("[server]\nproxy_protocol = \"required\"\n", "name them"),
        ("[server]\nproxy_protocol = \"on\"\n", "must be \"off\" or \"required\""),
        ("[server]\nforwarded_header = \"x-real-ip\"\n", "\"x-forwarded-for\" or \"forwarded\""),
        ("[server]\ndirect_networks = \"::1\"\n", "a list; each entry is a network"),
        ("[egress]\naddress = \"a\"\n", "must be an address, like"),
        ("[egress]\nproxy = \"ftp://hush.example:1\"\n", "http:// or socks5://"),
        ("[egress]\nproxy = \"http://hush.example\"\n", "end with a port"),
        ("[egress]\nproxy = \"socks5://u:hush@a b:1\"\n", "it names no host"),
        ("[egress]\nproxy_file = \"/nowhere\"\n", "`egress.proxy_file`: /nowhere"),
    ] {
        let said = said(text);
        assert!(said.contains(why) && !said.contains("hush"), "{said}\nshould say\n{why}");
    }
    let config = parse("[egress]\nproxy = \"socks5://u:hush@p.example:1\"\n").expect("read");
    let way = config.way_out().expect("a way");
    assert!(way.is_set() && way.is_direct("localhost") && !way.is_direct("p.example"));
    assert!(!format!("{way:?}{config:?}").contains("hush"));
    assert!(!parse("").expect("read").way_out().expect("a way").is_set());
}

#[test]
fn a_line_that_is_no_toml_is_not_repeated() {
    let said = parse("[server]\nsecret = \"hunter2\" oops").expect_err("refused").to_string();
    assert!(said.starts_with("line 2: not TOML"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_secret_comes_from_a_file_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("url");
    let text = format!("[store]\npostgres_url_file = {:?}\n", path.display().to_string());
    let said = parse(&text).expect_err("no such file").to_string();
    assert!(said.contains("store.postgres_url_file") && said.contains("No such file"), "{said}");
    std::fs::write(&path, "one\ntwo\n").expect("written");
    assert!(parse(&text).expect_err("two lines").to_string().contains("on one line"));
    std::fs::write(&path, "postgres://u:hush@h/d\n").expect("written");
    let config = parse(&text).expect("can be used");
    assert_eq!(config.store.postgres_url.expect("read").reveal(), "postgres://u:hush@h/d");
    let said = parse(&format!("{text}postgres_url = \"x\"")).expect_err("twice").to_string();
    assert!(said.contains("keep one"), "{said}");
}

#[test]
fn no_error_and_no_log_repeats_a_secret() {
    for text in [
        "[store]\npostgres_url = \"postgres://u:hush@h/d",
        "[store]\npostgres_url = \"postgres://u:hush@h/d\" x",
        "[store]\npostgres_url = [\"postgres://u:hush@h/d\"]",
    ] {
        let error = format!("{:#}", parse(text).unwrap_err());
        assert!(error.contains("line 2") && !error.contains("hush"), "{error}");
    }
    let config = parse("[store]\npostgres_url = \"postgres://u:hush@h/d\"").unwrap();
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn secrets_are_never_shown() {
    let secret = kinds::Secret::new("hunter2".to_owned());
    assert_eq!(format!("{secret:?}"), "(secret)");
    assert_eq!(secret.reveal(), "hunter2");
    assert!(!format!("{:?}", kinds::Kind::show(&secret)).contains("hunter2"));
}

#[test]
fn the_printed_file_can_be_used_as_it_is_and_with_every_key_set() {
    let printed = default_file();
    parse(&printed).expect("as it is");
    let name = |line: &str| line.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    let set: Vec<&str> = printed
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| name(rest)).unwrap_or(line))
        .collect();
    let keys: usize = keys::declared().iter().map(|section| section.keys.len()).sum();
    let lines = set.iter().filter(|line| name(line)).count();
    assert_eq!(lines, keys, "every key, once");
    for section in keys::declared() {
        for key in section.keys {
            assert!(key.default.is_some() || key.like.is_some(), "{} has neither", key.name);
            let value = key.like.map(str::to_owned).or(key.default).unwrap_or_default();
            let text = format!("[{}]\n{} = {value}\n", section.name, key.name);
            let said = parse(&text).err().map(|error| format!("{error:#}")).unwrap_or_default();
            assert!(!said.contains("must be"), "{text}{said}");
        }
    }
}

#[test]
fn the_page_of_documentation_is_made_from_the_keys() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operating/configuration.md");
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == reference(),
        "docs/operating/configuration.md is out of date: \
         cargo run -q -- config reference > docs/operating/configuration.md"
    );
}
