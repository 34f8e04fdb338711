-- Which jobs are running for longer than any may, or without a living worker? `rescue_stalled` brings them back
-- each minute while a worker is alive; rows that stay here are worth a look at the workers.
--     psql "$STAGING_DB_URL" -f sql/ops/stuck_jobs.sql
--
--   id  |     task     | product_id | running_for |  host   | worker_silent_for
-- ------+--------------+------------+-------------+---------+-------------------
--  4711 | sync_product |     880001 | 00:07:12    | sync-01 | 00:06:58

SELECT j.id, j.task, j.product_id, date_trunc('second', now() - j.last_event_at) AS running_for, w.host,
       make_interval(secs => round(w.silent_seconds)) AS worker_silent_for
  FROM ximilar.v_jobs j
  LEFT JOIN ximilar.v_workers w ON w.worker_id = j.worker_id
 WHERE j.state = 'doing'
   AND (w.alive IS NOT TRUE
        OR j.last_event_at < now() - CASE j.queue WHEN 'products' THEN interval '120 s' ELSE interval '900 s' END)
 ORDER BY j.last_event_at;
