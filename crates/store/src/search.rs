//! Finding posts by their words. The index is filled beside the deeds, some posts at a time: inside
//! the deed it would halve the rate at which people can post. How far it has come is in the same
//! deed as what it took in, so that a kill neither skips a post nor takes one twice.
//!
//! This is one of the few places where the engines differ: FTS5 there, a `tsvector` here. FTS5
//! takes a text apart by itself; PostgreSQL would do it by other rules (a link as one word, accents
//! kept), so it is given the words as [`model::text::words`] has them. Who may see what was found
//! is not asked here.

use crate::{Batch, SqlStore, Value, db::Dialect, params};
use async_trait::async_trait;
use model::{
    AccountId, Page, StatusId,
    ports::{SearchStore, Stored},
};
use serde_json::{Value as Json, json};

/// The texts that one engine needs.
struct Texts {
    take_in: &'static str,
    renew: &'static str,
    forget: &'static str,
    find: &'static str,
}

const SQLITE: Texts = Texts {
    take_in: "INSERT INTO status_search (rowid, text) \
        SELECT id, spoiler || ' ' || text FROM status \
        WHERE id > ?1 AND id <= ?2 AND reblog_of_id IS NULL ORDER BY id",
    renew: "INSERT OR REPLACE INTO status_search (rowid, text) VALUES (?1, ?2)",
    forget: "DELETE FROM status_search WHERE rowid = ?1",
    find: "SELECT s.id FROM status_search f JOIN status s ON s.id = f.rowid \
        WHERE f.status_search MATCH ?1",
};

const POSTGRES: Texts = Texts {
    // As it was read: what was edited since is there already, with its new wording.
    take_in: "INSERT INTO status_search (status_id, words) \
        SELECT s.id, array_to_tsvector(string_to_array(j.words, ' ')) \
        FROM json_to_recordset(CAST(?1 AS json)) AS j (id BIGINT, edited_ms BIGINT, words TEXT) \
        JOIN status s ON s.id = j.id AND s.edited_ms IS NOT DISTINCT FROM j.edited_ms \
        ON CONFLICT (status_id) DO NOTHING",
    renew: "INSERT INTO status_search (status_id, words) \
        VALUES (?1, array_to_tsvector(string_to_array(?2, ' '))) \
        ON CONFLICT (status_id) DO UPDATE SET words = excluded.words",
    forget: "DELETE FROM status_search WHERE status_id = ?1",
    find: "SELECT s.id FROM status_search f JOIN status s ON s.id = f.status_id \
        WHERE f.words @@ CAST(?1 AS TSQUERY)",
};

const fn texts(dialect: Dialect) -> &'static Texts {
    match dialect {
        Dialect::Sqlite => &SQLITE,
        Dialect::Postgres => &POSTGRES,
    }
}

/// The words of a text as PostgreSQL keeps them.
fn lexemes(text: &str) -> String {
    model::text::words(text).join(" ")
}

/// All words, the last of them perhaps half typed, in an engine's own query language. The words
/// are letters and digits alone, so nothing in them means anything there.
fn expression(dialect: Dialect, words: &[String]) -> String {
    let alone = |word: &String| word.chars().filter(|c| c.is_alphanumeric()).collect();
    let words: Vec<String> = match dialect {
        Dialect::Sqlite => words.iter().map(alone).collect(),
        Dialect::Postgres => {
            words.iter().map(alone).flat_map(|word: String| model::text::words(&word)).collect()
        }
    };
    let last = words.len().saturating_sub(1);
    let word = |(at, word): (usize, &String)| match (dialect, at == last) {
        (Dialect::Sqlite, true) => format!("\"{word}\"*"),
        (Dialect::Sqlite, false) => format!("\"{word}\""),
        (Dialect::Postgres, true) => format!("'{word}':*"),
        (Dialect::Postgres, false) => format!("'{word}'"),
    };
    let joint = match dialect {
        Dialect::Sqlite => " ",
        Dialect::Postgres => " & ",
    };
    words.iter().enumerate().map(word).collect::<Vec<_>>().join(joint)
}

/// In an edit's deed: the index learns the new wording at once.
pub(crate) fn renew(batch: &mut Batch, dialect: Dialect, id: StatusId, text: String) {
    let text = match dialect {
        Dialect::Sqlite => text,
        Dialect::Postgres => lexemes(&text),
    };
    batch.add(texts(dialect).renew, params![id, text]);
}

