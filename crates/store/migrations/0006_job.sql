-- Jobs that say what they are about, and how far they have come. `run_ms` is when a job is due, or
-- when its claim runs out; NULL: given up. `attempts` counts claims, and only the latest may act.
DROP TABLE job;
CREATE TABLE job (
    id BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    subject_id BIGINT NOT NULL,
    run_ms BIGINT,
    attempts BIGINT NOT NULL,
    told_until BIGINT NOT NULL,
    error TEXT
);
CREATE INDEX job_due ON job (run_ms, id);
CREATE INDEX job_subject ON job (subject_id);
-- The jobs that were there did not say which poll they meant.
INSERT INTO job (id, kind, subject_id, run_ms, attempts, told_until, error)
    SELECT id, 'poll_end', id, expires_ms, 0, 0, NULL FROM poll WHERE expires_ms IS NOT NULL;

-- What the clean-up asks by.
CREATE INDEX idempotency_created ON idempotency (created_ms);
CREATE INDEX auth_code_expires ON auth_code (expires_ms);
CREATE INDEX session_expires ON session (expires_ms);
