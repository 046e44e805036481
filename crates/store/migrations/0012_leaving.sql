-- What a deleted member left is found by these, a part at a time.
CREATE INDEX media_account ON media (account_id, id);
CREATE INDEX notification_from ON notification (from_id);
