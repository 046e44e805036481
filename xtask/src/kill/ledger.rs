//! What writers were told, and the writers themselves.
//!
//! A writer notes a deed as pending before it asks, and as acknowledged when the answer has come.
//! A deed that is pending when the server dies may have happened or not, but never half, and never
//! twice. Each post mentions another writer and carries a tag, so that a half of it would show.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::http::Client;
use crate::instance::Plan;

/// Writers at once.
pub const WRITERS: usize = 4;
/// Accounts that are there to be followed, each once by each writer.
const FOLLOWED: usize = 40;
/// Deeds of one writer between two kills, at most.
const DEEDS_MAX: u32 = 20_000;

/// A post as its writer knows it.
#[derive(Clone, Debug)]
pub struct Post {
    /// Unique, and the idempotency key too.
    pub key: String,
    /// The id that was acknowledged.
    pub id: Option<String>,
}

/// One writer: who it is, and all that it noted.
pub struct Writer {
    /// Its name.
    pub name: String,
    /// Its account.
    pub id: String,
    /// Its token.
    pub token: String,
    /// Whom its posts mention.
    mentions: String,
    /// Accounts that it may still follow.
    to_follow: Vec<String>,
    /// All its posts in order.
    pub posts: Vec<Post>,
    /// Acknowledged follows: ids of accounts.
    pub follows: Vec<String>,
    /// Acknowledged favourites: ids of posts.
    pub favourites: Vec<String>,
    /// Answers other than 200 that are allowed while a database is away.
    pub refused: u64,
    number: u64,
    chance: Chance,
}

/// All writers of a test.
pub struct Ledger {
    /// In order.
    pub writers: Vec<Writer>,
}

impl Ledger {
    /// Makes the accounts on a running server.
    ///
    /// # Errors
    /// When the program refuses.
    pub fn cast(plan: &Plan, address: SocketAddr, seed: u64) -> Result<Self> {
        let mut followed = Vec::new();
        for number in 0..FOLLOWED {
            let name = format!("followed{number}");
            plan.account(&name)?;
            followed.push(account_id(address, &name)?);
        }
        let mut writers = Vec::new();
        for number in 0..WRITERS {
            let name = format!("writer{number}");
            plan.account(&name)?;
            let own = u64::try_from(number).unwrap_or(0);
            writers.push(Writer {
                id: account_id(address, &name)?,
                token: plan.token(&name)?,
                mentions: format!("writer{}", (number + 1) % WRITERS),
                to_follow: followed.clone(),
                posts: Vec::new(),
                follows: Vec::new(),
                favourites: Vec::new(),
                refused: 0,
                number: 0,
                chance: Chance::new(seed.wrapping_mul(31).wrapping_add(own)),
                name,
            });
        }
        Ok(Self { writers })
    }

    /// Acknowledged posts so far.
    pub fn acknowledged(&self) -> usize {
        let posts = self.writers.iter().flat_map(|writer| &writer.posts);
        posts.filter(|post| post.id.is_some()).count()
    }

    /// Lets all writers write until what is done meanwhile is done, or until the server is gone,
    /// which is allowed only once `doomed` is set.
    ///
    /// # Errors
    /// When an answer was of a kind that no misfortune excuses, or did not come while the server
    /// was to live.
    pub fn write(
        &mut self,
        address: SocketAddr,
        doomed: &AtomicBool,
        meanwhile: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let stop = &AtomicBool::new(false);
        std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for writer in &mut self.writers {
                threads.push(scope.spawn(move || writer.write(address, stop, doomed)));
            }
            let done = meanwhile();
            stop.store(true, Ordering::SeqCst);
            for thread in threads {
                thread.join().ok().context("a writer panicked")??;
            }
            done
        })
    }
}

