-- Mail that waits to be sent, each with a job of the kind 'mail' whose subject it is; and the links
-- that were sent, by the SHA-256 of what they carry. `account_id` is NULL where somebody typed the
-- address: whose it is is asked when the mail is sent.
CREATE TABLE mail (
    id BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    account_id BIGINT,
    address TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);

CREATE TABLE mail_link (
    hash {blob} NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    account_id BIGINT NOT NULL,
    address TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE INDEX mail_link_account ON mail_link (account_id, purpose, created_ms);
CREATE INDEX mail_link_expires ON mail_link (expires_ms);
