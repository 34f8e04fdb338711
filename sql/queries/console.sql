-- What the console asks and does. Times come as timestamptz; whatever can be poisonous comes as cut text.

-- name: limit_statement
-- For this transaction: a page must not keep a connection for long.
SELECT set_config('statement_timeout', %(milliseconds)s::bigint::text, true)

-- name: is_task_paused
SELECT EXISTS (SELECT FROM schedule_pauses WHERE task = %(task)s) AS paused

-- name: count_products
SELECT coalesce(ximilar_status, 'none') AS state, count(*) AS products FROM public.raw_products GROUP BY 1

-- name: estimate_products
-- From the planner's statistics, for when counting takes too long.
SELECT greatest(reltuples, 0)::bigint AS products FROM pg_class WHERE oid = 'public.raw_products'::regclass

-- name: suggestions
-- The most frequent brands and categories by the planner's statistics: a DISTINCT would read the whole table.
SELECT attname::text AS column, most_common_vals::text::text[] AS values FROM pg_stats
 WHERE schemaname = 'public' AND tablename = 'raw_products' AND attname IN ('brand', 'category')
   AND most_common_vals IS NOT NULL

-- name: hours
-- Outcomes an hour since a moment.
SELECT date_trunc('hour', at) AS hour, outcome, count(*) AS attempts, sum(photos_sent) AS photos
  FROM v_attempts WHERE at >= %(since)s GROUP BY 1, 2

-- name: recent_throughput
-- The last five minutes.
SELECT count(*) FILTER (WHERE outcome = 'synced') AS synced, count(*) FILTER (WHERE outcome = 'error') AS errors,
       count(*) FILTER (WHERE outcome = 'postponed') AS postponed, coalesce(sum(photos_sent), 0)::bigint AS photos
  FROM v_attempts WHERE at > now() - interval '5 minutes'

-- name: throttle_view
SELECT rate, paused, cause, code, text, paused_at, CASE WHEN paused_until < 'infinity' THEN paused_until END AS paused_until,
       pauses, faults, last_success_at
  FROM v_throttle

-- name: workers_view
SELECT id::text, host, pid, version, concurrency, listening, started_at, beat_at, silent_seconds, alive, jobs
  FROM v_workers ORDER BY alive DESC, host, pid

-- name: alive_workers
SELECT count(*) AS workers FROM v_workers WHERE alive

-- name: schedule_view
SELECT task, last_tick, paused_at, paused_by, cron FROM v_schedule

