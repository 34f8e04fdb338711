-- What the exporter asks. All of it reads; the costly statements are asked less often (procrastinate_app/metrics/groups.py).

-- name: metrics_transaction
-- One moment for all statements of a group.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY

-- name: metrics_timeout
SELECT set_config('statement_timeout', %(milliseconds)s::text, true)

-- name: metrics_throttle
-- `backlog` is the least time that the waiting product jobs take: by the photos that an attempt sent so far, on average,
-- which go `batch` to a request.
SELECT limited.rate, t.pause_cause AS cause,
       extract(epoch FROM t.paused_at)::float8 AS paused_at, extract(epoch FROM t.paused_until)::float8 AS paused_until,
       greatest(0, extract(epoch FROM t.next_at - clock_timestamp()))::float8 AS wait,
       nullif(extract(epoch FROM t.last_success_at)::float8, '-infinity') AS answered_at,
       (SELECT count(*) FROM procrastinate_jobs WHERE queue_name = 'products' AND status = 'todo')
       * greatest(least(1, sent.photos), sent.photos / %(batch)s) * (1 + %(headroom)s) / limited.rate AS backlog
  FROM throttle t, LATERAL (SELECT coalesce(t.rate, %(rate)s) AS rate) limited,
       (SELECT coalesce(sum(photos) / nullif(sum(attempts), 0), 1)::float8 AS photos
          FROM attempt_totals WHERE outcome = 'synced') sent

-- name: metrics_jobs
-- Jobs that are alive (OR as in job_counts). `ready_since` is when the oldest of those that could start was enqueued or fell due.
SELECT alive.queue_name AS queue, alive.task_name AS task, alive.status::text, alive.jobs,
       extract(epoch FROM now() - least(alive.due,
           (SELECT min(e.at) FROM procrastinate_events e WHERE e.job_id = alive.first_id AND e.type = 'deferred')))::float8 AS ready_seconds
  FROM (
    SELECT queue_name, task_name, status, count(*) AS jobs,
           min(id) FILTER (WHERE status = 'todo' AND scheduled_at IS NULL) AS first_id,
           min(scheduled_at) FILTER (WHERE status = 'todo' AND scheduled_at <= now()) AS due
      FROM procrastinate_jobs
     WHERE status = 'todo' OR status = 'doing'
     GROUP BY 1, 2, 3) alive

-- name: metrics_ended_jobs
SELECT task_name AS task, status::text, count(*) AS jobs
  FROM procrastinate_jobs
 WHERE status NOT IN ('todo', 'doing')
 GROUP BY 1, 2

-- name: metrics_stalled
-- Those that stalled_jobs (jobs.sql) finds, which brings them back each minute.
SELECT count(*) AS jobs FROM nobodys_jobs_v1(%(silent)s, '{}', %(product_seconds)s, %(control_seconds)s)

-- name: metrics_removals
-- Products whose removal the newest comparison has held.
SELECT coalesce((
    SELECT held FROM passes
     WHERE completed_at IS NOT NULL AND %(collection_id)s IN ('', collection_id) ORDER BY id DESC LIMIT 1), 0) AS held

-- name: metrics_workers
SELECT host, pid, extract(epoch FROM now() - beat_at)::float8 AS silent_seconds FROM workers

-- name: metrics_attempts
-- A row for each outcome, cause and bucket, over all time; `bounds` are those of the buckets.
SELECT outcome, cause, bucket, sum(attempts)::float8 AS attempts, sum(photos)::float8 AS photos,
       sum(seconds)::float8 AS seconds, attempt_bounds_v1() AS bounds
  FROM attempt_totals
 GROUP BY 1, 2, 3

-- name: metrics_last_runs
-- The last run that ended, of each kind, and when one last went well: it synced at least 95 of 100 products. Where
-- none did yet, when the schema was made: the deadline counts from there.
SELECT kinds.kind, last.fetched, last.synced, last.errors, last.status,
       extract(epoch FROM last.completed_at)::float8 AS completed_at,
       extract(epoch FROM last.completed_at - last.started_at)::float8 AS seconds,
       extract(epoch FROM coalesce(
           (SELECT max(completed_at) FROM runs r WHERE r.kind = kinds.kind AND r.synced >= 0.95 * r.fetched),
           (SELECT min(applied_at) FROM schema_version)))::float8 AS succeeded_at
  FROM (VALUES ('sync'), ('retry')) kinds (kind)
  LEFT JOIN LATERAL (
    SELECT * FROM runs r
     WHERE r.kind = kinds.kind AND r.completed_at IS NOT NULL ORDER BY r.completed_at DESC LIMIT 1) last ON true