impl Writer {
    fn write(&mut self, address: SocketAddr, stop: &AtomicBool, doomed: &AtomicBool) -> Result<()> {
        let mut client = Client::new(address, Some(&self.token));
        for _ in 0..DEEDS_MAX {
            if stop.load(Ordering::SeqCst) {
                return Ok(());
            }
            let deed = match self.chance.below(10) {
                0 => self.follow(&mut client),
                1 => self.favourite(&mut client),
                _ => self.post(&mut client),
            };
            match deed {
                Ok(()) => {}
                // The server was killed, which is what this is about.
                Err(Fault::Gone(_)) if doomed.load(Ordering::SeqCst) => return Ok(()),
                Err(Fault::Gone(error)) => {
                    return Err(error.context("no answer, and the server was not killed"));
                }
                Err(Fault::Wrong(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn post(&mut self, client: &mut Client) -> Result<(), Fault> {
        self.number += 1;
        let key = format!("{}-{:06}", self.name, self.number);
        self.posts.push(Post { key: key.clone(), id: None });
        let answer = self.repeat(client, &key)?;
        if let (Some(id), Some(post)) = (answer, self.posts.last_mut()) {
            post.id = Some(id);
        }
        Ok(())
    }

    /// Posts with a key, for the first time or again; the id when it was acknowledged.
    ///
    /// # Errors
    /// When the server is gone, or answered what it never should.
    pub fn repeat(&mut self, client: &mut Client, key: &str) -> Result<Option<String>, Fault> {
        let text = self.text(key);
        let body = json!({ "status": text });
        let sent =
            client.send("POST", "/api/v1/statuses", &[("Idempotency-Key", key)], Some(&body));
        let id = self.acknowledged(sent)?.map(|value| id_of(&value));
        id.transpose().map_err(Fault::Wrong)
    }

    /// The text of a post: its key, a mention and a tag.
    pub fn text(&self, key: &str) -> String {
        format!("{key} for @{} #kept", self.mentions)
    }

    fn follow(&mut self, client: &mut Client) -> Result<(), Fault> {
        let Some(target) = self.to_follow.pop() else { return Ok(()) };
        let path = format!("/api/v1/accounts/{target}/follow");
        if self.acknowledged(client.post(&path, &json!({})))?.is_some() {
            self.follows.push(target);
        }
        Ok(())
    }

    fn favourite(&mut self, client: &mut Client) -> Result<(), Fault> {
        let own: Vec<String> = self.posts.iter().filter_map(|post| post.id.clone()).collect();
        let Some(id) = self.chance.one(&own).cloned() else { return Ok(()) };
        let path = format!("/api/v1/statuses/{id}/favourite");
        if self.acknowledged(client.post(&path, &json!({})))?.is_some() {
            self.favourites.push(id);
        }
        Ok(())
    }

    /// The body of a 200; none of a refusal that says when to come back.
    fn acknowledged(&mut self, sent: Result<crate::http::Answer>) -> Result<Option<Value>, Fault> {
        let answer = sent.map_err(Fault::Gone)?;
        match answer.status {
            200 => Ok(Some(answer.json())),
            429 | 503 | 507 if answer.header("retry-after").is_some() || answer.status == 507 => {
                self.refused += 1;
                Ok(None)
            }
            _ => Err(Fault::Wrong(answer.fine().err().unwrap_or_else(|| anyhow::anyhow!("?")))),
        }
    }
}

/// Why a deed was not acknowledged.
pub enum Fault {
    /// No answer: the server is gone, or hangs.
    Gone(anyhow::Error),
    /// An answer that should not be.
    Wrong(anyhow::Error),
}

/// The id of an entity.
///
/// # Errors
/// When it has none.
pub fn id_of(value: &Value) -> Result<String> {
    let id = value.get("id").and_then(Value::as_str);
    Ok(id.with_context(|| format!("an entity without id: {value}"))?.to_owned())
}

/// The id of a local account.
///
/// # Errors
/// When there is none of that name.
pub fn account_id(address: SocketAddr, name: &str) -> Result<String> {
    let mut client = Client::new(address, None);
    let answer = client.get(&format!("/api/v1/accounts/lookup?acct={name}"))?;
    ensure!(answer.status == 200, "looking up {name} was answered {}", answer.status);
    id_of(&answer.json())
}

/// Keys of posts with their ids, as a server shows them.
pub type Shown = BTreeMap<String, Vec<Value>>;
