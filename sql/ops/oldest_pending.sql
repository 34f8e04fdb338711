-- Which products have been waiting longest, and is a job queued for them?
--     psql "$STAGING_DB_URL" -f sql/ops/oldest_pending.sql
--
--    id   |     sku     | image_status |   waits   |  job  | job_state
-- --------+-------------+--------------+-----------+-------+-----------
--  880001 | SKU-0880001 | uploaded     | 18 d 13 h |  4711 | todo
--  880002 | SKU-0880002 | pending      | 18 d 13 h |       |

SELECT p.id, p.external_id AS sku, p.image_status, to_char(now() - p.updated_at, 'FMDDD "d" FMHH24 "h"') AS waits,
       job.id AS job, job.state AS job_state
  FROM public.raw_products p
  LEFT JOIN LATERAL (
    SELECT j.id, j.status AS state FROM ximilar.procrastinate_jobs j
     WHERE j.lock = 'product:' || p.id AND j.status IN ('todo', 'doing') ORDER BY j.status DESC, j.id LIMIT 1) job ON true
 WHERE p.ximilar_status = 'pending'
 ORDER BY p.updated_at NULLS FIRST, p.id
 LIMIT 20;
