-- Which rules of the place a report names (numbers, separated by spaces), and who reported how much.
ALTER TABLE report ADD COLUMN rules TEXT NOT NULL DEFAULT '';
CREATE INDEX report_account ON report (account_id, created_ms);
CREATE INDEX report_open ON report (id) WHERE resolved_ms IS NULL;
