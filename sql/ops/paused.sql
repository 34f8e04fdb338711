-- Is anything paused, by whom, why and until when? The account first, then periodic tasks.
--     psql "$STAGING_DB_URL" -f sql/ops/paused.sql
--
--  paused |    cause     | code |   text    |      paused_at      |    paused_until     | pauses |   last_success_at
-- --------+--------------+------+-----------+---------------------+---------------------+--------+---------------------
--  t      | rate_limited |  429 | slow down | 2026-11-22 10:00:04 | 2026-11-22 10:01:04 |      3 | 2026-11-22 09:59:58
--
--  task  |      paused_at      | paused_by
-- -------+---------------------+-----------
--  prune | 2026-11-21 17:20:00 | maria

SELECT paused, cause, code, text, paused_at, paused_until, pauses, last_success_at FROM ximilar.v_throttle;

SELECT task, paused_at, paused_by FROM ximilar.v_schedule WHERE paused_at IS NOT NULL ORDER BY paused_at;
