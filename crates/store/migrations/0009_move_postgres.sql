-- By how much a counter has moved since it was last folded into its row (`account_count`,
-- `status_count`): written by the deeds, so that deeds of one author or about one post wait for no
-- row. A counter is its row and its moves together, at every moment.
CREATE TABLE account_move (
    account_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    statuses BIGINT NOT NULL,
    followers BIGINT NOT NULL,
    following BIGINT NOT NULL,
    last_status_ms BIGINT,
    PRIMARY KEY (account_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE TABLE status_move (
    status_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    replies BIGINT NOT NULL,
    reblogs BIGINT NOT NULL,
    favourites BIGINT NOT NULL,
    PRIMARY KEY (status_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
-- One row: folding has come to this id. Whoever folds holds it, so that one folds at a time.
CREATE TABLE move_fold (
    id BIGINT NOT NULL PRIMARY KEY
);
INSERT INTO move_fold (id) VALUES (0);