-- name: queue_now
-- Jobs waiting and running, the waiting ones counted to a limit, and since when the oldest product job waits.
SELECT (SELECT count(*) FROM (SELECT FROM procrastinate_jobs WHERE status = 'todo' LIMIT %(cap)s) counted) AS waiting,
       (SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing') AS running,
       (SELECT queued_at FROM v_jobs WHERE id = (
            SELECT min(id) FROM procrastinate_jobs WHERE status = 'todo' AND queue_name = 'products')) AS oldest

-- name: stuck_jobs
-- Running for longer than any job may, or held by no living worker.
SELECT count(*) AS jobs FROM procrastinate_jobs j LEFT JOIN v_workers w ON w.worker_id = j.worker_id
 WHERE j.status = 'doing' AND j.queue_name = 'products'
   AND (w.alive IS NOT TRUE
        OR (SELECT max(e.at) FROM procrastinate_events e WHERE e.job_id = j.id) < now() - make_interval(secs => %(seconds)s))

-- name: open_run_views
SELECT id, kind, status, started_at, completed_at, seconds, fetched, synced, errors, remaining, note
  FROM v_runs WHERE completed_at IS NULL ORDER BY id

-- name: last_run_view
SELECT id, kind, status, started_at, completed_at, seconds, fetched, synced, errors, remaining, note
  FROM v_runs WHERE completed_at IS NOT NULL ORDER BY id DESC LIMIT 1

-- name: run_pace
-- How fast a run has gone of late, and the photos it has sent.
SELECT count(*) FILTER (WHERE at > now() - interval '2 minutes' AND outcome <> 'postponed') AS recent,
       coalesce(sum(photos_sent), 0)::bigint AS photos
  FROM v_attempts WHERE run_id = %(run_id)s

-- name: run_views
SELECT id, kind, status, started_at, completed_at, seconds, fetched, synced, errors, remaining, note
  FROM v_runs WHERE id < %(below)s ORDER BY id DESC LIMIT %(limit)s

-- name: run_view
SELECT id, kind, status, started_at, completed_at, seconds, fetched, synced, errors, remaining, note
  FROM v_runs WHERE id = %(run_id)s

-- name: run_outcomes
SELECT coalesce(outcome, 'on its way') AS outcome, count(*) AS products
  FROM v_run_products WHERE run_id = %(run_id)s GROUP BY 1 ORDER BY 2 DESC, 1

-- name: run_put_off
-- Products of the run that are on their way and were put off at least once.
SELECT count(*) AS products FROM v_run_products m
 WHERE m.run_id = %(run_id)s AND m.outcome IS NULL
   AND EXISTS (SELECT FROM v_attempts a WHERE a.product_id = m.product_id AND a.run_id = m.run_id AND a.outcome = 'postponed')

-- name: run_timeline
-- Outcomes in slices of so many seconds since the run began.
SELECT floor(extract(epoch FROM a.at - r.started_at) / %(slice)s)::bigint AS slice, a.outcome, count(*) AS attempts
  FROM v_attempts a JOIN v_runs r ON r.id = a.run_id
 WHERE a.run_id = %(run_id)s
 GROUP BY 1, 2

-- name: run_causes
-- Why attempts of the run failed or were put off.
SELECT outcome, concat_ws(' ', cause, code) AS cause, count(*) AS attempts, count(DISTINCT product_id) AS products,
       max(at) AS last_at, (array_agg(left(message, 300) ORDER BY id DESC))[1] AS message,
       (array_agg(product_id ORDER BY id DESC))[1] AS product_id, (array_agg(sku ORDER BY id DESC))[1] AS sku
  FROM v_attempts
 WHERE run_id = %(run_id)s AND outcome NOT IN ('synced', 'moved')
 GROUP BY 1, 2 ORDER BY products DESC, 1, 2 LIMIT 50

-- name: products_page
-- One page, the newest first, between two ids.
SELECT id, sku, brand, name, category, image_status, state, synced_at, left(error, 240) AS error, updated_at
  FROM find_products_v1(%(state)s::text, %(brand)s::text, %(category)s::text, %(pattern)s::text, %(cause)s::text,
                        %(above)s::bigint, %(below)s::bigint)
 ORDER BY id DESC LIMIT %(limit)s

-- name: count_matching
-- Counted to a limit.
SELECT count(*) AS products FROM (
    SELECT FROM find_products_v1(%(state)s::text, %(brand)s::text, %(category)s::text, %(pattern)s::text, %(cause)s::text,
                                 0, 9223372036854775807) LIMIT %(cap)s) counted

-- name: id_below
-- The id that bounds the next so many rows below an id; no row where there are fewer.
SELECT id FROM public.raw_products WHERE id < %(below)s ORDER BY id DESC OFFSET %(rows)s LIMIT 1

-- name: products_of_sku
-- Exact, and so fast where the optional index on external_id is.
SELECT p.id, p.external_id AS sku, p.brand, left(p.name, 200) AS name, left(p.category, 200) AS category, p.image_status,
       p.ximilar_status AS state, p.ximilar_synced_at AS synced_at, left(p.error_message, 240) AS error, p.updated_at
  FROM public.raw_products p WHERE p.external_id = %(sku)s ORDER BY p.id DESC LIMIT 20

-- name: product_view
SELECT p.id, p.external_id AS sku, p.brand, left(p.name, 1000) AS name, left(p.category, 1000) AS category,
       left(p.price::text, 40) AS price, p.image_status, p.ximilar_status AS state, p.ximilar_synced_at AS synced_at,
       left(p.error_message, 2000) AS error, p.updated_at,
       CASE WHEN octet_length(p.image_urls::text) <= 1048576 THEN p.image_urls::text END AS image_urls
  FROM public.raw_products p WHERE p.id = %(product_id)s

-- name: photos_view
SELECT profile, collection_id, left(url, 2000) AS url, remote_id, content_known, request_id, stored_at
  FROM v_photos WHERE product_id = %(product_id)s ORDER BY stored_at, url LIMIT 500

-- name: attempts_view
SELECT id, at, outcome, cause, code, left(message, 1000) AS message, request_id, photos_sent, probe, seconds, run_id, job_id
  FROM v_attempts WHERE product_id = %(product_id)s ORDER BY id DESC LIMIT %(limit)s

-- name: jobs_of
-- The jobs of a product that live, and its finished ones as far as its attempts know them.
SELECT j.id, j.state, j.task, j.queue, j.priority, j.product_id, j.run_id, j.attempts, j.scheduled_at, j.queued_at, j.last_event_at
  FROM v_jobs j
 WHERE j.id IN (SELECT live.id FROM procrastinate_jobs live
                 WHERE live.lock = 'product:' || %(product_id)s::bigint AND live.status IN ('todo', 'doing')
                UNION
                SELECT a.job_id FROM (SELECT job_id FROM v_attempts WHERE product_id = %(product_id)s
                                       ORDER BY id DESC LIMIT 50) a)
 ORDER BY j.id DESC LIMIT 20

-- name: waiting_facts
-- What a waiting job may be waiting for.
SELECT j.id, j.status::text AS state, CASE WHEN j.scheduled_at > now() THEN j.scheduled_at END AS later, j.queue_name::text AS queue,
       (SELECT b.id FROM procrastinate_jobs b
         WHERE b.lock = j.lock AND b.id <> j.id
           AND (b.status = 'doing' OR b.status = 'todo' AND (b.priority, -b.id) > (j.priority, -j.id))
         ORDER BY b.status DESC LIMIT 1) AS holder,
       (SELECT count(*) FROM (SELECT FROM procrastinate_jobs b
         WHERE b.status = 'todo' AND (b.priority > j.priority OR b.priority = j.priority AND b.id < j.id)
           AND (b.scheduled_at IS NULL OR b.scheduled_at <= now()) LIMIT %(cap)s) counted) AS ahead,
       (SELECT w.host || ', process ' || w.pid FROM v_workers w WHERE w.worker_id = j.worker_id LIMIT 1) AS worker,
       (SELECT max(e.at) FROM procrastinate_events e WHERE e.job_id = j.id AND e.type = 'started') AS started_at
  FROM procrastinate_jobs j WHERE j.id = %(job_id)s

-- name: error_groups
-- Products in error by cause, the newest `cap` of them, with examples.
WITH failed AS (
    SELECT p.id, p.external_id AS sku, left(p.error_message, 300) AS reason, p.updated_at
      FROM public.raw_products p WHERE p.ximilar_status = 'error' ORDER BY p.id DESC LIMIT %(cap)s
), caused AS (
    SELECT failed.*, error_cause_v1(failed.id) AS cause FROM failed
), numbered AS (
    SELECT caused.*, row_number() OVER (PARTITION BY cause ORDER BY id DESC) AS place FROM caused
)
SELECT cause, count(*) AS products, min(updated_at) AS first_at, max(updated_at) AS last_at,
       jsonb_agg(jsonb_build_object('id', id, 'sku', sku, 'reason', reason) ORDER BY place)
           FILTER (WHERE place <= %(examples)s) AS examples
  FROM numbered GROUP BY cause ORDER BY products DESC, cause

-- name: count_retry
-- What a retry of a filter would do: products to be queued, those with a job waiting already, those it leaves out
-- (synced, or photos not ready).
SELECT count(*) FILTER (WHERE retryable AND NOT queued) AS retryable, count(*) FILTER (WHERE queued) AS queued,
       count(*) FILTER (WHERE NOT retryable AND NOT queued) AS left_out
  FROM (SELECT f.state IN ('pending', 'error') AND f.image_status IN ('uploaded', 'collage_ready') AS retryable,
               EXISTS (SELECT FROM procrastinate_jobs j WHERE j.lock = 'product:' || f.id AND j.status = 'todo') AS queued
          FROM find_products_v1(%(state)s::text, %(brand)s::text, %(category)s::text, %(pattern)s::text, %(cause)s::text,
                                0, 9223372036854775807) f) counted

-- name: enqueue_matching
-- The next so many products of a retry become jobs outside a run; `last_id` is where to go on, NULL at the end.
-- The caller holds the lock of lock_enqueueing.
WITH chosen AS MATERIALIZED (
    SELECT f.id FROM find_products_v1(%(state)s::text, %(brand)s::text, %(category)s::text, %(pattern)s::text, %(cause)s::text,
                                      %(above)s::bigint, 9223372036854775807) f
     WHERE f.state IN ('pending', 'error') AND f.image_status IN ('uploaded', 'collage_ready')
       AND NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.lock = 'product:' || f.id AND j.status = 'todo')
     ORDER BY f.id LIMIT %(limit)s
)
SELECT enqueue_v1(ARRAY(SELECT id FROM chosen ORDER BY id), NULL) AS products, (SELECT max(id) FROM chosen) AS last_id

