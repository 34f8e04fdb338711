-- How many products are in which state, and how many of them could be sent now?
--     psql "$STAGING_DB_URL" -f sql/ops/backlog_by_state.sql
--
--  state   | products | photos_ready
-- ---------+----------+--------------
--  synced  |   872960 |       855421
--  pending |   119040 |       116640
--  error   |     8000 |         8000

SELECT coalesce(ximilar_status, 'none') AS state, count(*) AS products,
       count(*) FILTER (WHERE image_status IN ('uploaded', 'collage_ready')) AS photos_ready
  FROM public.raw_products
 GROUP BY 1
 ORDER BY 2 DESC;
