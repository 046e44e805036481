-- Whether a member has ever logged in through an app. One through which nobody did is removed after
-- a while: anybody may register one.
ALTER TABLE app ADD COLUMN entered BIGINT NOT NULL DEFAULT 0;
UPDATE app SET entered = 1 WHERE id IN (SELECT app_id FROM token WHERE account_id IS NOT NULL);
CREATE INDEX app_idle ON app (created_ms) WHERE entered = 0;

-- What has ended, and what apps were given for themselves, is found without looking at every token.
CREATE INDEX token_app ON token (app_id);
CREATE INDEX token_revoked ON token (revoked_ms) WHERE revoked_ms IS NOT NULL;
CREATE INDEX token_of_app ON token (created_ms) WHERE account_id IS NULL;
CREATE INDEX auth_code_app ON auth_code (app_id);
