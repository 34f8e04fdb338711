-- Queries over raw_products. Format of these files: `-- name: x`, what it is for, the statement with %(parameters)s.

-- name: enqueue_pending
-- Turns the pending products that are ready, and have no job waiting, into jobs of a run, and returns how many.
-- The caller holds the lock of lock_enqueueing, so two runs cannot both find a product without a job.
SELECT enqueue_v1(ARRAY(
    SELECT p.id
      FROM public.raw_products p
     WHERE p.ximilar_status = 'pending' AND p.image_status IN ('uploaded', 'collage_ready')
       AND NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.lock = 'product:' || p.id AND j.status = 'todo')
     ORDER BY p.id
     LIMIT %(limit)s
), %(run_id)s) AS products

-- name: enqueue_errors
-- As enqueue_pending, for products that have been in error for over six hours.
SELECT enqueue_v1(ARRAY(
    SELECT p.id
      FROM public.raw_products p
     WHERE p.ximilar_status = 'error' AND p.updated_at < now() - interval '6 hours'
       AND NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.lock = 'product:' || p.id AND j.status = 'todo')
     ORDER BY p.id
     LIMIT %(limit)s
), %(run_id)s) AS products

-- name: enqueue_resend
-- Queues products to be sent again in full, outside a run: those of one SKU, or all that are synced (sku NULL).
-- A photo stored after `sent_before` counts as sent, so a job that is repeated sends nothing twice. A sync that is
-- waiting already is told to. The caller holds the lock of lock_enqueueing.
WITH chosen AS (
    SELECT p.id, 'product:' || p.id AS lock
      FROM public.raw_products p
     WHERE CASE WHEN %(sku)s::text IS NULL THEN p.ximilar_status = 'synced' ELSE p.external_id = %(sku)s END
), told AS (
    UPDATE procrastinate_jobs j
       SET args = j.args || jsonb_build_object('sent_before', extract(epoch FROM clock_timestamp()))
      FROM chosen
     WHERE j.lock = chosen.lock AND j.status = 'todo' AND j.task_name = 'sync_product'
    RETURNING chosen.id
)
SELECT (SELECT count(DISTINCT id) FROM told)
       + enqueue_v1(ARRAY(SELECT id FROM chosen WHERE id NOT IN (SELECT id FROM told) ORDER BY id), NULL,
                    jsonb_build_object('sent_before', extract(epoch FROM clock_timestamp()))) AS products

-- name: enqueue_again
-- Queues one product, unless a job of it is waiting already.
SELECT enqueue_v1(ARRAY(
    SELECT %(product_id)s::bigint
     WHERE NOT EXISTS (
        SELECT FROM procrastinate_jobs j WHERE j.lock = 'product:' || %(product_id)s::bigint AND j.status = 'todo')
), %(run_id)s) AS products

-- name: lock_enqueueing
-- Held to the end of the transaction by whoever turns rows into jobs. A transaction's lock: it works through
-- PgBouncer. A statement of its own: the next one must see what the last holder committed.
SELECT pg_advisory_xact_lock(hashtext('ximilar.enqueue'))

-- name: load_product
-- What a job needs of one row. Everything that can be poisonous comes as text and is parsed row by row in
-- Python: a driver that meets a 5,000-digit number fails the whole batch it came in. `sku_elsewhere`
-- spares most jobs the search for what other rows left behind, whose planning costs more than this statement.
SELECT p.id, p.external_id AS sku, left(p.brand, 1024) AS brand, left(p.name, 1024) AS name,
       left(p.category, 1024) AS category, p.price::text AS price, p.image_status, p.ximilar_status,
       CASE WHEN octet_length(p.image_urls::text) <= 1048576 THEN p.image_urls::text END AS image_urls,
       coalesce(octet_length(p.image_urls::text) > 1048576, false) AS oversized,
       hashed.content_hash, fingerprint_v1(hashed.content_hash, p.image_urls, p.image_status) AS fingerprint,
       EXISTS (SELECT FROM photos other WHERE other.sku = p.external_id AND other.product_id <> p.id) AS sku_elsewhere
  FROM public.raw_products p,
       content_hash_v1(p.external_id, p.brand, p.name, p.category, p.price) AS hashed (content_hash)
 WHERE p.id = %(product_id)s

-- name: mark_error
UPDATE public.raw_products
   SET ximilar_status = 'error', error_message = %(reason)s, updated_at = now()
 WHERE id = %(product_id)s

-- name: products_by_state
-- Of a large table only a sample of about a million rows, always the same blocks, is counted and scaled up.
SELECT coalesce(p.ximilar_status, 'none') AS state, round(100 / share.percent * count(*))::bigint AS products,
       share.percent < 100 AS estimated
  FROM (SELECT least(100, 1e8 / greatest(reltuples, 1))::float8 AS percent FROM pg_class WHERE oid = 'public.raw_products'::regclass) share
 CROSS JOIN public.raw_products p
       TABLESAMPLE SYSTEM ((SELECT least(100, 1e8 / greatest(reltuples, 1)) FROM pg_class WHERE oid = 'public.raw_products'::regclass)::real)
       REPEATABLE (1)
 GROUP BY 1, share.percent
 ORDER BY 1

-- name: find_products
-- The rows of one SKU; there may be several.
SELECT id, external_id AS sku, brand, left(name, 200) AS name, category, price::text, image_status, ximilar_status,
       ximilar_synced_at::text, error_message, updated_at::text,
       CASE WHEN octet_length(image_urls::text) <= 1048576 THEN image_urls::text END AS image_urls
  FROM public.raw_products
 WHERE external_id = %(sku)s
 ORDER BY id

-- name: run_photos
-- How many photos the products of a run list, and how many requests they are, a product's `batch` to a request; for an
-- estimate, before the run's transaction is rolled back.
SELECT coalesce(sum(listed.photos), 0)::bigint AS photos,
       coalesce(sum(ceil(listed.photos / %(batch)s::numeric)), 0)::bigint AS requests
  FROM run_products m
  JOIN public.raw_products p ON p.id = m.product_id,
       LATERAL (SELECT CASE WHEN jsonb_typeof(p.image_urls) = 'array' THEN jsonb_array_length(p.image_urls) END AS photos) listed
 WHERE m.run_id = %(run_id)s

-- name: any_photo
-- The address of a photo that is ready, of any product.
SELECT image_urls->>0 AS url
  FROM public.raw_products
 WHERE image_status IN ('uploaded', 'collage_ready')
   AND jsonb_typeof(image_urls) = 'array' AND jsonb_typeof(image_urls->0) = 'string'
 LIMIT 1
