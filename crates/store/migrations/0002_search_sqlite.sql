-- FTS5 without a copy of the text: `rowid` is the id of the post. Accents do not matter.
CREATE VIRTUAL TABLE status_search USING fts5 (
    text, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);
