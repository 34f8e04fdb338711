-- When was each periodic task last due and queued, and what became of that job? The cron is what the workers' settings
-- say (UTC); none until one has started.
--     psql "$STAGING_DB_URL" -f sql/ops/last_ticks.sql
--
--       task      |    cron    |      last_tick      |  job  | job_state | paused_by
-- ----------------+------------+---------------------+-------+-----------+-----------
--  ximilar_retry  | 0 12 * * * | 2026-11-21 12:00:00 |  4650 | succeeded |
--  ximilar_sync   | 0 10 * * 0 | 2026-11-15 10:00:00 |       |           |

SELECT s.task, s.cron, s.last_tick, job.id AS job, job.status AS job_state, s.paused_by
  FROM ximilar.v_schedule s
  LEFT JOIN LATERAL (
    SELECT j.id, j.status FROM ximilar.procrastinate_periodic_defers d JOIN ximilar.procrastinate_jobs j ON j.id = d.job_id
     WHERE d.task_name = s.task ORDER BY d.defer_timestamp DESC LIMIT 1) job ON true
 ORDER BY s.last_tick DESC;
