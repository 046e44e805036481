-- What those who run the instance decided about members, with who (NULL: whoever commands the
-- machine), when and why.
CREATE TABLE decision (
    id BIGINT NOT NULL PRIMARY KEY,
    target_id BIGINT NOT NULL,
    actor_id BIGINT,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_ms BIGINT NOT NULL
);
CREATE INDEX decision_target ON decision (target_id, id);
