//! Prints what a challenge costs to make and its answer to check, beside the page of a profile's
//! size that it stands for. A figure for people to read, judged by nobody: it is a machine's.
//!
//! `cargo run --release -p web --example doorstep`; with a folder it leaves the pages there, and
//! the policy of each, for whoever wants to look at them.

use std::hint::black_box;
use std::time::Instant;

use axum::{body::to_bytes, http::HeaderMap, http::header};
use httpkit::cookie::{Apart, Transport};
use httpkit::limits::{CHALLENGE_S, PUZZLE_BITS};
use httpkit::pass::{Bearer, Challenge, Clearance};
use httpkit::{Sealer, puzzle};
use web::{Doorstep, Notice};

const ROUNDS: u32 = 200_000;
const NOW: u64 = 1_800_000_000;

#[expect(clippy::disallowed_methods, reason = "a bench measures with the machine's clock")]
fn timed(what: &str, rounds: u32, mut piece: impl FnMut(u64)) {
    let begun = Instant::now();
    (0..u64::from(rounds)).for_each(&mut piece);
    let ns = begun.elapsed().as_secs_f64() * 1e9 / f64::from(rounds);
    println!("{what:<44} {ns:>9.0} ns {:>12.0} a second", 1e9 / ns);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let doorstep = Doorstep::new("A place of a usual name", "__Host-challenge")?;
    if let Some(folder) = std::env::args().nth(1) {
        return leave(&doorstep, &folder);
    }
    let sealer = Sealer::new(&[7; 32]);
    let mut headers = HeaderMap::new();
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    headers.insert(header::USER_AGENT, agent.parse()?);
    let bearer = Bearer::of("192.0.2.1".parse()?, &headers);
    let seal = |id| Challenge { id, given_unix_s: NOW, bits: PUZZLE_BITS }.seal(&sealer, bearer, 1);
    timed("a challenge's page with its cookie", ROUNDS, |id| {
        let mut response = doorstep.challenge(true);
        if let Some(cookie) = Transport::Secure.set_open("challenge", &seal(id), CHALLENGE_S) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        black_box(response);
    });
    timed("a notice", ROUNDS, |_| drop(black_box(doorstep.notice(Notice::Busy, 5, true))));
    let text = seal(1);
    let answer = puzzle::answer(&text, PUZZLE_BITS).ok_or("no answer")?;
    timed("a challenge answered rightly, checked", ROUNDS, |_| {
        let opened = Challenge::open(&sealer, &text, bearer, 1, NOW);
        black_box(opened.is_some() && puzzle::is_answered(&text, PUZZLE_BITS, &answer));
    });
    let wrong = answer.replace('.', "1.");
    timed("a challenge answered wrongly, checked", ROUNDS, |_| {
        let opened = Challenge::open(&sealer, &text, bearer, 1, NOW);
        black_box(opened.is_some() && puzzle::is_answered(&text, PUZZLE_BITS, &wrong));
    });
    timed("the work itself, here", 20, |id| {
        drop(black_box(puzzle::answer(&seal(id), PUZZLE_BITS)))
    });
    let ours = Apart::new(Transport::Secure, ["visit", "challenge", "clearance"]);
    let cleared = Clearance { id: 1, given_unix_s: NOW }.seal(&sealer, bearer);
    let mut headers = headers.clone();
    headers.insert(header::COOKIE, format!("a=b; __Host-clearance={cleared}").parse()?);
    timed("a clearance found in the cookies, verified", ROUNDS, |_| {
        let [_, _, text] = ours.read(&headers).unwrap_or_default();
        black_box(text.and_then(|text| {
            Clearance::open(&sealer, text, Bearer::of([192, 0, 2, 1].into(), &headers), NOW)
        }));
    });
    Ok(())
}

/// Writes the pages into a folder.
fn leave(doorstep: &Doorstep, folder: &str) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut pages = vec![("challenge", doorstep.challenge(false))];
    for (name, notice, seconds) in [
        ("waiting", Notice::Waiting, 1),
        ("busy", Notice::Busy, 5),
        ("share", Notice::Share, 60),
        ("off", Notice::Off, 30),
        ("sent", Notice::Sent, 3),
    ] {
        pages.push((name, doorstep.notice(notice, seconds, false)));
    }
    for (name, response) in pages {
        let (parts, body) = response.into_parts();
        let policy = parts.headers.get(header::CONTENT_SECURITY_POLICY).ok_or("no policy")?;
        std::fs::write(format!("{folder}/{name}.policy"), policy.as_bytes())?;
        let page = runtime.block_on(to_bytes(body, usize::MAX))?;
        std::fs::write(format!("{folder}/{name}.html"), page)?;
    }
    Ok(())
}
