//! Durable posts: each is on the disk before it is answered, into a database of a million.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::Result;

use super::data::Scene;
use super::report::{Bar, Report, Row};
use super::yardstick;
use crate::load::{Load, Requests};

/// Twenty words, the length of a usual post.
pub const TWENTY_WORDS: &str = "The harbour was quiet this morning and two fulmars sat on the wall \
    as if they owned it, which perhaps they do.";

/// Posts a second at 1, 8 and 64 writers.
pub fn posts(scene: &Scene, report: &mut Report) -> Result<()> {
    let bare = yardstick::sqlite(&scene.database()?, 8, 5.0)?;
    println!("  bare SQLite, the same statements in groups of 8: {bare:.0}/s");
    // The shares are those of the machine that the bars were set on, where the same statements bare
    // made 26,000 a second.
    let bars = [
        (1, Bar::None),
        (8, Bar::RateWithin(9_000.0, 9.0 / 26.0, 25.0)),
        (64, Bar::RateWithin(15_000.0, 15.0 / 26.0, 50.0)),
    ];
    for (writers, bar) in bars {
        let stage = scene.serve()?;
        let load = Load::closed(stage.instance.address, writers, report.seconds);
        let shown = load.run(requests(&scene.tokens, true))?.all_fine("posts")?;
        report.row(Row::rate(&format!("posts, {writers} writers"), &shown, Some(bare), bar));
    }
    let stage = scene.serve()?;
    let load = Load::closed(stage.instance.address, 64, report.seconds);
    let shown = load.run(requests(&scene.tokens, false))?.all_fine("posts by one author")?;
    report.row(Row::rate("posts, 64 writers, one author", &shown, Some(bare), Bar::None));
    Ok(())
}

/// Posts that all differ, by an author a connection or all by one.
pub fn requests(tokens: &[String], spread: bool) -> Requests {
    let tokens = tokens.to_vec();
    let counter = Cell::new(0_u64);
    Rc::new(move |connection, _, out| {
        counter.set(counter.get() + 1);
        let author = if spread { connection % tokens.len() } else { 0 };
        let token = tokens.get(author).map(String::as_str).unwrap_or_default();
        let body = format!("{{\"status\":\"{TWENTY_WORDS} {}\"}}", counter.get());
        out.extend_from_slice(
            format!(
                "POST /api/v1/statuses HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\
                 \r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        );
    })
}
