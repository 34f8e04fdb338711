-- The ledger of stored photos.

-- name: photos_of
-- What the collection holds of a product.
SELECT url, sku, remote_id, content_hash, extract(epoch FROM stored_at)::float8 AS stored_at, request_id
  FROM photos
 WHERE product_id = %(product_id)s AND profile = %(profile)s AND collection_id = %(collection_id)s
 ORDER BY stored_at, url

-- name: store_photo
-- Written right after the answer, in a transaction of its own: whatever happens next, this photo is not sent again.
-- That it was there `already` does not prove that it is ours: then the hash we had stays, or it is unknown. If the line
-- is not in the `version` that was announced, a row of the same SKU has removed or stored the photo meanwhile: whose
-- call came last is not known.
INSERT INTO photos (product_id, profile, collection_id, sku, url, remote_id, content_hash, request_id)
VALUES (%(product_id)s, %(profile)s, %(collection_id)s, %(sku)s, %(url)s, %(remote_id)s,
        CASE WHEN %(version)s::text IS NOT NULL THEN %(unsure)s::uuid WHEN NOT %(already)s THEN %(content_hash)s::uuid END,
        %(request_id)s)
ON CONFLICT (product_id, profile, collection_id, url_md5) DO UPDATE
   SET sku = excluded.sku, remote_id = excluded.remote_id,
       content_hash = CASE WHEN %(already)s OR photos.content_hash = %(content_hash)s::uuid THEN photos.content_hash
                           WHEN photos.xmin::text <> %(version)s::text THEN %(unsure)s::uuid
                           ELSE %(content_hash)s::uuid END,
       request_id = excluded.request_id, stored_at = clock_timestamp()

-- name: announce_photos
-- Before the call: an answer may be lost, and the row may list other photos before these are sent again. What is
-- announced counts as stale for a row that lists it, as gone for one that does not. Returns the version of each line:
-- whatever writes to it before the answer is there makes it another one.
INSERT INTO photos (product_id, profile, collection_id, sku, url, content_hash)
SELECT %(product_id)s, %(profile)s, %(collection_id)s, %(sku)s, sent.url, %(unsure)s::uuid
  FROM unnest(%(urls)s::text[]) AS sent (url)
ON CONFLICT (product_id, profile, collection_id, url_md5) DO UPDATE SET content_hash = photos.content_hash
RETURNING url, xmin::text AS version

-- name: renounce_photo
-- A photo that was announced and refused is not there.
DELETE FROM photos
 WHERE product_id = %(product_id)s AND profile = %(profile)s AND collection_id = %(collection_id)s
   AND url_md5 = md5(%(url)s)::uuid AND content_hash = %(unsure)s::uuid

-- name: doubt_photo
-- Before a photo is removed, for whoever holds the same one (address and SKU): until the answer is there it may be there
-- or not. Returns what was known of it, with the version of each line.
WITH held AS (
    SELECT product_id, content_hash FROM photos
     WHERE profile = %(profile)s AND collection_id = %(collection_id)s AND url_md5 = md5(%(url)s)::uuid
       AND (product_id = %(product_id)s OR sku IS NOT DISTINCT FROM %(sku)s::text)
     ORDER BY product_id
       FOR UPDATE
)
UPDATE photos p SET content_hash = %(unsure)s::uuid
  FROM held
 WHERE p.product_id = held.product_id AND p.profile = %(profile)s AND p.collection_id = %(collection_id)s
   AND p.url_md5 = md5(%(url)s)::uuid
RETURNING held.product_id, held.content_hash, p.xmin::text AS version

-- name: trust_photo
-- After its removal was refused: it is there as it was, unless somebody else has written a line since.
UPDATE photos p SET content_hash = known.content_hash
  FROM unnest(%(ids)s::bigint[], %(hashes)s::uuid[], %(versions)s::text[]) AS known (product_id, content_hash, version)
 WHERE p.product_id = known.product_id AND p.profile = %(profile)s AND p.collection_id = %(collection_id)s
   AND p.url_md5 = md5(%(url)s)::uuid AND p.xmin::text = known.version

