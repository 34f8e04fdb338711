-- Queue a set of products in error again: those of one cause, of one brand, or both (leave a variable out: any).
-- It only counts unless `go` is 1. As ximilar-sync does it: never a second waiting job for a product.
--     psql "$STAGING_DB_URL" -v cause='refused 413' -f sql/ops/requeue_set.sql
--     psql "$STAGING_DB_URL" -v cause='refused 413' -v brand=Mango -v go=1 -f sql/ops/requeue_set.sql
--
--  would_queue
-- -------------
--         1818
--
--  queued
-- --------
--    1818

\if :{?cause} \else \set cause '' \endif
\if :{?brand} \else \set brand '' \endif
\if :{?go} \else \set go 0 \endif
\set ON_ERROR_STOP on
\set QUIET on

BEGIN;
SET LOCAL search_path = ximilar, public;
SET LOCAL statement_timeout = 0;
-- Whoever enqueues takes this lock, a run as well; a statement of its own, so that the next one sees what is queued.
SELECT pg_advisory_xact_lock(hashtext('ximilar.enqueue')) \g /dev/null

SELECT coalesce(array_agg(f.id ORDER BY f.id), '{}') AS ids, count(*) AS products
  FROM find_products_v1('error', nullif(:'brand', ''), NULL, NULL, nullif(:'cause', ''), 0, 9223372036854775807) f
 WHERE f.image_status IN ('uploaded', 'collage_ready')
   AND NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.lock = 'product:' || f.id AND j.status = 'todo')
\gset

\if :go
SELECT enqueue_v1(:'ids'::bigint[], NULL) AS queued;
\else
SELECT :products AS would_queue;
\endif
COMMIT;
