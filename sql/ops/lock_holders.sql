-- Who holds a lock that others wait for? The jobs first (one product, one job at a time), then the database's own
-- locks: a scraper's ALTER TABLE or an open transaction that blocks the sync.
--     psql "$STAGING_DB_URL" -f sql/ops/lock_holders.sql
--
--       lock      | holder | since               | host    | waiting
-- ----------------+--------+---------------------+---------+---------
--  product:880001 |   4711 | 2026-11-22 10:00:04 | sync-01 | {4790}
--
--  blocked | waits_for |    for   | blocked_by | by_program |  in_transaction_for |        its_statement
-- ---------+-----------+----------+------------+------------+---------------------+---------------------------
--     8123 | relation  | 00:00:41 |       7999 | scraper    | 00:12:07            | ALTER TABLE raw_products ..

SELECT holder.lock, holder.id AS holder, holder.last_event_at AS since, w.host,
       array_agg(waiting.id ORDER BY waiting.id) AS waiting
  FROM ximilar.v_jobs holder
  JOIN ximilar.procrastinate_jobs waiting ON waiting.lock = holder.lock AND waiting.status = 'todo'
  LEFT JOIN ximilar.v_workers w ON w.worker_id = holder.worker_id
 WHERE holder.state = 'doing'
 GROUP BY holder.lock, holder.id, holder.last_event_at, w.host
 ORDER BY since;

SELECT blocked.pid AS blocked, blocked.wait_event AS waits_for, date_trunc('second', now() - blocked.query_start) AS "for",
       blocking.pid AS blocked_by, blocking.application_name AS by_program,
       date_trunc('second', now() - blocking.xact_start) AS in_transaction_for, left(blocking.query, 80) AS its_statement
  FROM pg_stat_activity blocked
 CROSS JOIN LATERAL unnest(pg_blocking_pids(blocked.pid)) AS by (pid)
  JOIN pg_stat_activity blocking ON blocking.pid = by.pid
 WHERE blocked.datname = current_database()
 ORDER BY blocked.query_start;
