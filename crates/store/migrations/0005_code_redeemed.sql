-- A code that was redeemed is remembered with the token it gave, so that a second redemption can
-- revoke it (RFC 6749 section 4.1.2).
ALTER TABLE auth_code ADD COLUMN taken_ms BIGINT;
ALTER TABLE auth_code ADD COLUMN token_id BIGINT;