-- name: metrics_open_runs
SELECT r.kind, extract(epoch FROM min(r.started_at))::float8 AS started_at,
       count(*) FILTER (WHERE m.outcome = 'synced') AS synced,
       count(*) FILTER (WHERE m.outcome = 'error') AS errors,
       count(*) FILTER (WHERE m.outcome NOT IN ('synced', 'error')) AS others,
       count(*) FILTER (WHERE m.outcome IS NULL AND m.run_id IS NOT NULL) AS remaining
  FROM runs r LEFT JOIN run_products m ON m.run_id = r.id
 WHERE r.completed_at IS NULL
 GROUP BY 1

-- name: metrics_weeks
-- What the `sync` runs of the week that ends with the last one brought, and the median of the eight weeks before
-- it that had runs. Weeks, since a run by hand on the same day or in the middle of a week brings little. They are
-- cut half a day after the last run, so that the weekly ones fall into one week each, whatever they take.
WITH ended AS (
    SELECT completed_at, synced, max(completed_at) OVER () + interval '12 hours' AS cut
      FROM runs
     WHERE kind = 'sync' AND completed_at > now() - interval '100 days'
), weeks AS (
    SELECT floor(extract(epoch FROM cut - completed_at) / 604800) AS ago, sum(synced)::float8 AS synced FROM ended GROUP BY 1
)
SELECT sum(synced) FILTER (WHERE ago = 0) AS synced,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY synced) FILTER (WHERE ago BETWEEN 1 AND 8) AS usual
  FROM weeks

-- name: metrics_products
-- Reads the table from end to end. `ximilar_status` is written by others too, so the words are few on purpose.
SELECT CASE WHEN ximilar_status IS NULL THEN 'none' WHEN ximilar_status IN ('pending', 'synced', 'error') THEN ximilar_status
            ELSE 'other' END AS state,
       count(*) AS products,
       count(*) FILTER (WHERE image_status IN ('uploaded', 'collage_ready')) AS ready,
       extract(epoch FROM now() - min(updated_at) FILTER (WHERE image_status IN ('uploaded', 'collage_ready')))::float8 AS oldest_seconds
  FROM public.raw_products
 GROUP BY 1

-- name: metrics_collection
-- The photos of the collection (all, where none is named) in the ledger; over a million, an estimate by Postgres' own statistics of the table.
SELECT CASE WHEN sized.photos > 1000000 THEN sized.photos
            ELSE (SELECT count(*) FROM photos p WHERE %(collection_id)s IN ('', p.collection_id)) END::float8 AS photos
  FROM (SELECT greatest(reltuples, 0) / greatest(relpages, 1)
               * (pg_relation_size(oid) / current_setting('block_size')::bigint) AS photos
          FROM pg_class WHERE oid = 'photos'::regclass) sized

-- name: metrics_product_drift
-- Synced products whose photos the ledger does not know, and those edited since they were sent. Of a large table
-- only a sample of about 100,000 rows, always the same blocks, is looked at and scaled up.
SELECT 100 / share.percent * count(*) FILTER (WHERE held.photos = 0) AS unrecorded,
       100 / share.percent * count(*) FILTER (WHERE held.edited) AS edited
  FROM (SELECT least(100, 1e7 / greatest(reltuples, 1))::float8 AS percent FROM pg_class WHERE oid = 'public.raw_products'::regclass) share
 CROSS JOIN public.raw_products p
       TABLESAMPLE SYSTEM ((SELECT least(100, 1e7 / greatest(reltuples, 1)) FROM pg_class WHERE oid = 'public.raw_products'::regclass)::real)
       REPEATABLE (1)
 CROSS JOIN LATERAL (
    SELECT count(*) AS photos,
           bool_or(h.content_hash <> content_hash_v1(p.external_id, p.brand, p.name, p.category, p.price)) AS edited
      FROM photos h
     WHERE h.product_id = p.id AND %(collection_id)s IN ('', h.collection_id)) held
 WHERE p.ximilar_status = 'synced'
 GROUP BY share.percent

-- name: metrics_photo_drift
-- Stored photos whose product is gone, and those their product no longer lists; sampled as above. Each is looked up: the
-- planner cannot know how small the sample is, and would join it with the whole catalogue.
SELECT 100 / share.percent * count(*) FILTER (WHERE listing.products = 0) AS orphaned,
       100 / share.percent * count(*) FILTER (WHERE listing.unlisted) AS unlisted
  FROM (SELECT least(100, 1e7 / greatest(reltuples, 1))::float8 AS percent FROM pg_class WHERE oid = 'photos'::regclass) share
 CROSS JOIN photos h
       TABLESAMPLE SYSTEM ((SELECT least(100, 1e7 / greatest(reltuples, 1)) FROM pg_class WHERE oid = 'photos'::regclass)::real)
       REPEATABLE (1)
 CROSS JOIN LATERAL (
    SELECT count(*) AS products, bool_or(jsonb_typeof(p.image_urls) = 'array' AND NOT p.image_urls ? h.url) AS unlisted
      FROM public.raw_products p
     WHERE p.id = h.product_id) listing
 WHERE %(collection_id)s IN ('', h.collection_id)
 GROUP BY share.percent
