-- The tables of the sync. procrastinate's own are in the same schema, applied before this file.

-- One row a run: what `ximilar_sync` or `ximilar_retry` enqueued, and how it ended.
CREATE TABLE runs (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('sync', 'retry')),
    started_at   timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    fetched      integer NOT NULL DEFAULT 0,    -- products it enqueued
    synced       integer,                       -- the counts of scraper_logs, written when it ends
    errors       integer,
    status       text CHECK (status IN ('success', 'partial', 'error')),
    note         text,                          -- what became of the rest
    drain_id     bigint                         -- the drain it is a part of
);
CREATE INDEX runs_open ON runs (id) WHERE completed_at IS NULL;

-- The products of a run. `outcome` is empty while the product is on its way.
CREATE TABLE run_products (
    run_id     bigint NOT NULL REFERENCES runs ON DELETE CASCADE,
    product_id bigint NOT NULL,
    job_id     bigint NOT NULL,
    outcome    text CHECK (outcome IN
        ('synced', 'error', 'gone', 'not_ready', 'cancelled', 'failed', 'vanished', 'taken_over')),
    PRIMARY KEY (run_id, product_id)
);
CREATE INDEX run_products_open ON run_products (run_id) WHERE outcome IS NULL;

-- The ledger: which photos a collection holds. Written right after each answer, so a crash forgets none.
CREATE TABLE photos (
    product_id    bigint NOT NULL,
    profile       text NOT NULL,
    collection_id text NOT NULL,
    sku           text,                         -- under which it was stored; needed to remove it when the row is gone
    url           text NOT NULL,
    url_md5       uuid GENERATED ALWAYS AS (md5(url)::uuid) STORED,   -- a URL may be too long for an index entry
    remote_id     text,                         -- the record's id, where the API has ids
    content_hash  uuid,                         -- of the metadata that was sent; NULL: not known to be ours
    request_id    text,
    stored_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (product_id, profile, collection_id, url_md5)
);
-- Who else holds this photo? Two rows of one SKU may list the same address.
CREATE INDEX photos_url ON photos (url_md5);

-- One row an attempt at a product: procrastinate keeps no error.
CREATE TABLE attempts (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    product_id  bigint NOT NULL,
    sku         text,
    run_id      bigint,                         -- NULL: by hand, outside a run
    job_id      bigint,
    job_attempt integer,
    outcome     text NOT NULL CHECK (outcome IN
        ('synced', 'error', 'postponed', 'gone', 'not_ready', 'moved', 'late', 'rescued', 'failed',
         'removed', 'kept')),
    cause       text,                           -- a constant word: refused, rate_limited, server_fault, ...
    code        integer,                        -- Ximilar's status code that decided
    message     text,
    request_id  text,                           -- Ximilar's, for its support
    photos_sent integer NOT NULL DEFAULT 0,
    probe       boolean NOT NULL DEFAULT false, -- it was the one call that tries whether a pause is over
    seconds     double precision,
    fingerprint uuid                            -- of the row as this attempt read it
);
CREATE INDEX attempts_product ON attempts (product_id, id DESC);
CREATE INDEX attempts_at ON attempts (at);
CREATE INDEX attempts_job ON attempts (job_id) WHERE outcome IN ('postponed', 'rescued');

-- The account's throttle: one row, shared by every worker on every host.
CREATE TABLE throttle (
    id              boolean PRIMARY KEY DEFAULT true CHECK (id),
    rate            double precision CHECK (rate > 0),                  -- requests a second; NULL: as configured
    next_at         timestamptz NOT NULL DEFAULT '-infinity',           -- the next slot
    repair_next_at  timestamptz NOT NULL DEFAULT '-infinity',           -- a repair's next turn to take a slot
    pause_cause     text,                                               -- NULL: not paused
    pause_code      integer,
    pause_text      text,
    paused_at       timestamptz,
    paused_until    timestamptz NOT NULL DEFAULT '-infinity',           -- then one probe; 'infinity': an operator's
    probing_until   timestamptz NOT NULL DEFAULT '-infinity',           -- a probe is out
    pauses          integer NOT NULL DEFAULT 0,                         -- in a row, without a success between
    faults          integer NOT NULL DEFAULT 0,                         -- products put off in a row
    last_success_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10);                                               -- room for HOT updates, ten a second
INSERT INTO throttle DEFAULT VALUES;

-- One row a worker process. Our own heartbeat goes on while a worker drains, procrastinate's does not.
CREATE TABLE workers (
    id             uuid PRIMARY KEY,
    queue_worker   bigint,                      -- procrastinate_workers.id while it fetches
    host           text NOT NULL,
    pid            integer NOT NULL,
    process        text NOT NULL,               -- names this very process on its machine: boot, pid namespace, pid, start
    version        text NOT NULL,
    concurrency    integer NOT NULL,
    listening      boolean NOT NULL,
    started_at     timestamptz NOT NULL DEFAULT now(),
    beat_at        timestamptz NOT NULL DEFAULT now(),
    beating_since  timestamptz NOT NULL DEFAULT now()    -- of the present series of beats without a gap
);

-- procrastinate looks for jobs with the same lock in all waiting jobs; with this index a fetch among 100,000
-- takes 0.3 ms in place of 2.8. It also serves enqueue_* (is this product queued already?).
CREATE INDEX ximilar_jobs_lock ON procrastinate_jobs (lock)
 WHERE status IN ('todo', 'doing') AND lock IS NOT NULL;
