//! The data set that benches run on: made once, kept under `target/bench-data`, copied for those
//! that write.
//!
//! The server makes its own empty database and owner; rows are then written with plain statements
//! into the real schema, which is hours faster than a million requests. A tenth of the authors are
//! remote. Authors and follow edges are uneven, as they are in life: few write most and are read
//! most. Chance is seeded, so every machine has the same data.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rusqlite::{Connection, params};

use crate::chance::Chance;
use crate::ground;
use crate::instance::{Instance, OPEN, Plan};

/// Accounts that read, each with a token.
pub const READERS: usize = 1_000;
/// Accounts that each of them follows.
const FOLLOWS: u64 = 100;
/// Accounts for a data set of so many posts.
const POSTS_PER_ACCOUNT: u64 = 10;
/// Rows per commit while filling.
const GROUP: u64 = 50_000;
/// Changes whenever what is written changes, so that an old data set is not taken for a new one. A
/// new migration makes another by itself: else each copy would be migrated as it is measured.
const EDITION: u32 = 3;

/// A filled data folder and who is in it.
pub struct Scene {
    folder: PathBuf,
    /// Tokens of the readers, in order.
    pub tokens: Vec<String>,
    /// Posts in it.
    pub posts: u64,
}

impl Scene {
    /// The data set with so many posts, made when it is not there yet.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn of(posts: u64) -> Result<Self> {
        let schema = std::fs::read_dir(ground::root().join("crates/store/migrations"))
            .context("look for the migrations")?
            .count();
        let name = format!("{posts}-edition-{EDITION}-{schema}");
        let folder = ground::kept("bench-data")?.join(name);
        let done = folder.join("tokens");
        if !done.exists() {
            if folder.exists() {
                std::fs::remove_dir_all(&folder)?;
            }
            println!("making a data set of {posts} posts (once)");
            std::fs::create_dir_all(&folder)?;
            let tokens = fill(&folder.join("data"), posts)?;
            std::fs::write(&done, tokens.join("\n")).context("keep the tokens")?;
        }
        let tokens = std::fs::read_to_string(&done)?.lines().map(str::to_owned).collect();
        Ok(Self { folder, tokens, posts })
    }

    /// A server on a fresh copy of the data, on the server's core.
    ///
    /// # Errors
    /// When it does not start.
    pub fn serve(&self) -> Result<Stage> {
        self.serve_with("")
    }

    /// The same, with more in its configuration.
    ///
    /// # Errors
    /// When it does not start.
    pub fn serve_with(&self, config: &str) -> Result<Stage> {
        let copy = tempfile::tempdir_in(ground::target())?;
        let data = copy.path().join("data");
        copy_folder(&self.folder.join("data"), &data)?;
        let instance = Plan::new(&data, &format!("{OPEN}{config}")).pinned().start()?;
        Ok(Stage { instance, copy })
    }

    /// The database file.
    ///
    /// # Errors
    /// When there is none.
    pub fn database(&self) -> Result<PathBuf> {
        database(&self.folder.join("data"))
    }

    /// A number from the database: ids of accounts and posts that a bench asks for.
    ///
    /// # Errors
    /// When the statement gives none.
    pub fn numbers(&self, statement: &str) -> Result<Vec<i64>> {
        let sqlite = Connection::open(self.database()?)?;
        let mut prepared = sqlite.prepare(statement)?;
        let rows = prepared.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// A running server and its copy of the data, which goes with it.
pub struct Stage {
    /// The server; dropped first.
    pub instance: Instance,
    #[expect(dead_code, reason = "holds the folder until the server has ended")]
    copy: tempfile::TempDir,
}

/// The SQLite database of a data folder: the largest file that begins as one.
///
/// # Errors
/// When there is none.
pub fn database(data: &Path) -> Result<PathBuf> {
    let mut found: Option<(u64, PathBuf)> = None;
    for entry in std::fs::read_dir(data).with_context(|| data.display().to_string())? {
        let path = entry?.path();
        let is_database = path.extension().is_some_and(|end| end == "db" || end == "sqlite");
        let size = path.metadata()?.len();
        if is_database && found.as_ref().is_none_or(|(largest, _)| size > *largest) {
            found = Some((size, path));
        }
    }
    Ok(found.with_context(|| format!("no database in {}", data.display()))?.1)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Fills a new data folder; the readers' tokens.
fn fill(data: &Path, posts: u64) -> Result<Vec<String>> {
    let plan = Plan::new(data, OPEN);
    // The server makes the schema, the owner and its keys, as on a host's first day.
    plan.start()?.stop()?;
    let accounts = (posts / POSTS_PER_ACCOUNT).max(READERS as u64 * 2);
    let mut writer = Writer::open(&database(data)?, accounts, posts)?;
    writer.accounts()?;
    writer.statuses()?;
    writer.follows()?;
    writer.counts()?;
    drop(writer);
    println!("  tokens of {READERS} readers");
    let running = plan.start()?;
    let mut tokens = Vec::with_capacity(READERS);
    for reader in 0..READERS {
        tokens.push(plan.token(&format!("reader{reader}"))?);
    }
    running.stop()?;
    Ok(tokens)
}

/// Writes rows; ids are as the server issues them, in the past.
struct Writer {
    sqlite: Connection,
    accounts: u64,
    posts: u64,
    start_ms: i64,
    chance: Chance,
}

impl Writer {
    fn open(database: &Path, accounts: u64, posts: u64) -> Result<Self> {
        let sqlite = Connection::open(database)?;
        sqlite.pragma_update(None, "synchronous", "OFF")?;
        let start_ms = ground::wall_ms() - 400 * 24 * 3_600 * 1_000;
        Ok(Self { sqlite, accounts, posts, start_ms, chance: Chance::new(41) })
    }

    fn account_id(&self, number: u64) -> i64 {
        id(self.start_ms, number)
    }

    /// Ids of posts end a day ago, so that whatever the server issues sorts after them.
    fn status_id(&self, number: u64) -> i64 {
        id(self.start_ms + 200 * 24 * 3_600 * 1_000, number * 10_000)
    }

    fn grouped(
        &mut self,
        what: &str,
        count: u64,
        mut row: impl FnMut(&mut Self, u64) -> Result<()>,
    ) -> Result<()> {
        println!("  {what}: {count}");
        for number in 0..count {
            if number % GROUP == 0 {
                self.sqlite.execute_batch("BEGIN")?;
            }
            row(self, number)?;
            if number % GROUP == GROUP - 1 || number == count - 1 {
                self.sqlite.execute_batch("COMMIT")?;
            }
        }
        Ok(())
    }

    fn accounts(&mut self) -> Result<()> {
        self.grouped("accounts", self.accounts, |this, number| {
            let id = this.account_id(number);
            let reader = number < READERS as u64;
            let name = if reader { format!("reader{number}") } else { format!("person{number}") };
            let remote = !reader && number % 10 == 0;
            let domain = remote.then(|| format!("host{}.example", number % 500));
            let uri = domain.as_ref().map(|host| format!("https://{host}/users/{name}"));
            let created = this.start_ms;
            this.sqlite
                .prepare_cached(ACCOUNT)?
                .execute(params![id, name, domain, uri, created])?;
            if !remote {
                let mail = format!("{name}@example.org");
                this.sqlite.prepare_cached(MEMBER)?.execute(params![id, mail, created])?;
            }
            Ok(())
        })
    }

    fn statuses(&mut self) -> Result<()> {
        self.grouped("posts", self.posts, |this, number| {
            let id = this.status_id(number);
            let author = this.author();
            // Every tenth post answers the one before it, which makes threads.
            let reply = number % 10 == 9;
            let before = this.status_id(number.saturating_sub(1));
            let (reply_to, thread) = if reply { (Some(before), before) } else { (None, id) };
            let text = super::posts::TWENTY_WORDS;
            this.sqlite
                .prepare_cached(STATUS)?
                .execute(params![id, author, text, reply_to, thread])?;
            Ok(())
        })
    }

    /// Few write most: the lower the number, the likelier.
    fn author(&mut self) -> i64 {
        let spread = self.chance.below(self.accounts) * self.chance.below(1_000) / 1_000;
        self.account_id(spread)
    }

    fn follows(&mut self) -> Result<()> {
        self.grouped("follow edges", READERS as u64 * FOLLOWS, |this, number| {
            let reader = this.account_id(number / FOLLOWS);
            let target = this.author();
            let id = id(this.start_ms + 190 * 24 * 3_600 * 1_000, number);
            this.sqlite.prepare_cached(FOLLOW)?.execute(params![reader, target, id])?;
            Ok(())
        })
    }

    /// Counters and the search index, as the server would have them.
    fn counts(&mut self) -> Result<()> {
        println!("  counters");
        self.sqlite.execute_batch(COUNTS)?;
        println!("  search index");
        self.sqlite.execute_batch(SEARCH)?;
        self.sqlite.execute_batch("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(())
    }
}

/// As the server's: milliseconds above 16 bits of sequence.
fn id(start_ms: i64, number: u64) -> i64 {
    (start_ms + i64::try_from(number).unwrap_or(0)) << 16
}

const ACCOUNT: &str = "INSERT INTO account (id, username, username_lower, domain, uri, \
    display_name, note, fields, locked, bot, discoverable, indexable, hide_collections, \
    created_ms) \
    VALUES (?1, ?2, ?2, ?3, ?4, ?2, 'Somebody who writes now and then.', '[]', 0, 0, 1, 1, 0, ?5)";

/// No password leads in: the hash is of a form that no password has.
const MEMBER: &str = "INSERT INTO member (account_id, email, email_lower, password_hash, role, \
    confirmed_ms, locale, preferences, created_ms) \
    VALUES (?1, ?2, ?2, '!', 'member', ?3, 'en', '{}', ?3)";

const STATUS: &str = "INSERT INTO status (id, account_id, created_ms, visibility, sensitive, \
    spoiler, text, language, reply_to_id, conversation_id, media_ids, mention_ids, tags) \
    VALUES (?1, ?2, ?1 >> 16, 0, 0, '', ?3, 'en', ?4, ?5, '', '', '')";

const FOLLOW: &str = "INSERT OR IGNORE INTO follow (account_id, target_id, id, reblogs, notify, \
    languages) SELECT ?1, ?2, ?3, 1, 0, '' WHERE ?1 <> ?2";

/// A host's index has caught up long ago.
const SEARCH: &str = "BEGIN;
    INSERT INTO status_search (rowid, text) SELECT id, spoiler || ' ' || text FROM status;
    UPDATE search_watermark SET indexed_id = (SELECT MAX(id) FROM status);
    COMMIT";

const COUNTS: &str = "BEGIN;
    INSERT OR REPLACE INTO account_count
        (account_id, statuses, followers, following, last_status_ms)
    SELECT a.id,
        (SELECT COUNT(*) FROM status s WHERE s.account_id = a.id),
        (SELECT COUNT(*) FROM follow f WHERE f.target_id = a.id),
        (SELECT COUNT(*) FROM follow f WHERE f.account_id = a.id),
        (SELECT MAX(s.created_ms) FROM status s WHERE s.account_id = a.id)
    FROM account a;
    COMMIT";
