-- What happened to one product? Its row, then every attempt, the newest first.
--     psql "$STAGING_DB_URL" -v sku=SKU-0042 -f sql/ops/product_history.sql
--
--  id | state | image_status | synced_at |         error
-- ----+-------+--------------+-----------+------------------------
--  42 | error | uploaded     |           | 400 cannot be downloaded
--
--           at          | outcome | cause   | code |       message        | request_id | photos_sent | run | job
-- ----------------------+---------+---------+------+----------------------+------------+-------------+-----+-----
--  2026-11-22 10:00:04  | error   | refused |  400 | cannot be downloaded | 8f2c...    |           0 |   7 |  99

SELECT id, ximilar_status AS state, image_status, ximilar_synced_at AS synced_at, error_message AS error
  FROM public.raw_products WHERE external_id = :'sku' ORDER BY id;

SELECT a.at, a.outcome, a.cause, a.code, a.message, a.request_id, a.photos_sent, a.run_id AS run, a.job_id AS job
  FROM ximilar.v_attempts a
 WHERE a.product_id IN (SELECT id FROM public.raw_products WHERE external_id = :'sku')
 ORDER BY a.id DESC
 LIMIT 50;
