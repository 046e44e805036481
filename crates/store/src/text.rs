//! What little of a statement's or a migration's text differs between the engines, rewritten from
//! the one text that the nouns write.

use std::borrow::Cow;

/// `?N` as PostgreSQL writes it, `$N`; text in quotes is left alone.
pub(crate) fn to_dollars(sql: &str) -> String {
    let mut quoted = false;
    sql.chars()
        .map(|c| {
            if c == '\'' {
                quoted = !quoted;
            }
            if c == '?' && !quoted { '$' } else { c }
        })
        .collect()
}

/// Whether a statement gives rows back.
pub(crate) fn returns(sql: &str) -> bool {
    sql.to_ascii_uppercase().split_ascii_whitespace().any(|word| word == "RETURNING")
}

/// A schema text for SQLite. `{blob}` is its word for bytes. A lone BIGINT key becomes the table's
/// own row number (`INTEGER PRIMARY KEY`, 64 bits all the same), and a table whose key has several
/// columns is kept in the key's order: each saves a second tree to write at every deed.
pub(crate) fn schema_for_sqlite(sql: &str) -> String {
    let sql = sql
        .replace("{blob}", "BLOB")
        .replace("BIGINT NOT NULL PRIMARY KEY", "INTEGER NOT NULL PRIMARY KEY");
    let mut out = String::with_capacity(sql.len());
    let mut keyed = false;
    for line in sql.split_inclusive('\n') {
        let word = line.trim();
        if word == ");" && keyed {
            out.push_str(") WITHOUT ROWID;\n");
        } else {
            out.push_str(line);
        }
        keyed = word.starts_with("PRIMARY KEY (");
    }
    out
}

/// A schema text for PostgreSQL. Text compares by its bytes, as SQLite does, so that order, ranges
/// and indexes are the same on both engines whatever locale the database was made with.
pub(crate) fn schema_for_postgres(sql: &str) -> String {
    sql.replace("{blob}", "BYTEA").replace(" TEXT", " TEXT COLLATE \"C\"")
}

/// PostgreSQL has no NUL in text and refuses the whole deed; it is written as U+FFFD, on both
/// engines alike.
pub(crate) fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{FFFD}")) } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_marks_become_dollars_outside_quotes() {
        for (from, to) in [
            ("SELECT ?1", "SELECT $1"),
            ("a = ?1 AND b IN (?12,?2) AND c = ?1", "a = $1 AND b IN ($12,$2) AND c = $1"),
            ("a = 'why?' AND b = ?1", "a = 'why?' AND b = $1"),
            ("a = 'it''s ?1' OR b = ?2", "a = 'it''s ?1' OR b = $2"),
            ("", ""),
        ] {
            assert_eq!(to_dollars(from), to);
        }
    }

    #[test]
    fn returning_is_a_word_of_its_own() {
        assert!(returns("DELETE FROM a WHERE b = ?1 RETURNING b"));
        assert!(returns("delete from a\nreturning b"));
        assert!(!returns("INSERT INTO returning_visitor (a) VALUES (?1)"));
    }

    #[test]
    fn schema_texts_speak_each_engine() {
        let text = "CREATE TABLE a (\n    id BIGINT NOT NULL PRIMARY KEY,\n    b TEXT,\n    \
             c {blob}\n);\n\
                    CREATE TABLE d (\n    a BIGINT NOT NULL,\n    PRIMARY KEY (a, b)\n);\n";
        let sqlite = schema_for_sqlite(text);
        assert!(sqlite.contains("id INTEGER NOT NULL PRIMARY KEY,\n    b TEXT,\n    c BLOB\n);"));
        assert!(sqlite.contains("PRIMARY KEY (a, b)\n) WITHOUT ROWID;"));
        let postgres = schema_for_postgres(text);
        assert!(postgres.contains("b TEXT COLLATE \"C\",\n    c BYTEA\n);"));
        assert!(postgres.contains("PRIMARY KEY (a, b)\n);"));
    }
}
