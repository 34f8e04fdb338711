-- Runs and their products.

-- name: open_run
INSERT INTO runs (kind) VALUES (%(kind)s) RETURNING id

-- name: note_opened_run
-- Writes into a job's arguments which run it has opened. No row: another life of the job has opened it, or is about to.
UPDATE procrastinate_jobs SET args = args || jsonb_build_object('run_id', %(run_id)s::bigint)
 WHERE id = %(job_id)s AND attempts = %(job_attempt)s AND status = 'doing' AND NOT args ? 'run_id'
RETURNING id

-- name: settle_product
-- Writes what became of a product of a run; the first word stands.
UPDATE run_products SET outcome = %(outcome)s
 WHERE run_id = %(run_id)s AND product_id = %(product_id)s AND outcome IS NULL

-- name: settle_dead
-- Products of open runs whose job is no longer alive and left no outcome: cancelled, failed, deleted, or ended
-- because another job of the product, outside the run, took over.
UPDATE run_products m
   SET outcome = CASE job.status WHEN 'cancelled' THEN 'cancelled' WHEN 'aborted' THEN 'cancelled'
                                 WHEN 'failed' THEN 'failed'
                                 WHEN 'succeeded' THEN 'taken_over' ELSE 'vanished' END
  FROM runs r, run_products same LEFT JOIN procrastinate_jobs job ON job.id = same.job_id
 WHERE r.completed_at IS NULL AND m.run_id = r.id AND m.outcome IS NULL
   AND same.run_id = m.run_id AND same.product_id = m.product_id
   AND (job.id IS NULL OR job.status NOT IN ('todo', 'doing'))

-- name: finished_runs
-- Open runs that are over: no product on its way, or too old.
SELECT id FROM runs r
 WHERE completed_at IS NULL
   AND (NOT EXISTS (SELECT FROM run_products m WHERE m.run_id = r.id AND m.outcome IS NULL)
        OR started_at < now() - make_interval(secs => %(max_seconds)s))
 ORDER BY id

-- name: run_is_over
SELECT NOT EXISTS (SELECT FROM run_products m WHERE m.run_id = %(run_id)s AND m.outcome IS NULL) AS over

-- name: close_run
-- Ends a run, once: whoever gets no row back was not the first. `synced` and `errors` count its products.
UPDATE runs r
   SET completed_at = now(), synced = counted.synced, errors = counted.errors,
       status = CASE WHEN counted.synced = r.fetched THEN 'success' WHEN counted.synced = 0 THEN 'error' ELSE 'partial' END
  FROM (SELECT count(*) FILTER (WHERE outcome = 'synced') AS synced, count(*) FILTER (WHERE outcome = 'error') AS errors
          FROM run_products WHERE run_id = %(run_id)s) counted
 WHERE r.id = %(run_id)s AND r.completed_at IS NULL
   AND (NOT EXISTS (SELECT FROM run_products m WHERE m.run_id = r.id AND m.outcome IS NULL)
        OR r.started_at < now() - make_interval(secs => %(max_seconds)s))
RETURNING r.id, r.kind, r.drain_id, r.fetched, r.synced, r.errors, r.status,
          extract(epoch FROM r.completed_at - r.started_at)::float8 AS seconds

-- name: rest_of_run
-- What became of the products that are neither synced nor in error; those on their way by why they were put off.
SELECT coalesce(m.outcome, 'postponed') AS outcome,
       CASE WHEN m.outcome IS NULL
            THEN coalesce(last.code::text, last.cause, account.pause_code::text, account.pause_cause, 'not begun') END AS why,
       count(*) AS products
  FROM run_products m
 CROSS JOIN throttle account
  LEFT JOIN LATERAL (
    SELECT a.code, a.cause FROM attempts a
     WHERE m.outcome IS NULL AND a.product_id = m.product_id AND a.run_id = m.run_id ORDER BY a.id DESC LIMIT 1) last ON true
 WHERE m.run_id = %(run_id)s AND m.outcome IS DISTINCT FROM 'synced' AND m.outcome IS DISTINCT FROM 'error'
 GROUP BY 1, 2
 ORDER BY 3 DESC, 1, 2

-- name: log_run
UPDATE runs SET note = %(note)s WHERE id = %(run_id)s

-- name: insert_scraper_log
-- The row others read. `ximilar_sync` for retry runs too: their reports know no other name.
INSERT INTO public.scraper_logs (scraper_name, status, records_fetched, records_new, records_errors, started_at,
                                 completed_at, duration_seconds, error_message)
SELECT 'ximilar_sync', status, fetched, synced, errors, started_at, completed_at,
       round(extract(epoch FROM completed_at - started_at)::numeric, 3), note
  FROM runs WHERE id = %(run_id)s

-- name: run_progress
SELECT r.id, r.kind, r.started_at::text, r.completed_at::text, r.fetched, r.status, r.note,
       count(*) FILTER (WHERE m.outcome = 'synced') AS synced,
       count(*) FILTER (WHERE m.outcome = 'error') AS errors,
       count(*) FILTER (WHERE m.outcome IS NULL AND m.run_id IS NOT NULL) AS remaining,
       extract(epoch FROM coalesce(r.completed_at, now()) - r.started_at)::float8 AS seconds
  FROM runs r LEFT JOIN run_products m ON m.run_id = r.id
 WHERE r.id = %(run_id)s
 GROUP BY r.id

-- name: newest_run
-- The newest run of a kind after a given one, if it has begun.
SELECT id FROM runs WHERE kind = %(kind)s AND id > %(after)s ORDER BY id LIMIT 1

-- name: last_run_id
SELECT coalesce(max(id), 0) AS id FROM runs

-- name: open_runs
SELECT id FROM runs WHERE completed_at IS NULL ORDER BY id

-- name: list_runs
SELECT id, kind, started_at::text, completed_at::text, fetched, synced, errors, coalesce(status, 'running') AS status, note,
       extract(epoch FROM coalesce(completed_at, now()) - started_at)::float8 AS seconds
  FROM runs
 ORDER BY id DESC
 LIMIT %(limit)s

-- name: prune_runs
DELETE FROM runs WHERE completed_at < now() - make_interval(days => %(days)s)

-- name: no_statement_timeout
-- For this transaction: enqueueing a million products takes longer than a statement may elsewhere.
SELECT set_config('statement_timeout', '0', true)
