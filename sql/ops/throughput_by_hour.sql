-- How much was done in each of the last 24 hours?
--     psql "$STAGING_DB_URL" -f sql/ops/throughput_by_hour.sql
--
--         hour         | synced | errors | postponed | other | photos | products_a_minute
-- ---------------------+--------+--------+-----------+-------+--------+-------------------
--  2026-11-22 10:00:00 |   1391 |     27 |        45 |     0 |   2782 |              23.2

SELECT date_trunc('hour', at) AS hour,
       count(*) FILTER (WHERE outcome = 'synced') AS synced,
       count(*) FILTER (WHERE outcome = 'error') AS errors,
       count(*) FILTER (WHERE outcome = 'postponed') AS postponed,
       count(*) FILTER (WHERE outcome NOT IN ('synced', 'error', 'postponed')) AS other,
       sum(photos_sent) AS photos,
       round(count(*) FILTER (WHERE outcome = 'synced') / 60.0, 1) AS products_a_minute
  FROM ximilar.v_attempts
 WHERE at >= date_trunc('hour', now()) - interval '23 hours'
 GROUP BY 1
 ORDER BY 1;
