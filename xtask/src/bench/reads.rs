//! What people read, at full speed and at a fixed rate, and whether it gets dearer with data.

use std::rc::Rc;

use anyhow::{Context, Result};

use super::data::{READERS, Scene};
use super::report::{Bar, Report, Row};
use super::{posts, yardstick};
use crate::http::Client;
use crate::load::{self, Load, Requests, Wire};

/// Connections that read.
pub(super) const CONNECTIONS: usize = 64;

/// A GET of each of some paths in turn, each with one of the tokens or with none.
pub(super) fn gets(paths: Vec<String>, tokens: Vec<String>) -> Requests {
    let mut built: Vec<Vec<u8>> = Vec::new();
    for at in 0..paths.len().max(tokens.len()) {
        let path = paths.get(at % paths.len().max(1)).map(String::as_str).unwrap_or("/");
        let mut text = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
        if let Some(token) = tokens.get(at % tokens.len().max(1)) {
            text.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        built.push((text + "\r\n").into_bytes());
    }
    let stride = u64::try_from(CONNECTIONS).unwrap_or(64);
    Rc::new(move |connection, number, out| {
        let place = u64::try_from(connection).unwrap_or(0) + number * stride;
        let at = usize::try_from(place).unwrap_or(0) % built.len().max(1);
        out.extend_from_slice(built.get(at).map(Vec::as_slice).unwrap_or_default());
    })
}

/// One path at full speed beside a bare server that answers as many bytes.
fn one(scene: &Scene, report: &mut Report, name: &str, paths: Vec<String>, bar: Bar) -> Result<()> {
    let stage = scene.serve()?;
    let address = stage.instance.address;
    let first = paths.first().context("no path")?.clone();
    let mut client = Client::new(address, None);
    let answer = client.get(&first)?;
    anyhow::ensure!(answer.status == 200, "{first} answered {}", answer.status);
    println!("  {first}: {} bytes", answer.body.len());
    let load = Load::closed(address, CONNECTIONS, report.seconds);
    let shown = load.run(gets(paths, Vec::new()))?.all_fine(name)?;
    drop(stage);
    let bare = yardstick::http(&load, answer.body.len())?;
    report.row(Row::rate(name, &shown, Some(bare.per_second()), bar));
    Ok(())
}

/// The anonymous public timeline.
pub fn public(scene: &Scene, report: &mut Report) -> Result<()> {
    let paths = vec!["/api/v1/timelines/public?limit=20".to_owned()];
    one(scene, report, "public timeline", paths, Bar::AtLeastOrShare(60_000.0, 0.7))
}

/// Public profile pages, of a thousand accounts.
pub fn profile(scene: &Scene, report: &mut Report) -> Result<()> {
    let paths = (0..READERS).map(|reader| format!("/@reader{reader}")).collect();
    one(scene, report, "profile page", paths, Bar::AtLeastOrShare(40_000.0, 0.5))
}

/// Single posts, a thousand different ones.
pub fn status(scene: &Scene, report: &mut Report) -> Result<()> {
    let ids = scene.numbers("SELECT id FROM status ORDER BY id DESC LIMIT 1000")?;
    let paths = ids.iter().map(|id| format!("/api/v1/statuses/{id}")).collect();
    one(scene, report, "one post", paths, Bar::None)
}

/// Threads, a thousand different ones.
pub fn context(scene: &Scene, report: &mut Report) -> Result<()> {
    let ids = scene.numbers(
        "SELECT id FROM status WHERE reply_to_id IS NOT NULL ORDER BY id DESC LIMIT 1000",
    )?;
    let paths = ids.iter().map(|id| format!("/api/v1/statuses/{id}/context")).collect();
    one(scene, report, "one thread", paths, Bar::None)
}

pub(super) const HOME: &str = "/api/v1/timelines/home?limit=20";

/// Home: cold (a first read each), warm at full speed while posts arrive, and at 1,000/s.
pub fn home(scene: &Scene, report: &mut Report) -> Result<()> {
    let stage = scene.serve()?;
    let address = stage.instance.address;
    let requests = gets(vec![HOME.to_owned()], scene.tokens.clone());
    let cold = each_once(address, &requests)?;
    report.row(Row::rate("home, cold", &cold, None, Bar::None));

    let mut client = Client::new(address, scene.tokens.first().map(String::as_str));
    let bytes = client.get(HOME)?.body.len();
    println!("  home: {bytes} bytes");
    let load = Load::closed(address, CONNECTIONS, report.seconds);
    let writers = Load::open(address, 4, report.seconds, 100.0);
    let (reads, writes) = load::block_on(async {
        let mut readers = Vec::new();
        for _ in 0..load.connections {
            readers.push(Wire::open(address).await?);
        }
        let mut authors = Vec::new();
        for _ in 0..writers.connections {
            authors.push(Wire::open(address).await?);
        }
        let posting = posts::requests(&scene.tokens, true);
        let reading = load.on(readers, Rc::clone(&requests));
        Ok(futures_util::future::join(reading, writers.on(authors, posting)).await)
    })?;
    writes.all_fine("posts beside home")?;
    let reads = reads.all_fine("home")?;
    let calm = Load::open(address, CONNECTIONS, report.seconds, 1_000.0).run(requests)?;
    drop(stage);
    let bare = yardstick::http(&load, bytes)?.per_second();
    report.row(Row::rate("home, warm", &reads, Some(bare), Bar::AtLeastOrShare(35_000.0, 0.33)));
    report.row(Row::slowest("home at 1,000/s, p99", &calm.all_fine("home at 1,000/s")?, 10.0));
    Ok(())
}

/// Every reader's first read, one after another.
pub(super) fn each_once(address: std::net::SocketAddr, requests: &Requests) -> Result<load::Shown> {
    load::block_on(async {
        let mut shown = load::Shown {
            latencies: load::Histogram::new(),
            failed: 0,
            took: std::time::Duration::ZERO,
        };
        let mut wire = Wire::open(address).await?;
        let start = crate::ground::now();
        let mut request = Vec::new();
        for reader in 0..READERS {
            request.clear();
            requests(reader, 0, &mut request);
            let begun = crate::ground::now();
            match wire.ask(&request).await? {
                200 => shown.latencies.record(begun.elapsed()),
                _ => shown.failed += 1,
            }
        }
        shown.took = start.elapsed();
        Ok(shown)
    })?
    .all_fine("home, cold")
}

/// A first read of home, for which its posts are looked for in the store: with little data there
/// are few to find, so that this row has no bar.
const COLD: &str = "home, cold";

/// How much dearer each read is with all data than with a thousand posts.
pub fn growth(scene: &Scene, report: &mut Report) -> Result<()> {
    let small = Scene::of(1_000)?;
    let newest = "SELECT id FROM status ORDER BY id DESC LIMIT 1000";
    for name in ["home", COLD, "public", "post", "write"] {
        let mut per_second = [0.0, 0.0];
        for (at, scene) in [&small, scene].into_iter().enumerate() {
            let stage = scene.serve()?;
            let address = stage.instance.address;
            let requests = match name {
                "home" | COLD => gets(vec![HOME.to_owned()], scene.tokens.clone()),
                "public" => gets(vec!["/api/v1/timelines/public".to_owned()], Vec::new()),
                "write" => posts::requests(&scene.tokens, true),
                _ => {
                    let paths = scene.numbers(newest)?.into_iter();
                    gets(paths.map(|id| format!("/api/v1/statuses/{id}")).collect(), Vec::new())
                }
            };
            let cold =
                if name.starts_with("home") { Some(each_once(address, &requests)?) } else { None };
            let connections = if name == "write" { 8 } else { CONNECTIONS };
            let load = Load::closed(address, connections, report.seconds.min(5));
            let shown = match cold {
                Some(cold) if name == COLD => cold,
                _ => load.run(requests)?.all_fine(name)?,
            };
            if let Some(slot) = per_second.get_mut(at) {
                *slot = shown.per_second();
            }
        }
        let [with_few, with_all] = per_second;
        let bar = if name == "home" { Bar::AtMost(1.3) } else { Bar::None };
        let name = format!("growth of {name}, {} to {} posts", small.posts, scene.posts);
        report.row(Row::figure(&name, with_few / with_all, "times dearer", bar));
    }
    Ok(())
}