-- name: forget_photo
-- Written right after a photo left the collection. Other rows that hold the same one (address and SKU) may be storing it
-- again, or be called `synced` by a job that sent nothing: their line stays, in doubt, so that they are looked at. With
-- its last photo a row is no longer `synced`: what is synced and has no ledger was synced before there was one, and
-- would never be sent.
WITH held AS (
    SELECT s.product_id, s.product_id <> %(product_id)s AND EXISTS (SELECT FROM public.raw_products p WHERE p.id = s.product_id) AS stays
      FROM photos s
     WHERE s.profile = %(profile)s AND s.collection_id = %(collection_id)s AND s.url_md5 = md5(%(url)s)::uuid
       AND (s.product_id = %(product_id)s OR s.sku IS NOT DISTINCT FROM %(sku)s::text)
     ORDER BY s.product_id
       FOR UPDATE OF s
), doubted AS (
    UPDATE photos s SET content_hash = %(unsure)s::uuid
      FROM held
     WHERE held.stays AND s.product_id = held.product_id AND s.profile = %(profile)s AND s.collection_id = %(collection_id)s
       AND s.url_md5 = md5(%(url)s)::uuid
), forgotten AS (
    DELETE FROM photos s USING held
     WHERE NOT held.stays AND s.product_id = held.product_id AND s.profile = %(profile)s
       AND s.collection_id = %(collection_id)s AND s.url_md5 = md5(%(url)s)::uuid
    RETURNING s.product_id, s.url_md5
)
UPDATE public.raw_products p
   SET ximilar_status = 'pending', ximilar_synced_at = NULL, updated_at = now()
  FROM forgotten f
 WHERE p.id = f.product_id AND p.ximilar_status = 'synced'
   AND NOT EXISTS (
    SELECT FROM photos s
     WHERE s.product_id = p.id AND s.profile = %(profile)s AND s.collection_id = %(collection_id)s AND s.url_md5 <> f.url_md5)

-- name: share_photo
-- A photo that was there already because another product holds the same one. Content that is equal is known to be
-- right. Content that is not is left to the other product as long as that lists the photo, and knows what was stored:
-- there is only one record, and two rows of one SKU must not replace each other's for ever.
INSERT INTO photos (product_id, profile, collection_id, sku, url, remote_id, content_hash, request_id)
SELECT %(product_id)s, other.profile, other.collection_id, other.sku, other.url, other.remote_id,
       CASE WHEN other.content_hash = %(content_hash)s THEN other.content_hash END, other.request_id
  FROM photos other
  LEFT JOIN public.raw_products p ON p.id = other.product_id
 WHERE other.url_md5 = md5(%(url)s)::uuid AND other.profile = %(profile)s AND other.collection_id = %(collection_id)s
   AND other.sku = %(sku)s AND other.product_id <> %(product_id)s
   AND (other.content_hash = %(content_hash)s
        OR other.content_hash IS DISTINCT FROM %(unsure)s::uuid
           AND absence_v1(p.image_status, p.image_urls, p.ximilar_status, p.error_message) IS NULL
           AND CASE WHEN jsonb_typeof(p.image_urls) = 'array' THEN p.image_urls ? other.url ELSE false END)
 ORDER BY other.content_hash = %(content_hash)s DESC NULLS LAST
 LIMIT 1
ON CONFLICT (product_id, profile, collection_id, url_md5) DO UPDATE
   SET sku = excluded.sku, remote_id = excluded.remote_id, content_hash = excluded.content_hash,
       request_id = excluded.request_id, stored_at = clock_timestamp()
 WHERE photos.content_hash = %(unsure)s::uuid

-- name: lock_sharing
-- Two products that share a photo must not both leave its removal to the other.
SELECT pg_advisory_xact_lock(hashtext('ximilar.sharing'))

