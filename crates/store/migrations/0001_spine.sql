-- The spine. One text for SQLite and PostgreSQL: BIGINT, TEXT and the engine's own BLOB word
-- (written {blob}) only. Times are Unix milliseconds, truth values 0 and 1. Tables are keyed by
-- account so that one account's rows can live together when they are sharded; remote accounts and
-- posts have their places from the start (`domain`, `uri`, keys).

CREATE TABLE account (
    id BIGINT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL,
    username_lower TEXT NOT NULL,
    domain TEXT,
    uri TEXT,
    display_name TEXT NOT NULL,
    note TEXT NOT NULL,
    fields TEXT NOT NULL,
    avatar TEXT,
    header TEXT,
    locked BIGINT NOT NULL,
    bot BIGINT NOT NULL,
    discoverable BIGINT NOT NULL,
    indexable BIGINT NOT NULL,
    hide_collections BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    suspended_ms BIGINT,
    silenced_ms BIGINT,
    public_key_pem TEXT,
    inbox_uri TEXT,
    shared_inbox_uri TEXT,
    fetched_ms BIGINT
);
CREATE UNIQUE INDEX account_handle ON account (username_lower, COALESCE(domain, ''));
CREATE UNIQUE INDEX account_uri ON account (uri) WHERE uri IS NOT NULL;

-- Counted by the deeds themselves; apart from `account`, so that a profile's row is not rewritten
-- at every post. Rows are absent until first counted.
CREATE TABLE account_count (
    account_id BIGINT NOT NULL PRIMARY KEY,
    statuses BIGINT NOT NULL,
    followers BIGINT NOT NULL,
    following BIGINT NOT NULL,
    last_status_ms BIGINT
);

