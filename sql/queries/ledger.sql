-- The ledger of stored photos.

-- name: photos_of
-- What the collection holds of a product.
SELECT url, remote_id, content_hash, extract(epoch FROM stored_at)::float8 AS stored_at, request_id
  FROM photos
 WHERE product_id = %(product_id)s AND profile = %(profile)s AND collection_id = %(collection_id)s
 ORDER BY stored_at, url

-- name: store_photo
-- Written right after the answer, in a transaction of its own: whatever happens next, this photo is not sent again.
INSERT INTO photos (product_id, profile, collection_id, url, remote_id, content_hash, request_id)
VALUES (%(product_id)s, %(profile)s, %(collection_id)s, %(url)s, %(remote_id)s, %(content_hash)s, %(request_id)s)
ON CONFLICT (product_id, profile, collection_id, url_md5) DO UPDATE
   SET remote_id = excluded.remote_id, content_hash = excluded.content_hash,
       request_id = excluded.request_id, stored_at = clock_timestamp()

-- name: adopt
-- Cut-over: the photos of products that were synced before there was a ledger, content unknown. In chunks by id:
-- returns the last id seen and the photos recorded; no row when there are no more.
WITH chunk AS (
    SELECT id, image_urls
      FROM public.raw_products
     WHERE ximilar_status = 'synced' AND id > %(after)s AND jsonb_typeof(image_urls) = 'array'
     ORDER BY id
     LIMIT %(limit)s
), adopted AS (
    INSERT INTO photos (product_id, profile, collection_id, url)
    -- Without its fragment, as it would be sent.
    SELECT DISTINCT chunk.id, %(profile)s, %(collection_id)s, split_part(listed.photo #>> '{}', '#', 1)
      FROM chunk, jsonb_array_elements(chunk.image_urls) AS listed (photo)
     WHERE jsonb_typeof(listed.photo) = 'string'
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT max(id) AS last_id, count(*) AS products, (SELECT count(*) FROM adopted) AS photos
  FROM chunk
HAVING count(*) > 0

-- name: stored_photos
-- For people: what any collection holds of a product.
SELECT url, collection_id, profile, content_hash IS NOT NULL AS content_known, stored_at::text, request_id
  FROM photos
 WHERE product_id = %(product_id)s
 ORDER BY stored_at, url