/// In a deletion's deed.
pub(crate) fn forget(batch: &mut Batch, dialect: Dialect, id: StatusId) {
    batch.add(texts(dialect).forget, params![id]);
}

#[async_trait]
impl SearchStore for SqlStore {
    async fn index_posts(&self, limit: u32) -> Stored<u32> {
        let sql = "SELECT indexed_id FROM search_watermark WHERE id = 1";
        let Some(row) = self.db.first(sql, params![]).await? else { return Ok(0) };
        let from = row.int(0)?;
        let below = self.db.settled(Page::newest(limit)).below();
        let next = "SELECT COUNT(*), COALESCE(MAX(id), 0) FROM (SELECT id FROM status \
                    WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3) AS next";
        let Some(row) = self.db.first(next, params![from, below, limit]).await? else {
            return Ok(0);
        };
        let (count, to) = (row.int(0)?, row.int(1)?);
        if count == 0 {
            return Ok(0);
        }
        let mut batch = Batch::new();
        // Whoever else takes posts in at this moment has moved it, and this deed is refused.
        batch.must(
            "UPDATE search_watermark SET indexed_id = ?2 WHERE id = 1 AND indexed_id = ?1",
            params![from, to],
        );
        match self.db.dialect() {
            Dialect::Sqlite => {
                // A post that was edited between its posting and now is there already.
                batch.add(
                    "DELETE FROM status_search WHERE rowid IN \
                     (SELECT id FROM status WHERE id > ?1 AND id <= ?2 AND edited_ms IS NOT NULL)",
                    params![from, to],
                );
                batch.add(SQLITE.take_in, params![from, to]);
            }
            Dialect::Postgres => {
                batch.add(POSTGRES.take_in, params![self.words_between(from, to).await?]);
            }
        }
        self.db.commit(batch).await.map_err(|e| e.into_store("search"))?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn search_posts(
        &self,
        words: &[String],
        author: Option<AccountId>,
        page: Page,
    ) -> Stored<Vec<StatusId>> {
        let words: Vec<String> =
            words.iter().filter(|w| w.chars().any(char::is_alphanumeric)).cloned().collect();
        if words.is_empty() {
            return Ok(vec![]);
        }
        let dialect = self.db.dialect();
        let order = if page.ascending() { "ASC" } else { "DESC" };
        let by = author.map_or("", |_| " AND s.account_id = ?5");
        let sql = format!(
            "{} AND s.id < ?2 AND s.id > ?3{by} ORDER BY s.id {order} LIMIT ?4",
            texts(dialect).find
        );
        let asked = expression(dialect, &words);
        let mut values = params![asked, page.below(), page.above(), page.limit];
        values.extend(author.map(Value::from));
        let rows = self.db.query(&sql, values).await?;
        let mut ids: Vec<StatusId> = rows.iter().map(|r| r.id(0)).collect::<Stored<_>>()?;
        if page.ascending() {
            ids.reverse();
        }
        Ok(ids)
    }
}

impl SqlStore {
    /// The words of posts in a range of ids, as the statement that takes them in reads them.
    async fn words_between(&self, from: i64, to: i64) -> Stored<String> {
        let sql = "SELECT id, edited_ms, spoiler, text FROM status \
                   WHERE id > ?1 AND id <= ?2 AND reblog_of_id IS NULL";
        let mut posts = Vec::new();
        for row in self.db.query(sql, params![from, to]).await? {
            let words = lexemes(&format!("{} {}", row.text(2)?, row.text(3)?));
            posts.push(json!({ "id": row.int(0)?, "edited_ms": row.opt_int(1)?, "words": words }));
        }
        Ok(Json::Array(posts).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_nothing_to_the_engines() {
        let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        for (asked, sqlite, postgres) in [
            ("one", "\"one\"*", "'one':*"),
            ("one two", "\"one\" \"two\"*", "'one' & 'two':*"),
            ("a\"b' OR:*(", "\"ab\" \"OR\"*", "'ab' & 'or':*"),
            ("Möwe", "\"Möwe\"*", "'mowe':*"),
        ] {
            assert_eq!(expression(Dialect::Sqlite, &words(asked)), sqlite);
            assert_eq!(expression(Dialect::Postgres, &words(asked)), postgres);
        }
    }
}
