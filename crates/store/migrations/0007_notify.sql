-- Who asked to be told of somebody's posts: few of many followers.
CREATE INDEX follow_notify ON follow (target_id, account_id) WHERE notify = 1;
