-- Queries over procrastinate's tables.

-- name: fetch_job
-- procrastinate's own fetch, but while the account is paused no product job is taken: a hundred thousand jobs
-- fetched and put back would be churn. When the pause has passed the first call is the probe: take_slot_v1 lets one go and
-- closes this door; a few jobs that came through meanwhile are put back. It is calls that are limited, not jobs: of those
-- that make none, a hundred thousand may be in front.
SELECT id, status, task_name, priority, lock, queueing_lock, args, scheduled_at, queue_name, attempts, worker_id
  FROM procrastinate_fetch_job_v2(
    CASE WHEN (SELECT pause_cause IS NULL OR greatest(paused_until, probing_until) <= clock_timestamp() FROM throttle)
         THEN %(queues)s::varchar[] ELSE %(queues_while_paused)s::varchar[] END,
    %(worker_id)s)

-- name: lost_job
-- A job that is `doing` by a worker that does not know of it: the answer to its fetch never arrived, or its end was
-- forgotten in a fail-over.
SELECT id, status, task_name, priority, lock, queueing_lock, args, scheduled_at, queue_name, attempts, worker_id
  FROM procrastinate_jobs
 WHERE status = 'doing' AND worker_id = %(worker_id)s AND id <> ALL (%(held)s::bigint[])
 ORDER BY id
 LIMIT 1

-- name: finish_held_job
-- procrastinate's own end of a job, but only of the life of it (job, attempts, lock) that the caller held; no row:
-- it was taken over. Without this a worker that slept through its rescue ends a job that another one is doing.
WITH held AS (
    SELECT id FROM procrastinate_jobs
     WHERE id = %(job_id)s AND attempts = %(attempts)s AND lock IS NOT DISTINCT FROM %(lock_held)s AND status = 'doing'
       FOR UPDATE
)
SELECT procrastinate_finish_job_v1(id, %(status)s::procrastinate_job_status, %(delete_job)s)::text FROM held

-- name: retry_held_job
-- As finish_held_job, for a job that goes back to the queue and waits there for `seconds`.
WITH held AS (
    SELECT id FROM procrastinate_jobs
     WHERE id = %(job_id)s AND attempts = %(attempts)s AND lock IS NOT DISTINCT FROM %(lock_held)s AND status = 'doing'
       FOR UPDATE
)
SELECT procrastinate_retry_job_v2(id, now() + make_interval(secs => %(seconds)s), %(priority)s, %(queue)s, %(lock)s)::text
  FROM held

-- name: stalled_jobs
-- Jobs that are `doing` with nobody at work.
-- Arguments may be anything: a job deferred by hand must not keep every worker from starting.
SELECT j.id, j.task_name, j.attempts,
       CASE WHEN j.args ->> 'product_id' ~ '^\d{1,18}$' THEN (j.args ->> 'product_id')::bigint END AS product_id,
       CASE WHEN j.args ->> 'run_id' ~ '^\d{1,18}$' THEN (j.args ->> 'run_id')::bigint END AS run_id
  FROM procrastinate_jobs j
 WHERE j.status = 'doing' AND j.id IN (SELECT nobodys_jobs_v1(%(silent)s, %(dead)s, %(product_seconds)s, %(control_seconds)s))
 ORDER BY j.id
   FOR UPDATE OF j SKIP LOCKED

-- name: requeue_job
SELECT procrastinate_retry_job_v2(%(job_id)s, now(), NULL, NULL, NULL)

-- name: give_up_job
SELECT procrastinate_finish_job_v1(%(job_id)s, 'failed', false)

-- name: job_counts
-- OR and not IN: then the small indexes of either state serve, however many finished jobs there are.
SELECT task_name AS task, status::text, count(*) AS jobs
  FROM procrastinate_jobs
 WHERE status = 'todo' OR status = 'doing'
 GROUP BY 1, 2
 ORDER BY 1, 2

-- name: jobs_of_product
SELECT j.id, j.status::text, j.attempts, j.scheduled_at::text, j.args, j.worker_id,
       (SELECT max(e.at)::text FROM procrastinate_events e WHERE e.job_id = j.id) AS last_event_at
  FROM procrastinate_jobs j
 WHERE j.lock = 'product:' || %(product_id)s::bigint AND j.status IN ('todo', 'doing')
 ORDER BY j.id

-- name: seed_tick
-- Records a past tick of a periodic task as done, where the task has none yet: nothing fires by surprise.
INSERT INTO procrastinate_periodic_defers (task_name, defer_timestamp, periodic_id)
SELECT %(task)s::varchar, %(tick)s, ''
 WHERE NOT EXISTS (SELECT FROM procrastinate_periodic_defers WHERE task_name = %(task)s::varchar)

-- name: note_schedule
-- What a worker that starts knows: the console, whose settings are its own, goes by it.
INSERT INTO schedule (task, cron) SELECT * FROM unnest(%(tasks)s::text[], %(crons)s::text[])
ON CONFLICT (task) DO UPDATE SET cron = excluded.cron WHERE schedule.cron <> excluded.cron

-- name: last_ticks
SELECT task_name AS task, max(defer_timestamp) AS tick FROM procrastinate_periodic_defers GROUP BY 1 ORDER BY 1

-- name: prune_jobs
-- Finished jobs, the oldest first; their events go with them.
DELETE FROM procrastinate_jobs
 WHERE id IN (
    SELECT j.id FROM procrastinate_jobs j
     WHERE j.status IN ('succeeded', 'failed', 'cancelled', 'aborted')
       AND (SELECT max(e.at) FROM procrastinate_events e WHERE e.job_id = j.id) < now() - make_interval(days => %(days)s)
     ORDER BY j.id
     LIMIT %(limit)s)
