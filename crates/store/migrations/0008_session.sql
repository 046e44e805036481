-- Browser sessions are known by the hash of a secret that only the browser has, and show no more
-- of a browser than its kind. Nothing has used the table that was here.
DROP TABLE session;
CREATE TABLE session (
    id BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL,
    secret_hash {blob} NOT NULL,
    browser TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    used_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX session_secret ON session (secret_hash);
CREATE INDEX session_account ON session (account_id, id);
CREATE INDEX session_expires ON session (expires_ms);

-- On which day a token was last used; NULL: never.
ALTER TABLE token ADD COLUMN used_ms BIGINT;

-- All codes of an account end at once.
CREATE INDEX auth_code_account ON auth_code (account_id);
