-- What went wrong, how often, and with which product for example? By the last attempt of the products in error.
--     psql "$STAGING_DB_URL" -f sql/ops/errors_by_cause.sql
--
--     cause    | products |      last_at        |   example   |              reason
-- -------------+----------+---------------------+-------------+----------------------------------
--  refused 413 |     1818 | 2026-11-22 09:14:03 | SKU-0999257 | https://.../1.jpg: 413 too large
--  unrecorded  |      714 | 2026-10-30 02:51:40 | SKU-0999757 | no photos

SELECT cause, count(*) AS products, max(updated_at) AS last_at,
       (array_agg(sku ORDER BY id DESC))[1] AS example, (array_agg(reason ORDER BY id DESC))[1] AS reason
  FROM (SELECT id, external_id AS sku, left(error_message, 120) AS reason, updated_at, ximilar.error_cause_v1(id) AS cause
          FROM public.raw_products WHERE ximilar_status = 'error') failed
 GROUP BY cause
 ORDER BY products DESC, cause;
