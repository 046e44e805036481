-- Of names that are there already, the words between spaces; letters outside of ASCII stay as they
-- are until a name is changed.
INSERT INTO account_word (word, account_id)
    SELECT DISTINCT p.word, p.id FROM
        (SELECT id, regexp_split_to_table(lower(display_name), ' +') AS word FROM account) p
    WHERE p.word <> '';
