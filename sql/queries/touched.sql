-- What the optional trigger on raw_products has noted.

-- name: take_touched
-- The oldest notes, taken away; the caller's transaction turns them into jobs.
DELETE FROM touched
 WHERE id IN (SELECT id FROM touched ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING ids, first_id, last_id

-- name: put_back_touched
INSERT INTO touched (first_id, last_id) VALUES (%(first_id)s, %(last_id)s)

-- name: enqueue_touched
-- Queues the products in (after, last] (or those of them in `only`) that are to be sent, those that were found changed,
-- and those in error whose row is not what the attempt has read that failed, unless a job is waiting.
SELECT enqueue_v1(ARRAY(
    SELECT p.id
      FROM public.raw_products p
     WHERE p.id > %(after)s AND p.id <= %(last)s AND (%(only)s::bigint[] IS NULL OR p.id = ANY (%(only)s::bigint[]))
       AND (p.image_status IN ('uploaded', 'collage_ready')
            AND CASE p.ximilar_status
                WHEN 'pending' THEN true
                WHEN 'error' THEN (
                    SELECT a.fingerprint FROM attempts a WHERE a.product_id = p.id AND a.outcome = 'error' ORDER BY a.id DESC LIMIT 1)
                    <> fingerprint_v1(content_hash_v1(p.external_id, p.brand, p.name, p.category, p.price), p.image_urls, p.image_status)
                ELSE false END
            OR p.id = ANY (%(changed)s::bigint[]))
       AND NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.lock = 'product:' || p.id AND j.status = 'todo')
     ORDER BY p.id
), NULL, '{}', 'sync_product', -5) AS products

-- name: enqueue_anywhere
-- Queues the first products that are to be sent, wherever they are, as enqueue_pending does for a run.
SELECT enqueue_v1(ARRAY(
    SELECT p.id
      FROM public.raw_products p
     WHERE p.ximilar_status = 'pending' AND p.image_status IN ('uploaded', 'collage_ready')
       AND NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.lock = 'product:' || p.id AND j.status = 'todo')
     ORDER BY p.id
     LIMIT %(limit)s
), NULL, '{}', 'sync_product', -5) AS products
