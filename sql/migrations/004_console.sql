-- What the console needs: a record of what operators did, pauses of periodic tasks, a search over products,
-- indexes for its pages, and views that stay as they are for people who write SQL.

-- One row an action. `result` is empty while it is at work, or if it never came back.
CREATE TABLE audit (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    who        text NOT NULL,
    role       text NOT NULL,
    address    text NOT NULL,
    action     text NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}',
    ok         boolean,
    result     text
);

-- A periodic task that is listed here lets its ticks pass; run by hand it works.
CREATE TABLE schedule_pauses (
    task      text PRIMARY KEY,
    paused_at timestamptz NOT NULL DEFAULT now(),
    paused_by text NOT NULL
);

-- When the workers take their ticks: each writes down what its settings say as it starts.
CREATE TABLE schedule (
    task text PRIMARY KEY,
    cron text NOT NULL
);

CREATE INDEX attempts_run ON attempts (run_id, at) WHERE run_id IS NOT NULL;

-- Thirty days of outcomes, counted without touching the table; it replaces the index of the same order.
CREATE INDEX attempts_at_outcome ON attempts (at) INCLUDE (outcome, photos_sent);
DROP INDEX attempts_at;

-- Few among many.
CREATE INDEX ximilar_jobs_ended_badly ON procrastinate_jobs (id) WHERE status IN ('failed', 'cancelled', 'aborted');

-- Why a product is in error: cause and code of its last failed attempt, `unrecorded` where there was none.
CREATE FUNCTION error_cause_v1(product bigint)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce((SELECT concat_ws(' ', a.cause, a.code) FROM attempts a
                      WHERE a.product_id = product AND a.outcome = 'error' ORDER BY a.id DESC LIMIT 1), 'unrecorded')
$$;

-- The products between two ids that match; NULL matches all. `pattern` is one of ILIKE. No view: a view on
-- raw_products would stand in the way of its owner's ALTER TABLE, a function's text does not. State `none` is NULL.
CREATE FUNCTION find_products_v1(
    state_ text, brand_ text, category_ text, pattern text, cause_ text, above bigint, below bigint)
RETURNS TABLE (id bigint, sku text, brand text, name text, category text, image_status text, state text,
               synced_at timestamptz, error text, updated_at timestamptz) LANGUAGE sql STABLE AS $$
    SELECT p.id, p.external_id::text, p.brand::text, left(p.name, 200), left(p.category, 200), p.image_status::text,
           p.ximilar_status::text, p.ximilar_synced_at, left(p.error_message, 500), p.updated_at
      FROM public.raw_products p
     WHERE p.id > above AND p.id < below
       AND (state_ IS NULL OR p.ximilar_status = state_ OR state_ = 'none' AND p.ximilar_status IS NULL)
       AND (brand_ IS NULL OR p.brand = brand_)
       AND (category_ IS NULL OR p.category = category_)
       AND (pattern IS NULL OR p.external_id ILIKE pattern OR p.name ILIKE pattern OR p.error_message ILIKE pattern)
       AND (cause_ IS NULL OR p.ximilar_status = 'error' AND error_cause_v1(p.id) = cause_)
$$;

-- The views. Their columns are kept; new ones may be added at the end.

CREATE VIEW v_runs AS
SELECT r.id, r.kind, coalesce(r.status, 'running') AS status, r.started_at, r.completed_at,
       extract(epoch FROM coalesce(r.completed_at, now()) - r.started_at)::float8 AS seconds,
       r.fetched, coalesce(r.synced, live.synced) AS synced, coalesce(r.errors, live.errors) AS errors,
       CASE WHEN r.completed_at IS NULL THEN live.remaining ELSE 0 END AS remaining, r.note
  FROM runs r
 CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE m.outcome = 'synced') AS synced, count(*) FILTER (WHERE m.outcome = 'error') AS errors,
           count(*) FILTER (WHERE m.outcome IS NULL) AS remaining
      FROM run_products m WHERE m.run_id = r.id AND r.completed_at IS NULL) live;

CREATE VIEW v_run_products AS
SELECT run_id, product_id, job_id, outcome FROM run_products;

CREATE VIEW v_attempts AS
SELECT id, at, product_id, sku, run_id, job_id, job_attempt, outcome, cause, code, message, request_id, photos_sent, probe, seconds
  FROM attempts;

CREATE VIEW v_photos AS
SELECT product_id, profile, collection_id, url, remote_id, content_hash IS NOT NULL AS content_known, request_id, stored_at
  FROM photos;

CREATE VIEW v_jobs AS
SELECT j.id, j.status::text AS state, j.task_name::text AS task, j.queue_name::text AS queue, j.priority, j.lock, j.args,
       (j.args ->> 'product_id')::bigint AS product_id, (j.args ->> 'run_id')::bigint AS run_id,
       j.attempts, j.scheduled_at, j.worker_id,
       (SELECT min(e.at) FROM procrastinate_events e WHERE e.job_id = j.id) AS queued_at,
       (SELECT max(e.at) FROM procrastinate_events e WHERE e.job_id = j.id) AS last_event_at
  FROM procrastinate_jobs j;

CREATE VIEW v_throttle AS
SELECT rate, pause_cause IS NOT NULL AS paused, pause_cause AS cause, pause_code AS code, pause_text AS text, paused_at,
       CASE WHEN pause_cause IS NOT NULL THEN paused_until END AS paused_until, pauses, faults,
       nullif(last_success_at, '-infinity') AS last_success_at
  FROM throttle;

CREATE VIEW v_workers AS
SELECT w.id, w.host, w.pid, w.version, w.concurrency, w.listening, w.started_at, w.beat_at, w.queue_worker AS worker_id,
       extract(epoch FROM now() - w.beat_at)::float8 AS silent_seconds,
       w.beat_at > now() - interval '30 s' AS alive,
       (SELECT count(*) FROM procrastinate_jobs j WHERE j.worker_id = w.queue_worker AND j.status = 'doing') AS jobs
  FROM workers w;

CREATE VIEW v_schedule AS
SELECT ticks.task, to_timestamp(ticks.last) AS last_tick, pause.paused_at, pause.paused_by, schedule.cron
  FROM (SELECT task_name::text AS task, max(defer_timestamp) AS last FROM procrastinate_periodic_defers GROUP BY 1) ticks
  LEFT JOIN schedule_pauses pause ON pause.task = ticks.task
  LEFT JOIN schedule ON schedule.task = ticks.task;

CREATE VIEW v_audit AS
SELECT id, at, who, role, address, action, parameters, ok, result FROM audit;