-- name: forget_shared
-- Takes a photo out of a product's ledger if another product holds the same one (address and SKU), and tells that one
-- the content if it did not know. What the two know differently, neither knows. The caller holds the lock of
-- lock_sharing. Returns a row if there is another one.
WITH mine AS (
    DELETE FROM photos mine
     WHERE mine.product_id = %(product_id)s AND mine.profile = %(profile)s AND mine.collection_id = %(collection_id)s
       AND mine.url_md5 = md5(%(url)s)::uuid
       AND EXISTS (
        SELECT FROM photos other
         WHERE other.url_md5 = mine.url_md5 AND other.profile = mine.profile AND other.collection_id = mine.collection_id
           AND other.sku IS NOT DISTINCT FROM mine.sku AND other.product_id <> mine.product_id)
    RETURNING *
)
UPDATE photos other
   SET content_hash = CASE WHEN other.content_hash <> mine.content_hash THEN %(unsure)s::uuid
                           ELSE coalesce(other.content_hash, mine.content_hash) END
  FROM mine
 WHERE other.url_md5 = mine.url_md5 AND other.profile = mine.profile AND other.collection_id = mine.collection_id
   AND other.sku IS NOT DISTINCT FROM mine.sku AND other.product_id <> mine.product_id

-- name: hand_over_photos
-- Gives the photos of a product that is gone to rows that list them under the same SKU: after a TRUNCATE and a new
-- load the ids may be others. What was stored with the same content need not be sent again; of what the heir knows
-- differently, neither knows.
WITH heirs AS (
    SELECT mine.*, heir.id AS heir
      FROM photos mine
      JOIN public.raw_products heir ON heir.external_id = mine.sku AND heir.id <> mine.product_id
       AND heir.image_status IN ('uploaded', 'collage_ready')
       AND CASE WHEN jsonb_typeof(heir.image_urls) = 'array' THEN heir.image_urls ? mine.url ELSE false END
     WHERE mine.product_id = %(product_id)s AND mine.profile = %(profile)s AND mine.collection_id = %(collection_id)s
), handed_over AS (
    INSERT INTO photos (product_id, profile, collection_id, sku, url, remote_id, content_hash, request_id, stored_at)
    SELECT heir, profile, collection_id, sku, url, remote_id, content_hash, request_id, stored_at FROM heirs
    ON CONFLICT (product_id, profile, collection_id, url_md5) DO UPDATE
       SET content_hash = CASE WHEN photos.content_hash <> excluded.content_hash THEN %(unsure)s::uuid
                               ELSE coalesce(photos.content_hash, excluded.content_hash) END
)
DELETE FROM photos p USING heirs
 WHERE p.product_id = heirs.product_id AND p.profile = heirs.profile AND p.collection_id = heirs.collection_id
   AND p.url_md5 = heirs.url_md5

-- name: adopt
-- Cut-over: the photos of products that were synced before there was a ledger, content unknown. In chunks by id:
-- returns the last id seen and the photos recorded; no row when there are no more. What image_urls is must not be a
-- condition beside the LIMIT: the planner takes arrays for so rare that it would read the whole table for each chunk.
WITH chunk AS (
    SELECT id, external_id, CASE WHEN jsonb_typeof(image_urls) = 'array' THEN image_urls END AS image_urls
      FROM public.raw_products
     WHERE ximilar_status = 'synced' AND id > %(after)s
     ORDER BY id
     LIMIT %(limit)s
), adopted AS (
    INSERT INTO photos (product_id, profile, collection_id, sku, url)
    -- Without its fragment, as it would be sent.
    SELECT DISTINCT chunk.id, %(profile)s, %(collection_id)s, chunk.external_id, split_part(listed.photo #>> '{}', '#', 1)
      FROM chunk, jsonb_array_elements(chunk.image_urls) AS listed (photo)
     WHERE jsonb_typeof(listed.photo) = 'string'
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT max(id) AS last_id, count(image_urls) AS products, (SELECT count(*) FROM adopted) AS photos
  FROM chunk
HAVING count(*) > 0

-- name: stored_photos
-- For people: what any collection holds of a product.
SELECT url, collection_id, profile, content_hash IS NOT NULL AS content_known, stored_at::text, request_id
  FROM photos
 WHERE product_id = %(product_id)s
 ORDER BY stored_at, url
