//! Asks a server for everything that was acknowledged, and whether anything is there by half.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::ledger::{Fault, Ledger, Shown, Writer, id_of};
use crate::http::Client;

/// Pages of posts that are read of one writer, at most.
const PAGES_MAX: usize = 4_000;

/// What must be true of a server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Everything acknowledged is there.
    All,
    /// What is there is whole and without a gap: a moment of the past, no older than these counts
    /// of acknowledged posts.
    Moment([usize; super::ledger::WRITERS]),
}

/// Holds the server to the claim.
///
/// # Errors
/// With the first thing that is missing, half or double.
pub fn run(ledger: &mut Ledger, address: SocketAddr, claim: Claim) -> Result<()> {
    for (at, writer) in ledger.writers.iter_mut().enumerate() {
        let mut client = Client::new(address, Some(&writer.token));
        let shown = posts_of(&mut client, writer)?;
        whole(writer, &shown)?;
        let least = match claim {
            Claim::All => usize::MAX,
            Claim::Moment(counts) => counts.get(at).copied().unwrap_or(0),
        };
        without_gap(writer, &shown, least)?;
        if claim == Claim::All {
            follows(&mut client, writer)?;
            favourites(&mut client, writer)?;
            keys_hold(&mut client, writer, &shown)?;
        }
    }
    Ok(())
}

/// All posts of a writer, by key, read backwards page by page.
fn posts_of(client: &mut Client, writer: &Writer) -> Result<Shown> {
    let mut shown = Shown::new();
    let mut before = String::new();
    for _ in 0..PAGES_MAX {
        let path = format!("/api/v1/accounts/{}/statuses?limit=40{before}", writer.id);
        let page = client.get(&path)?.fine()?;
        let Some(posts) = page.as_array().filter(|posts| !posts.is_empty()) else {
            return Ok(shown);
        };
        for post in posts {
            let text = post.get("content").and_then(Value::as_str).unwrap_or_default();
            let key = text.trim_start_matches("<p>").split(' ').next().unwrap_or_default();
            shown.entry(key.to_owned()).or_default().push(post.clone());
            before = format!("&max_id={}", id_of(post)?);
        }
    }
    bail!("{} has more than {PAGES_MAX} pages of posts", writer.name)
}

/// Nothing is there twice, by half, or without ever having been asked for.
fn whole(writer: &Writer, shown: &Shown) -> Result<()> {
    let known: BTreeMap<&str, Option<&String>> =
        writer.posts.iter().map(|post| (post.key.as_str(), post.id.as_ref())).collect();
    for (key, posts) in shown {
        let acknowledged = known
            .get(key.as_str())
            .with_context(|| format!("{} has a post that was never written: {key}", writer.name))?;
        let [post] = posts.as_slice() else {
            bail!("{key} is there {} times", posts.len());
        };
        let id = id_of(post)?;
        if let Some(expected) = acknowledged {
            ensure!(id == **expected, "{key} was acknowledged as {expected} and is {id}");
        }
        for part in ["mentions", "tags"] {
            let count = post.get(part).and_then(Value::as_array).map_or(0, Vec::len);
            ensure!(count == 1, "{key} ({id}) is half: it has {count} {part}");
        }
    }
    Ok(())
}

/// Acknowledged posts are there, up to the last that is there or beyond `least` of them.
fn without_gap(writer: &Writer, shown: &Shown, least: usize) -> Result<()> {
    let mut missing = None;
    let acknowledged = writer.posts.iter().filter(|post| post.id.is_some());
    for (at, post) in acknowledged.enumerate() {
        let there = shown.contains_key(&post.key);
        if !there && at < least {
            bail!("LOST: {} was acknowledged as {:?} and is gone", post.key, post.id);
        }
        match (&missing, there) {
            (None, false) => missing = Some(&post.key),
            (Some(gone), true) => bail!("{} is there, but {gone} before it is not", post.key),
            _ => {}
        }
    }
    Ok(())
}

fn follows(client: &mut Client, writer: &Writer) -> Result<()> {
    for group in writer.follows.chunks(40) {
        let list: Vec<String> = group.iter().map(|id| format!("id[]={id}")).collect();
        let path = format!("/api/v1/accounts/relationships?{}", list.join("&"));
        let answer = client.get(&path)?.fine()?;
        let relations = answer.as_array().context("relationships is no list")?;
        let following: BTreeSet<String> = relations
            .iter()
            .filter(|relation| relation.get("following") == Some(&Value::Bool(true)))
            .map(id_of)
            .collect::<Result<_>>()?;
        for id in group {
            ensure!(following.contains(id), "LOST: {} no longer follows {id}", writer.name);
        }
    }
    Ok(())
}

fn favourites(client: &mut Client, writer: &Writer) -> Result<()> {
    for id in &writer.favourites {
        let post = client.get(&format!("/api/v1/statuses/{id}"))?.fine()?;
        let kept = post.get("favourited") == Some(&Value::Bool(true));
        ensure!(kept, "LOST: {}'s favourite of {id}", writer.name);
    }
    Ok(())
}

/// Sending the last acknowledged post and the pending ones again makes no second one.
fn keys_hold(client: &mut Client, writer: &mut Writer, shown: &Shown) -> Result<()> {
    let last = writer.posts.iter().rposition(|post| post.id.is_some());
    let pending: Vec<usize> = (0..writer.posts.len())
        .filter(|at| writer.posts.get(*at).is_some_and(|post| post.id.is_none()))
        .collect();
    for at in pending.into_iter().chain(last) {
        let Some(post) = writer.posts.get(at).cloned() else { continue };
        let again = match writer.repeat(client, &post.key) {
            Ok(id) => id.context("a repeated post was refused")?,
            Err(Fault::Gone(error)) => {
                return Err(error.context(format!("no answer while {} was repeated", post.key)));
            }
            Err(Fault::Wrong(error)) => return Err(error),
        };
        let before = shown.get(&post.key).and_then(|posts| posts.first()).map(id_of).transpose()?;
        if let Some(before) = before {
            ensure!(again == before, "{} became {before} and then {again}", post.key);
        }
        if let Some(post) = writer.posts.get_mut(at) {
            post.id = Some(again);
        }
    }
    Ok(())
}