-- name: job_states
-- Jobs by state, each counted to a limit. The states are spelt out: a constant finds the small index of its jobs.
SELECT state, jobs FROM (VALUES
    ('todo', (SELECT count(*) FROM (SELECT FROM procrastinate_jobs
        WHERE status = 'todo' AND (%(task)s::text IS NULL OR task_name = %(task)s::text) LIMIT %(cap)s) counted)),
    ('doing', (SELECT count(*) FROM (SELECT FROM procrastinate_jobs
        WHERE status = 'doing' AND (%(task)s::text IS NULL OR task_name = %(task)s::text) LIMIT %(cap)s) counted)),
    ('failed', (SELECT count(*) FROM (SELECT FROM procrastinate_jobs
        WHERE status = 'failed' AND (%(task)s::text IS NULL OR task_name = %(task)s::text) LIMIT %(cap)s) counted)),
    ('cancelled', (SELECT count(*) FROM (SELECT FROM procrastinate_jobs
        WHERE status = 'cancelled' AND (%(task)s::text IS NULL OR task_name = %(task)s::text) LIMIT %(cap)s) counted)),
    ('aborted', (SELECT count(*) FROM (SELECT FROM procrastinate_jobs
        WHERE status = 'aborted' AND (%(task)s::text IS NULL OR task_name = %(task)s::text) LIMIT %(cap)s) counted)),
    ('succeeded', (SELECT count(*) FROM (SELECT FROM procrastinate_jobs
        WHERE status = 'succeeded' AND (%(task)s::text IS NULL OR task_name = %(task)s::text) LIMIT %(cap)s) counted))
) AS counted (state, jobs)

