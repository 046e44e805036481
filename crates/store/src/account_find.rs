//! Finding accounts by how their names begin: the username, or a word of the shown name. The words
//! are kept in rows of their own, written by whatever writes the name, so that a range on an index
//! finds them; LIKE would look at every account, and its case rules differ by engine.

use crate::{Batch, SqlStore, Value, count, db::Dialect, params};
use model::{
    AccountId,
    ports::{AccountQuery, Stored},
};

/// Words of one name that are kept, and words of a question that are looked for. Past it: the
/// others are not.
const NAME_WORDS_MAX: usize = 8;
/// Characters of such a word. Past it: the rest is cut off.
const WORD_CHARACTERS_MAX: usize = 40;

/// The words of a shown name, each once.
fn words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let mut found: Vec<String> = Vec::new();
    for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word: String = word.chars().take(WORD_CHARACTERS_MAX).collect();
        if found.len() < NAME_WORDS_MAX && !found.contains(&word) {
            found.push(word);
        }
    }
    found
}

/// Keeps the words of an account's new name in the place of the old one's.
pub(crate) fn renew_words(batch: &mut Batch, account: &Value, name: &str) {
    batch.add(FORGET_WORDS, vec![account.clone()]);
    for word in words(name) {
        batch.add(
            "INSERT INTO account_word (word, account_id) VALUES (?1, ?2) \
             ON CONFLICT (word, account_id) DO NOTHING",
            vec![Value::from(word), account.clone()],
        );
    }
}

pub(crate) const FORGET_WORDS: &str = "DELETE FROM account_word WHERE account_id = ?1";

/// The statement that finds them, with its values.
pub(crate) fn finding(dialect: Dialect, query: &AccountQuery) -> (String, Vec<Value>) {
    let after = |text: &str| format!("{text}\u{10FFFF}");
    let name = query.text.to_lowercase();
    let mut values = params![name.clone(), after(&name), query.limit, query.offset];
    let mut range = |word: &str, column: &str| {
        values.extend(params![word, after(word)]);
        let to = values.len();
        format!("{column} >= ?{} AND {column} < ?{to}", to - 1)
    };
    let mut named = "SELECT n.id FROM account n \
         WHERE n.username_lower >= ?1 AND n.username_lower < ?2"
        .to_owned();
    if let Some((first, others)) = words(&query.text).split_first() {
        let first = range(first, "w.word");
        named.push_str(&format!(" UNION SELECT w.account_id FROM account_word w WHERE {first}"));
        for other in others {
            let other = range(other, "x.word");
            named.push_str(&format!(
                " AND EXISTS (SELECT 1 FROM account_word x \
                 WHERE x.account_id = w.account_id AND {other})"
            ));
        }
    }
    let mut followed = String::new();
    if let Some(reader) = query.followed_by {
        values.push(Value::from(reader));
        let place = values.len();
        followed = format!(
            " AND (a.id = ?{place} OR EXISTS \
             (SELECT 1 FROM follow f WHERE f.account_id = ?{place} AND f.target_id = a.id))"
        );
    }
    let followers = count::followers_of_a(dialect);
    let sql = format!(
        "SELECT a.id FROM account a WHERE a.id IN ({named}) AND a.suspended_ms IS NULL{followed} \
         ORDER BY CASE WHEN a.username_lower <> ?1 THEN 2 WHEN a.domain IS NULL THEN 0 ELSE 1 END, \
         {followers} DESC, a.id LIMIT ?3 OFFSET ?4"
    );
    (sql, values)
}

impl SqlStore {
    pub(crate) async fn found_accounts(&self, query: &AccountQuery) -> Stored<Vec<AccountId>> {
        let (sql, values) = finding(self.db.dialect(), query);
        self.db.query(&sql, values).await?.iter().map(|r| r.id(0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_into_a_few_words() {
        let long = "x".repeat(50);
        for (name, expected) in [
            ("Robert Tables", vec!["robert", "tables"]),
            ("  ÄRGER-Frei! ärger ", vec!["ärger", "frei"]),
            ("日本語", vec!["日本語"]),
            ("%_*", vec![]),
            (long.as_str(), vec![long.get(..40).unwrap()]),
            ("a b c d e f g h i", vec!["a", "b", "c", "d", "e", "f", "g", "h"]),
        ] {
            assert_eq!(words(name), expected, "{name}");
        }
    }
}
