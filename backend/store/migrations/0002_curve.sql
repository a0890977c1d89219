-- What the chart needs of `metrics` without reading a million rows; kept up with every step, made anew from
-- `metrics` where it is missing (backend/store/pyramid.py). Only the newest attempt at a step counts.

-- Steps block * width .. (block + 1) * width - 1 put together; width 8, 64, 512, 4096.
CREATE TABLE curve (
    branch INTEGER NOT NULL,
    width INTEGER NOT NULL,
    block INTEGER NOT NULL,
    last_step INTEGER NOT NULL,
    at REAL NOT NULL,
    tokens INTEGER NOT NULL,
    seconds REAL NOT NULL,
    lr REAL,
    memory_bytes INTEGER NOT NULL,
    num_losses INTEGER NOT NULL,
    loss_sum REAL NOT NULL,
    loss_min REAL,
    loss_max REAL,
    num_grad_norms INTEGER NOT NULL,
    grad_norm_sum REAL NOT NULL,
    PRIMARY KEY (branch, width, block)
) WITHOUT ROWID;

-- Steps that one job took one after the other.
CREATE TABLE job_spans (
    branch INTEGER NOT NULL,
    first_step INTEGER NOT NULL,
    last_step INTEGER NOT NULL,
    job_id INTEGER NOT NULL,
    PRIMARY KEY (branch, first_step)
) WITHOUT ROWID;

-- Steps of one trainer process, those that a later one replayed too.
CREATE TABLE attempt_spans (
    branch INTEGER NOT NULL,
    attempt_seq INTEGER NOT NULL,
    first_step INTEGER NOT NULL,
    last_step INTEGER NOT NULL,
    first_at REAL NOT NULL,
    PRIMARY KEY (branch, attempt_seq)
) WITHOUT ROWID;

-- What waits, in numbers, once a second: without this every waiting job's row would be read.
CREATE INDEX jobs_waiting ON jobs (removed_at, state, total_steps, done_steps);
