-- From where members have logged in lately, as keyed hashes: whoever reads them learns no address.
-- A log-in from elsewhere is told by mail; what such a mail says besides stands in `about`.
CREATE TABLE sign_in (
    account_id BIGINT NOT NULL,
    place TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (account_id, place)
);
CREATE INDEX sign_in_at ON sign_in (at_ms);
ALTER TABLE mail ADD COLUMN about TEXT NOT NULL DEFAULT '';

-- On which day a member was last seen, with an app or a browser; NULL: never.
ALTER TABLE member ADD COLUMN seen_ms BIGINT;
UPDATE member SET seen_ms =
    (SELECT MAX(t.used_ms) FROM token t WHERE t.account_id = member.account_id);
CREATE INDEX member_seen ON member (seen_ms) WHERE seen_ms IS NOT NULL;

-- Who signed up and never confirmed an address goes after a while.
CREATE INDEX member_unconfirmed ON member (created_ms) WHERE confirmed_ms IS NULL;
