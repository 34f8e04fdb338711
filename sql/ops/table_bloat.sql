-- How large are the sync's tables, how much of them is dead, and when were they last cleaned?
--     psql "$STAGING_DB_URL" -f sql/ops/table_bloat.sql
--
--        table        | total  | rows    | dead  | dead_percent |     last_vacuum
-- --------------------+--------+---------+-------+--------------+---------------------
--  attempts           | 412 MB | 1013232 |     0 |          0.0 | 2026-11-22 03:41:07
--  procrastinate_jobs |  58 MB |   99200 | 99200 |         50.0 |

SELECT relname AS "table", pg_size_pretty(pg_total_relation_size(relid)) AS total, n_live_tup AS rows, n_dead_tup AS dead,
       round(100.0 * n_dead_tup / greatest(1, n_live_tup + n_dead_tup), 1) AS dead_percent,
       greatest(last_vacuum, last_autovacuum) AS last_vacuum
  FROM pg_stat_user_tables
 WHERE schemaname = 'ximilar' OR (schemaname = 'public' AND relname IN ('raw_products', 'scraper_logs'))
 ORDER BY pg_total_relation_size(relid) DESC;
