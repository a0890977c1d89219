-- Steps whose checkpoints were lost, and everything measured there: the model that goes on has not seen them. They stay
-- on record and no longer count. What they are is kept in `meta` too (backend/store/history.py): these tables are
-- not in the journal.
ALTER TABLE metrics ADD COLUMN is_superseded INTEGER NOT NULL DEFAULT 0;
ALTER TABLE evaluations ADD COLUMN is_superseded INTEGER NOT NULL DEFAULT 0;
ALTER TABLE samples ADD COLUMN is_superseded INTEGER NOT NULL DEFAULT 0;