-- name: jobs_page
-- The state is cast at once: by way of text it would be no constant for the planner, and find no index.
WITH page AS (
    SELECT j.id FROM procrastinate_jobs j
     WHERE j.id < %(below)s
       AND (%(state)s::procrastinate_job_status IS NULL OR j.status = %(state)s::procrastinate_job_status)
       AND (%(task)s::text IS NULL OR j.task_name = %(task)s::text)
     ORDER BY j.id DESC LIMIT %(limit)s
)
SELECT id, state, task, queue, priority, product_id, run_id, attempts, scheduled_at, queued_at, last_event_at
  FROM page JOIN v_jobs USING (id) ORDER BY id DESC

-- name: job_view
SELECT id, state, task, queue, priority, lock, args::text AS args, product_id, run_id, attempts, scheduled_at, worker_id, queued_at,
       last_event_at
  FROM v_jobs WHERE id = %(job_id)s

-- name: job_events
SELECT type::text AS type, at FROM procrastinate_events WHERE job_id = %(job_id)s ORDER BY id DESC LIMIT 100

-- name: attempts_of_job
SELECT id, at, outcome, cause, code, left(message, 1000) AS message, request_id, photos_sent, probe, seconds, run_id, job_id
  FROM v_attempts WHERE product_id = %(product_id)s AND job_id = %(job_id)s ORDER BY id DESC LIMIT 50

-- name: lock_job
-- Its state, held to the end of the transaction; and whether another job of its lock waits.
SELECT j.status::text AS state, EXISTS (SELECT FROM procrastinate_jobs b
                                         WHERE b.lock = j.lock AND b.status = 'todo' AND b.id <> j.id) AS another_waits
  FROM procrastinate_jobs j WHERE j.id = %(job_id)s FOR UPDATE

-- name: cancel_job
SELECT procrastinate_cancel_job_v1(%(job_id)s, false, false) AS id

-- name: run_task
-- A periodic task by hand, unless one waits already; one that only looks at candidates for removal does not count, nor
-- one that has opened its run.
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock)
SELECT %(queue)s, %(task)s::text, %(priority)s, %(lock)s::text
 WHERE NOT EXISTS (SELECT FROM procrastinate_jobs
                    WHERE status = 'todo' AND task_name = %(task)s::text AND NOT args ?| ARRAY['recheck', 'apply', 'run_id'])
RETURNING id

-- name: pause_task
INSERT INTO schedule_pauses (task, paused_by) VALUES (%(task)s, %(who)s) ON CONFLICT (task) DO NOTHING

-- name: resume_task
DELETE FROM schedule_pauses WHERE task = %(task)s

-- name: set_rate
-- NULL: as the workers are configured.
UPDATE throttle SET rate = %(rate)s

-- name: pause_account
-- Until an operator resumes it; other causes never shorten this pause.
UPDATE throttle SET pause_cause = 'operator', pause_code = NULL, pause_text = %(text)s, paused_until = 'infinity',
       paused_at = CASE WHEN pause_cause IS NULL THEN clock_timestamp() ELSE paused_at END, probing_until = '-infinity'

-- name: resume_account
UPDATE throttle SET pause_cause = NULL, pause_code = NULL, pause_text = NULL, paused_at = NULL, paused_until = '-infinity',
       probing_until = '-infinity', pauses = 0, faults = 0
 WHERE pause_cause IS NOT NULL

-- name: begin_audit
INSERT INTO audit (who, role, address, action, parameters)
VALUES (%(who)s, %(role)s, %(address)s, %(action)s, %(parameters)s::jsonb) RETURNING id

-- name: end_audit
UPDATE audit SET ok = %(ok)s, result = %(result)s WHERE id = %(audit_id)s

-- name: prune_audit
DELETE FROM audit
 WHERE id IN (SELECT id FROM audit WHERE at < now() - make_interval(days => %(days)s) ORDER BY id LIMIT %(limit)s)

-- name: audit_page
SELECT id, at, who, role, address, action, parameters, ok, result
  FROM v_audit WHERE id < %(below)s ORDER BY id DESC LIMIT %(limit)s

-- name: audit_entry
SELECT id, at, who, action, ok, result FROM v_audit WHERE id = %(audit_id)s
