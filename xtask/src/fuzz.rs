//! `cargo xtask fuzz`: hostile bytes for a running server's parsers, from seeds that replay.
//!
//! The parsers are met where strangers meet them, over HTTP: text, ids, paging, the three body
//! encodings, OAuth's parameters. Each case starts from something that works and is then cut,
//! swapped, repeated, nested or filled with bytes that no text has. A 5xx, a hang, a panic or an
//! ended process is a finding, and the finding names its seed. Parsers that are called directly,
//! without a server, are in `fuzz_targets`.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::chance::Chance;
use crate::fuzz_targets;
use crate::ground;
use crate::http;
use crate::instance::{Instance, OPEN, Plan};
use crate::steps::{Outcome, Steps};

/// A request that works, of a family of parsers. `TOKEN` and `HOST` are filled in.
struct Seed {
    family: &'static str,
    method: &'static str,
    path: &'static str,
    kind: &'static str,
    body: &'static str,
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=edge";

const SEEDS: [Seed; 15] = [
    seed(
        "text",
        "POST",
        "/api/v1/statuses",
        JSON,
        r##"{"status":"Hi @ada #tag https://a.example"}"##,
    ),
    seed(
        "text",
        "POST",
        "/api/v1/statuses",
        FORM,
        "status=a%F0%9F%8C%8A&visibility=public&language=en",
    ),
    seed(
        "text",
        "POST",
        "/api/v1/statuses",
        JSON,
        r#"{"status":"p","poll":{"options":["a","b"],"expires_in":3600,"multiple":true}}"#,
    ),
    seed(
        "text",
        "PATCH",
        "/api/v1/accounts/update_credentials",
        FORM,
        "display_name=A&note=n&fields_attributes[0][name]=x&fields_attributes[0][value]=y",
    ),
    seed("ids", "GET", "/api/v1/statuses/110224538612341312", JSON, ""),
    seed(
        "ids",
        "POST",
        "/api/v1/accounts/1/follow",
        JSON,
        r#"{"reblogs":true,"languages":["en"]}"#,
    ),
    seed("ids", "GET", "/api/v1/accounts/relationships?id[]=1&id[]=2", JSON, ""),
    seed("paging", "GET", "/api/v1/timelines/home?max_id=9&since_id=1&min_id=2&limit=40", JSON, ""),
    seed("paging", "GET", "/api/v2/search?q=%23tag&type=hashtags&offset=5&limit=5", JSON, ""),
    seed(
        "multipart",
        "POST",
        "/api/v2/media",
        MULTIPART,
        "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
         Content-Type: image/png\r\n\r\n\u{1}PNG\r\n--edge--\r\n",
    ),
    seed(
        "multipart",
        "POST",
        "/api/v1/statuses",
        MULTIPART,
        "--edge\r\nContent-Disposition: form-data; name=\"status\"\r\n\r\nhello\r\n--edge--\r\n",
    ),
    seed(
        "oauth",
        "POST",
        "/api/v1/apps",
        FORM,
        "client_name=a&redirect_uris=urn:ietf:wg:oauth:2.0:oob&scopes=read+write",
    ),
    seed(
        "oauth",
        "POST",
        "/oauth/token",
        FORM,
        "grant_type=authorization_code&code=x&client_id=a&client_secret=b&redirect_uri=c",
    ),
    seed(
        "oauth",
        "GET",
        "/oauth/authorize?response_type=code&client_id=a&redirect_uri=b&scope=read\
         &code_challenge=c&code_challenge_method=S256&state=d",
        JSON,
        "",
    ),
    seed(
        "oauth",
        "POST",
        "/oauth/revoke",
        JSON,
        r#"{"client_id":"a","client_secret":"b","token":"c"}"#,
    ),
];

const fn seed(
    family: &'static str,
    method: &'static str,
    path: &'static str,
    kind: &'static str,
    body: &'static str,
) -> Seed {
    Seed { family, method, path, kind, body }
}

/// Families of parsers, each a step.
const FAMILIES: [&str; 5] = ["text", "ids", "paging", "multipart", "oauth"];

/// Runs every family for some seconds.
///
/// # Errors
/// With the first finding of each family.
pub fn run(seconds: u64, asked: Option<u64>) -> Result<()> {
    let mut steps = Steps::default();
    steps.step("build", || ground::build_server().map(|()| Outcome::Done));
    add(&mut steps, seconds, asked);
    steps.close()
}

/// The same, as steps of a longer word.
pub fn add(steps: &mut Steps, seconds: u64, asked: Option<u64>) {
    let start = Chance::seed(asked);
    println!("fuzz: seed {start} (replay with --seed {start})");
    for family in FAMILIES {
        steps.step(&format!("fuzz {family}, {seconds} s"), || {
            one_family(family, seconds, start).map(|()| Outcome::Done)
        });
    }
    fuzz_targets::add(steps, seconds, start);
}

fn one_family(family: &str, seconds: u64, start: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Plan::new(&folder.path().join("data"), OPEN).start()?;
    server.plan.account("mallory")?;
    let token = server.plan.token("mallory")?;
    let seeds: Vec<&Seed> = SEEDS.iter().filter(|seed| seed.family == family).collect();
    let begun = ground::now();
    let limit = Duration::from_secs(seconds);
    let mut tried = 0_u64;
    while begun.elapsed() < limit {
        let number = start.wrapping_add(tried);
        let mut chance = Chance::new(number);
        let seed = chance.one(&seeds).copied().context("a family without seeds")?;
        let request = mutated(seed, &token, server.address, &mut chance);
        let status = answered(&server, &request)
            .with_context(|| format!("{family}, seed {number}: {}", printable(&request)))?;
        if status >= 500 && status != 503 && status != 501 && status != 507 {
            bail!("{family}, seed {number}: answered {status}: {}", printable(&request));
        }
        // What a panic in a request's own task looks like from outside.
        if status == 0 {
            server
                .calm()
                .with_context(|| format!("{family}, seed {number}: {}", printable(&request)))?;
        }
        tried += 1;
    }
    ensure!(server.lives(), "the server ended");
    let health = http::Client::new(server.address, None).get("/health")?;
    ensure!(health.status == 200, "/health is answered {} afterwards", health.status);
    println!("  {family}: {tried} cases, no 5xx, no hang, no panic");
    server.stop()
}

/// The status, or 0 when the server closed without an answer, which hostile bytes deserve.
fn answered(server: &Instance, request: &[u8]) -> Result<u16> {
    let mut stream = http::connect(server.address)?;
    // The server may answer and close before it has read all of a hostile request.
    let _sent = stream.write_all(request);
    let _ended = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let mut piece = [0_u8; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                bail!("no end of the answer in {:?}", http::HANG)
            }
            Err(_) => break,
        }
        if answer.len() > 12 {
            break;
        }
    }
    let code = answer.get(9..12).and_then(|code| std::str::from_utf8(code).ok());
    Ok(code.and_then(|code| code.parse().ok()).unwrap_or(0))
}