-- A person with an account here.
CREATE TABLE member (
    account_id BIGINT NOT NULL PRIMARY KEY REFERENCES account (id),
    email TEXT NOT NULL,
    email_lower TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    confirmed_ms BIGINT,
    locale TEXT NOT NULL,
    reason TEXT,
    created_by_app BIGINT,
    preferences TEXT NOT NULL,
    private_key_pem TEXT,
    created_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX member_email ON member (email_lower);

CREATE TABLE status (
    id BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL,
    uri TEXT,
    created_ms BIGINT NOT NULL,
    edited_ms BIGINT,
    visibility BIGINT NOT NULL,
    sensitive BIGINT NOT NULL,
    spoiler TEXT NOT NULL,
    text TEXT NOT NULL,
    language TEXT,
    reply_to_id BIGINT,
    reply_to_account BIGINT,
    conversation_id BIGINT NOT NULL,
    reblog_of_id BIGINT,
    reblog_of_account BIGINT,
    app_id BIGINT,
    -- Space-separated ids and names, in order: what one read of the row must bring along. The
    -- tables below hold the same facts for questions that start at the other end.
    media_ids TEXT NOT NULL,
    mention_ids TEXT NOT NULL,
    tags TEXT NOT NULL,
    poll_id BIGINT
);
CREATE INDEX status_account ON status (account_id, id);
CREATE INDEX status_conversation ON status (conversation_id, id);
CREATE UNIQUE INDEX status_reblog ON status (account_id, reblog_of_id) WHERE reblog_of_id IS NOT NULL;
CREATE INDEX status_reblogged ON status (reblog_of_id, id) WHERE reblog_of_id IS NOT NULL;
CREATE UNIQUE INDEX status_uri ON status (uri) WHERE uri IS NOT NULL;

CREATE TABLE status_count (
    status_id BIGINT NOT NULL PRIMARY KEY,
    replies BIGINT NOT NULL,
    reblogs BIGINT NOT NULL,
    favourites BIGINT NOT NULL
);

CREATE TABLE status_edit (
    status_id BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    text TEXT NOT NULL,
    spoiler TEXT NOT NULL,
    sensitive BIGINT NOT NULL,
    media_ids TEXT NOT NULL,
    poll_options TEXT NOT NULL,
    PRIMARY KEY (status_id, at_ms)
);

CREATE TABLE idempotency (
    account_id BIGINT NOT NULL,
    key TEXT NOT NULL,
    status_id BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (account_id, key)
);

CREATE TABLE mention (
    account_id BIGINT NOT NULL,
    status_id BIGINT NOT NULL,
    PRIMARY KEY (account_id, status_id)
);

CREATE TABLE tag (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
);
CREATE UNIQUE INDEX tag_name ON tag (name);
CREATE TABLE status_tag (
    tag_id BIGINT NOT NULL,
    status_id BIGINT NOT NULL,
    PRIMARY KEY (tag_id, status_id)
);

CREATE TABLE media (
    id BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL,
    status_id BIGINT,
    scheduled_id BIGINT,
    kind TEXT NOT NULL,
    state BIGINT NOT NULL,
    file TEXT NOT NULL,
    thumbnail TEXT NOT NULL,
    remote_url TEXT,
    description TEXT NOT NULL,
    blurhash TEXT,
    focus_x BIGINT,
    focus_y BIGINT,
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    thumbnail_width BIGINT NOT NULL,
    thumbnail_height BIGINT NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE INDEX media_status ON media (status_id) WHERE status_id IS NOT NULL;
CREATE INDEX media_orphan ON media (created_ms) WHERE status_id IS NULL;

CREATE TABLE poll (
    id BIGINT NOT NULL PRIMARY KEY,
    status_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    expires_ms BIGINT,
    multiple BIGINT NOT NULL,
    hide_totals BIGINT NOT NULL,
    options TEXT NOT NULL
);
CREATE TABLE poll_vote (
    poll_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    choice BIGINT NOT NULL,
    PRIMARY KEY (poll_id, account_id, choice)
);

CREATE TABLE favourite (
    account_id BIGINT NOT NULL,
    status_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    PRIMARY KEY (account_id, status_id)
);
CREATE INDEX favourite_listing ON favourite (account_id, id);
CREATE INDEX favourite_status ON favourite (status_id, id);

CREATE TABLE bookmark (
    account_id BIGINT NOT NULL,
    status_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    PRIMARY KEY (account_id, status_id)
);
CREATE INDEX bookmark_listing ON bookmark (account_id, id);

CREATE TABLE pin (
    account_id BIGINT NOT NULL,
    status_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    PRIMARY KEY (account_id, status_id)
);

CREATE TABLE thread_mute (
    account_id BIGINT NOT NULL,
    conversation_id BIGINT NOT NULL,
    PRIMARY KEY (account_id, conversation_id)
);

CREATE TABLE follow (
    account_id BIGINT NOT NULL,
    target_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    reblogs BIGINT NOT NULL,
    notify BIGINT NOT NULL,
    languages TEXT NOT NULL,
    PRIMARY KEY (account_id, target_id)
);
CREATE INDEX follow_listing ON follow (account_id, id);
CREATE INDEX follow_target ON follow (target_id, id);

CREATE TABLE follow_request (
    account_id BIGINT NOT NULL,
    target_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    reblogs BIGINT NOT NULL,
    notify BIGINT NOT NULL,
    languages TEXT NOT NULL,
    PRIMARY KEY (account_id, target_id)
);
CREATE INDEX follow_request_target ON follow_request (target_id, id);

CREATE TABLE block (
    account_id BIGINT NOT NULL,
    target_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    PRIMARY KEY (account_id, target_id)
);
CREATE INDEX block_target ON block (target_id);

CREATE TABLE mute (
    account_id BIGINT NOT NULL,
    target_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    notifications BIGINT NOT NULL,
    expires_ms BIGINT,
    PRIMARY KEY (account_id, target_id)
);

CREATE TABLE account_note (
    account_id BIGINT NOT NULL,
    target_id BIGINT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (account_id, target_id)
);

CREATE TABLE list (
    id BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL,
    title TEXT NOT NULL,
    replies_policy TEXT NOT NULL,
    exclusive BIGINT NOT NULL
);
CREATE INDEX list_account ON list (account_id, id);
CREATE TABLE list_member (
    list_id BIGINT NOT NULL,
    target_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    PRIMARY KEY (list_id, target_id)
);
CREATE INDEX list_member_target ON list_member (target_id);

CREATE TABLE notification (
    id BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    from_id BIGINT NOT NULL,
    status_id BIGINT,
    created_ms BIGINT NOT NULL
);
CREATE INDEX notification_account ON notification (account_id, id);
CREATE INDEX notification_status ON notification (status_id) WHERE status_id IS NOT NULL;

CREATE TABLE marker (
    account_id BIGINT NOT NULL,
    timeline TEXT NOT NULL,
    last_read_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (account_id, timeline)
);

CREATE TABLE scheduled (
    id BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    draft TEXT NOT NULL,
    media_ids TEXT NOT NULL
);
CREATE INDEX scheduled_account ON scheduled (account_id, id);
CREATE INDEX scheduled_at ON scheduled (at_ms);

CREATE TABLE report (
    id BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL,
    target_id BIGINT NOT NULL,
    category TEXT NOT NULL,
    comment TEXT NOT NULL,
    status_ids TEXT NOT NULL,
    forward BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    resolved_ms BIGINT
);

CREATE TABLE app (
    id BIGINT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    client_secret_hash {blob} NOT NULL,
    name TEXT NOT NULL,
    website TEXT,
    redirect_uris TEXT NOT NULL,
    scopes BIGINT NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX app_client ON app (client_id);

CREATE TABLE token (
    id BIGINT NOT NULL PRIMARY KEY,
    app_id BIGINT NOT NULL,
    account_id BIGINT,
    scopes BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    revoked_ms BIGINT
);
CREATE INDEX token_account ON token (account_id);

CREATE TABLE auth_code (
    hash {blob} NOT NULL PRIMARY KEY,
    app_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    scopes BIGINT NOT NULL,
    redirect_uri TEXT NOT NULL,
    challenge TEXT,
    expires_ms BIGINT NOT NULL
);

CREATE TABLE session (
    id BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL,
    user_agent TEXT NOT NULL,
    address TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE INDEX session_account ON session (account_id);

CREATE TABLE job (
    id BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    run_ms BIGINT NOT NULL,
    lease_ms BIGINT,
    attempts BIGINT NOT NULL,
    error TEXT
);
CREATE INDEX job_due ON job (run_ms, id);

-- How far the search index has come.
CREATE TABLE search_watermark (
    id BIGINT NOT NULL PRIMARY KEY,
    indexed_id BIGINT NOT NULL
);
