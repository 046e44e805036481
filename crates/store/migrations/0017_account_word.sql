-- The words of shown names in lower case, so that people are found by how they call themselves.
CREATE TABLE account_word (
    word TEXT NOT NULL,
    account_id BIGINT NOT NULL,
    PRIMARY KEY (word, account_id)
);
CREATE INDEX account_word_account ON account_word (account_id);
