-- Worker processes and their heartbeats.

-- name: register_worker
INSERT INTO workers (id, host, pid, process, version, concurrency, listening)
VALUES (%(id)s, %(host)s, %(pid)s, %(process)s, %(version)s, %(concurrency)s, %(listening)s)
ON CONFLICT (id) DO UPDATE SET beat_at = now(), beating_since = now()

-- name: beat
-- Also procrastinate's heartbeat, which it stops itself when a worker begins to drain.
WITH ours AS (
    UPDATE workers
       SET beat_at = now(), queue_worker = %(queue_worker)s,
           beating_since = CASE WHEN beat_at < now() - interval '15 s' THEN now() ELSE beating_since END
     WHERE id = %(id)s
)
UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = %(queue_worker)s

-- name: unregister_worker
DELETE FROM workers WHERE id = %(id)s

-- name: steady_since
-- For how many seconds this worker has been beating without a gap. After an outage of the database everybody looks
-- dead for a moment, so only a steady worker judges others; not one whose own first beat after it is still to come.
SELECT CASE WHEN beat_at < now() - interval '15 s' THEN 0 ELSE extract(epoch FROM now() - beating_since) END::float8 AS seconds
  FROM workers
 WHERE id = %(id)s

-- name: workers_here
-- The other processes registered on a machine, to see which of them are alive.
SELECT id, pid, process, queue_worker FROM workers WHERE host = %(host)s AND id <> %(id)s

-- name: list_workers
SELECT id::text, host, pid, version, concurrency, listening, started_at::text, beat_at::text,
       extract(epoch FROM now() - beat_at)::float8 AS silent_seconds,
       (SELECT count(*) FROM procrastinate_jobs j WHERE j.worker_id = w.queue_worker AND j.status = 'doing') AS jobs
  FROM workers w
 ORDER BY host, pid

-- name: beats
SELECT host, process, extract(epoch FROM now() - beat_at)::float8 AS silent_seconds FROM workers

-- name: forget_workers
DELETE FROM workers WHERE beat_at < now() - interval '1 day'
