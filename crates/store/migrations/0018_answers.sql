-- What a post answers is named only while it is there. That it is an answer stays, in
-- reply_to_account.
UPDATE status SET reply_to_id = NULL WHERE reply_to_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM status p WHERE p.id = status.reply_to_id);
CREATE INDEX status_answer ON status (reply_to_id) WHERE reply_to_id IS NOT NULL;
