-- Of names that are there already, the words between spaces; letters outside of ASCII stay as they
-- are until a name is changed.
INSERT INTO account_word (word, account_id)
    WITH RECURSIVE piece (id, word, rest) AS (
        SELECT id, '', lower(display_name) || ' ' FROM account WHERE display_name <> ''
        UNION ALL
        SELECT id, substr(rest, 1, instr(rest, ' ') - 1), substr(rest, instr(rest, ' ') + 1)
        FROM piece WHERE rest <> ''
    )
    SELECT DISTINCT word, id FROM piece WHERE word <> '';
