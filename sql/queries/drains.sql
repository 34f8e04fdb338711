-- Drains: runs that open each other until nothing is left.

-- name: open_drain
-- No row: one of this kind is open already.
INSERT INTO drains (kind, products)
SELECT %(kind)s, (SELECT count(*) FROM public.raw_products p
                   WHERE CASE %(kind)s::text
                         WHEN 'sync' THEN p.ximilar_status = 'pending' AND p.image_status IN ('uploaded', 'collage_ready')
                         ELSE p.ximilar_status = 'error' AND p.updated_at < now() - interval '6 hours' END)
ON CONFLICT (kind) WHERE ended_at IS NULL DO NOTHING
RETURNING id

-- name: drain_to_continue
-- A drain whose newest run has ended, with how that went. The caller holds the lock of lock_enqueueing, so nobody
-- else continues it. No row: it is over or at work.
SELECT d.id, d.kind, d.cursor, r.fetched, coalesce(r.synced + r.errors, 0) AS progress,
       (SELECT pause_cause IS NOT NULL FROM throttle) AS paused
  FROM drains d
  LEFT JOIN LATERAL (SELECT * FROM runs WHERE drain_id = d.id ORDER BY id DESC LIMIT 1) r ON true
 WHERE d.id = %(drain_id)s AND d.ended_at IS NULL AND (r.id IS NULL OR r.completed_at IS NOT NULL)

-- name: open_drains
SELECT id FROM drains WHERE ended_at IS NULL ORDER BY id

-- name: open_run_of_drain
INSERT INTO runs (kind, drain_id) VALUES (%(kind)s, %(drain_id)s) RETURNING id

-- name: enqueue_drain_sync
-- As enqueue_pending, beyond the drain's cursor, and behind what retries and operators queue.
SELECT enqueue_v1(ARRAY(
    SELECT p.id
      FROM public.raw_products p
     WHERE p.id > %(cursor)s AND p.ximilar_status = 'pending' AND p.image_status IN ('uploaded', 'collage_ready')
       AND NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.lock = 'product:' || p.id AND j.status = 'todo')
     ORDER BY p.id
     LIMIT %(limit)s
), %(run_id)s, '{}', 'sync_product', -5) AS products

-- name: enqueue_behind_drain
-- As enqueue_drain_sync, for products that came in with an id below the cursor: those that the drain has not had yet.
SELECT enqueue_v1(ARRAY(
    SELECT p.id
      FROM public.raw_products p
     WHERE p.ximilar_status = 'pending' AND p.image_status IN ('uploaded', 'collage_ready')
       AND NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.lock = 'product:' || p.id AND j.status = 'todo')
       AND NOT EXISTS (
        SELECT FROM runs r JOIN run_products m ON m.run_id = r.id
         WHERE r.drain_id = %(drain_id)s AND m.product_id = p.id)
     ORDER BY p.id
     LIMIT %(limit)s
), %(run_id)s, '{}', 'sync_product', -5) AS products

-- name: enqueue_drain_retry
-- As enqueue_errors, beyond the drain's cursor: hopeless products with low ids do not starve the rest.
SELECT enqueue_v1(ARRAY(
    SELECT p.id
      FROM public.raw_products p
     WHERE p.id > %(cursor)s AND p.ximilar_status = 'error' AND p.updated_at < now() - interval '6 hours'
       AND NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.lock = 'product:' || p.id AND j.status = 'todo')
     ORDER BY p.id
     LIMIT %(limit)s
), %(run_id)s, '{}', 'sync_product', -5) AS products

-- name: move_drain
UPDATE drains
   SET cursor = greatest(cursor, coalesce((SELECT max(product_id) FROM run_products WHERE run_id = %(run_id)s), cursor))
 WHERE id = %(drain_id)s

-- name: discard_run
-- A run that found nothing to continue a drain with.
DELETE FROM runs WHERE id = %(run_id)s

-- name: end_drain
UPDATE drains SET ended_at = now(), end_reason = %(reason)s WHERE id = %(drain_id)s AND ended_at IS NULL

-- name: newest_drain
SELECT max(id) AS id FROM drains WHERE kind = %(kind)s AND id > %(after)s

-- name: last_drain_id
-- The drain after this one is the one to watch: that at work, if there is one.
SELECT coalesce(min(id) FILTER (WHERE ended_at IS NULL AND kind = %(kind)s) - 1, max(id), 0) AS id FROM drains

-- name: drain_progress
-- Over all its runs; `fetched` is what was waiting when it began, or more if more came.
SELECT d.id, d.kind, d.started_at::text, d.ended_at::text AS completed_at, d.end_reason AS note,
       greatest(d.products, counted.fetched) AS fetched, counted.runs, counted.synced, counted.errors,
       greatest(d.products, counted.fetched) - counted.settled AS remaining,
       extract(epoch FROM coalesce(d.ended_at, now()) - d.started_at)::float8 AS seconds,
       CASE WHEN d.ended_at IS NULL THEN NULL
            WHEN counted.synced = counted.fetched THEN 'success' WHEN counted.synced = 0 THEN 'error' ELSE 'partial' END AS status
  FROM drains d
 CROSS JOIN LATERAL (
    SELECT count(DISTINCT r.id) AS runs, count(m.product_id) AS fetched,
           count(*) FILTER (WHERE m.outcome = 'synced') AS synced,
           count(*) FILTER (WHERE m.outcome = 'error') AS errors,
           count(m.outcome) AS settled
      FROM runs r LEFT JOIN run_products m ON m.run_id = r.id
     WHERE r.drain_id = d.id) counted
 WHERE d.id = %(drain_id)s
