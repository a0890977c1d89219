-- First schema. Files in this folder are append-only: a later change is a new file.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- The journal's newest lines: events for clients that come back, and what the journal lacks after a crash.
CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY,
    line BLOB NOT NULL
);

CREATE TABLE idempotency (
    key TEXT PRIMARY KEY,
    answer BLOB NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX idempotency_at ON idempotency (at);

CREATE TABLE datasets (
    dataset_id TEXT PRIMARY KEY,
    file_name TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    added_at REAL NOT NULL,
    report TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

CREATE TABLE validations (
    validation_id TEXT PRIMARY KEY,
    num_rows INTEGER NOT NULL,
    source TEXT NOT NULL,
    created_at REAL NOT NULL
) WITHOUT ROWID;

-- A removed job keeps its row (removed_at), so that undo and history find it.
CREATE TABLE jobs (
    job_id INTEGER PRIMARY KEY AUTOINCREMENT,
    file_name TEXT NOT NULL,
    dataset_id TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    settings TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    priority INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    position INTEGER NOT NULL DEFAULT 0,
    is_interrupted INTEGER NOT NULL DEFAULT 0,
    is_held_after_check INTEGER NOT NULL DEFAULT 0,
    tokens_folder TEXT NOT NULL DEFAULT '',
    num_rows INTEGER NOT NULL DEFAULT 0,
    num_tokens INTEGER NOT NULL DEFAULT 0,
    num_problems INTEGER NOT NULL DEFAULT 0,
    total_steps INTEGER NOT NULL DEFAULT 0,
    done_steps INTEGER NOT NULL DEFAULT 0,
    cursor INTEGER NOT NULL DEFAULT 0,
    token_budget INTEGER NOT NULL DEFAULT 0,
    restarts INTEGER NOT NULL DEFAULT 0,
    lineage_id INTEGER,
    branch INTEGER,
    first_global_step INTEGER,
    last_global_step INTEGER,
    last_loss REAL,
    eta_seconds REAL,
    added_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL,
    removed_at REAL
);
CREATE INDEX jobs_order ON jobs (removed_at, state, priority, rank, job_id);
CREATE INDEX jobs_rank ON jobs (priority, rank);

CREATE TABLE undo (
    undo_id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    is_undone INTEGER NOT NULL DEFAULT 0
);

-- last_n, events_offset: how far the attempt's spool was read; written together with what was read.
CREATE TABLE attempts (
    attempt_seq INTEGER PRIMARY KEY AUTOINCREMENT,
    attempt_id TEXT NOT NULL UNIQUE,
    pid INTEGER,
    create_time REAL,
    boot_id TEXT,
    started_at REAL,
    ended_at REAL,
    outcome TEXT,
    last_n INTEGER NOT NULL DEFAULT 0,
    events_offset INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE base_models (
    base_id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    folder TEXT NOT NULL,
    model_type TEXT NOT NULL DEFAULT '',
    num_parameters INTEGER NOT NULL DEFAULT 0,
    tokenizer_sha256 TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    progress REAL,
    added_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE lineages (
    lineage_id INTEGER PRIMARY KEY AUTOINCREMENT,
    base_id TEXT NOT NULL,
    lora_r INTEGER NOT NULL,
    lora_alpha REAL NOT NULL,
    target_modules TEXT NOT NULL,
    quantization TEXT NOT NULL,
    dtype TEXT NOT NULL,
    branch INTEGER NOT NULL,
    created_at REAL NOT NULL
);

-- A branch is a run of steps without a jump back; its number is unique over all lineages.
CREATE TABLE branches (
    branch INTEGER PRIMARY KEY AUTOINCREMENT,
    lineage_id INTEGER,
    parent INTEGER,
    from_step INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL
);

-- state: present, retiring (retention is about to unlink it), retired, quarantined, missing
CREATE TABLE checkpoints (
    checkpoint_id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL UNIQUE,
    manifest_sha256 TEXT NOT NULL,
    lineage_id INTEGER NOT NULL,
    branch INTEGER NOT NULL,
    attempt_seq INTEGER NOT NULL,
    global_step INTEGER NOT NULL,
    job_id INTEGER NOT NULL,
    job_step INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    state TEXT NOT NULL,
    verified_at REAL,
    created_at REAL NOT NULL
);
CREATE INDEX checkpoints_newest ON checkpoints (lineage_id, branch, attempt_seq, global_step);

CREATE TABLE metrics (
    branch INTEGER NOT NULL,
    step INTEGER NOT NULL,
    attempt_seq INTEGER NOT NULL,
    job_id INTEGER NOT NULL,
    job_step INTEGER NOT NULL,
    loss REAL,
    loss_hex TEXT NOT NULL,
    lr REAL,
    grad_norm REAL,
    tokens INTEGER NOT NULL,
    supervised_tokens INTEGER NOT NULL,
    micro_batches INTEGER NOT NULL,
    seconds REAL NOT NULL,
    rows_sha256 TEXT NOT NULL,
    memory_bytes INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (branch, step, attempt_seq)
) WITHOUT ROWID;

CREATE TABLE evaluations (
    branch INTEGER NOT NULL,
    step INTEGER NOT NULL,
    attempt_seq INTEGER NOT NULL,
    n INTEGER NOT NULL,
    job_id INTEGER NOT NULL,
    validation_id TEXT NOT NULL,
    validation_loss REAL,
    validation_example_loss REAL,
    train_loss REAL,
    gap REAL,
    heldout_loss REAL,
    seconds REAL NOT NULL,
    request_id TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (branch, step, attempt_seq, n)
) WITHOUT ROWID;

CREATE TABLE samples (
    branch INTEGER NOT NULL,
    step INTEGER NOT NULL,
    attempt_seq INTEGER NOT NULL,
    n INTEGER NOT NULL,
    place INTEGER NOT NULL,
    job_id INTEGER NOT NULL,
    prompt TEXT NOT NULL,
    text TEXT NOT NULL,
    has_think_tag INTEGER NOT NULL,
    think_tag_percent REAL,
    request_id TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (branch, step, attempt_seq, n, place)
) WITHOUT ROWID;