/// A request made from a seed: path and body mutated, the rest as it should be.
fn mutated(seed: &Seed, token: &str, address: SocketAddr, chance: &mut Chance) -> Vec<u8> {
    let mut path = seed.path.as_bytes().to_vec();
    let mut body = seed.body.as_bytes().to_vec();
    for _ in 0..=chance.below(4) {
        let in_path = body.is_empty() || chance.below(4) == 0;
        mutate(if in_path { &mut path } else { &mut body }, chance);
    }
    // A raw line break or space in the path would test the HTTP parser, which the shield owns.
    path.retain(|byte| !byte.is_ascii_whitespace() && *byte != 0);
    if path.first() != Some(&b'/') {
        path.insert(0, b'/');
    }
    let kind = if chance.below(20) == 0 { FORM } else { seed.kind };
    let mut request = format!("{} ", seed.method).into_bytes();
    request.extend_from_slice(&path);
    request.extend_from_slice(
        format!(
            " HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .as_bytes(),
    );
    request.extend_from_slice(&body);
    request
}

/// Pieces that parsers have stumbled over elsewhere.
const PIECES: [&[u8]; 22] = [
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"%00",
    b"%ff",
    b"%",
    b"%u0041",
    b"[][]",
    b"[0][0][0]",
    b"{\"a\":",
    b"[[[[[[[[",
    b"9223372036854775808",
    b"-1",
    b"1e999",
    b"\"\\ud800\"",
    b"null",
    "\u{202e}".as_bytes(),
    "e\u{301}\u{301}\u{301}\u{301}".as_bytes(),
    b"@a@b@c.example",
    b"#",
    b"https://[::1",
];

fn mutate(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let length = u64::try_from(bytes.len()).unwrap_or(0);
    let at = usize::try_from(chance.below(length + 1)).unwrap_or(0);
    let end = at + usize::try_from(chance.below(length + 1)).unwrap_or(0);
    let part = at..end.min(bytes.len());
    match chance.below(7) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(part)),
        2 => {
            let piece = chance.one(&PIECES).copied().unwrap_or_default();
            bytes.splice(at..at, piece.iter().copied());
        }
        3 => {
            let copy: Vec<u8> = bytes.get(part).unwrap_or_default().to_vec();
            let times = usize::try_from(chance.below(200)).unwrap_or(0);
            bytes.splice(at..at, copy.repeat(times.min(60_000 / copy.len().max(1))));
        }
        4 => {
            let piece = chance.one(&PIECES).copied().unwrap_or_default();
            let times = usize::try_from(chance.below(3_000)).unwrap_or(0);
            bytes.splice(at..at, piece.repeat(times));
        }
        5 => {
            let byte = u8::try_from(chance.below(256)).unwrap_or(0);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        _ => {
            let digits = chance.bits().to_string();
            bytes.splice(part, digits.bytes());
        }
    }
}

fn printable(request: &[u8]) -> String {
    let text: String =
        request.iter().flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect();
    text.chars().take(600).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_its_request_and_families_have_seeds() {
        let address = "127.0.0.1:1".parse().unwrap();
        for (number, seed) in (0_u64..).zip(&SEEDS) {
            assert!(FAMILIES.contains(&seed.family), "{}", seed.family);
            let make = || mutated(seed, "t", address, &mut Chance::new(number));
            assert_eq!(make(), make());
        }
    }

    #[test]
    fn mutations_stay_bounded() {
        for number in 0..2_000 {
            let mut chance = Chance::new(number);
            let mut bytes = SEEDS[0].body.as_bytes().to_vec();
            for _ in 0..5 {
                mutate(&mut bytes, &mut chance);
            }
            assert!(bytes.len() < 2_000_000, "{}", bytes.len());
        }
    }
}
