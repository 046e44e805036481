//! PostgreSQL is cut off while people write, and comes back: 503 with Retry-After meanwhile, 200
//! afterwards without a restart, nothing acknowledged lost, nothing else ever answered.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use super::ledger::Ledger;
use super::verify::{self, Claim};
use crate::ground;
use crate::http::{Answer, Client};
use crate::instance::{OPEN, Plan};
use crate::postgres::Postgres;
use crate::proxy::Proxy;

/// Time in which the server must have noticed either way.
const NOTICE: Duration = Duration::from_secs(60);

/// Cuts and restores once, under load.
///
/// # Errors
/// When an answer was neither, or the server did not recover by itself.
pub fn run(database: &Postgres) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let proxy = Proxy::start(database.address)?;
    let url = Postgres::url_at(proxy.address);
    let plan = Plan::new(&folder.path().join("data"), OPEN).on_postgres(&url);
    let mut server = plan.start()?;
    let address = server.address;
    let mut ledger = Ledger::cast(&plan, address, 7)?;
    let token = ledger.writers.first().context("no writer")?.token.clone();
    plan.account("bystander")?;
    let bystander = plan.token("bystander")?;
    ensure!(token != bystander, "two accounts have one token");
    ledger.write(address, &AtomicBool::new(false), || {
        let mut client = Client::new(address, Some(&bystander));
        answered(&mut client, 200)?;
        proxy.cut();
        let refused = answered(&mut client, 503)?;
        ensure!(refused.header("retry-after").is_some(), "a 503 without Retry-After");
        no_secrets(&refused)?;
        let health = Client::new(address, None).get("/health")?;
        ensure!(
            health.status == 200,
            "/health says {} while only the store is away",
            health.status
        );
        let ready = Client::new(address, None).get("/ready")?;
        ensure!(ready.status == 503, "/ready says {} while the store is away", ready.status);
        proxy.restore();
        answered(&mut client, 200)?;
        // Writers go on for a moment on the other side of the outage.
        ground::pause(Duration::from_millis(500));
        Ok(())
    })?;
    ensure!(server.lives(), "the server ended");
    let refused: u64 = ledger.writers.iter().map(|writer| writer.refused).sum();
    verify::run(&mut ledger, address, Claim::All)?;
    server.stop()?;
    println!(
        "  {} posts acknowledged around the outage, all there; {refused} writes refused with 503",
        ledger.acknowledged()
    );
    Ok(())
}

/// Posts until the answer has that status; anything but 200 and 503 on the way is wrong.
fn answered(client: &mut Client, status: u16) -> Result<Answer> {
    let start = ground::now();
    let mut number = 0_u32;
    while start.elapsed() < NOTICE {
        number += 1;
        let answer =
            client.post("/api/v1/statuses", &json!({ "status": format!("try {number}") }))?;
        match answer.status {
            found if found == status => return Ok(answer),
            200 | 503 => ground::pause(Duration::from_millis(50)),
            other => bail!("answered {other} while waiting for {status}"),
        }
    }
    bail!("no {status} within {NOTICE:?}")
}

/// A 5xx body says only a request id.
fn no_secrets(answer: &Answer) -> Result<()> {
    let text = String::from_utf8_lossy(&answer.body).to_lowercase();
    for word in ["postgres", "127.0.0.1", "select ", "insert ", "connection"] {
        ensure!(!text.contains(word), "a 5xx body tells of the inside: {text}");
    }
    Ok(())
}
