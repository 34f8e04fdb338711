-- Comparing a listing of the collection with the ledger, where records have ids of ours.

-- name: begin_listing
-- Forgets what listings that were cut off have left.
DELETE FROM listed WHERE listed_at < now() - interval '1 day'

-- name: note_listed
INSERT INTO listed (listing_id, remote_id) SELECT %(listing_id)s, unnest(%(ids)s::text[]) ON CONFLICT DO NOTHING

-- name: end_listing
DELETE FROM listed WHERE listing_id = %(listing_id)s

-- name: unknown_among
-- Of these ids, those that are neither in the ledger nor on their way in or out.
SELECT found.remote_id
  FROM unnest(%(ids)s::text[]) AS found (remote_id)
 WHERE NOT EXISTS (
    SELECT FROM photos p
     WHERE p.remote_id = found.remote_id AND p.profile = %(profile)s AND p.collection_id = %(collection_id)s)
   AND NOT EXISTS (
    SELECT FROM strays s
     WHERE s.remote_id = found.remote_id AND s.profile = %(profile)s AND s.collection_id = %(collection_id)s)

-- name: products_of_records
-- Whose records these are, as `load_product`, where the ledger says that they hold what the row says.
SELECT s.remote_id, p.id, p.external_id AS sku, left(p.brand, 1024) AS brand, left(p.name, 1024) AS name,
       left(p.category, 1024) AS category, p.price::text AS price, p.image_status, p.ximilar_status,
       NULL AS image_urls, s.content_hash, s.content_hash AS fingerprint
  FROM photos s
  JOIN public.raw_products p ON p.id = s.product_id
   AND content_hash_v1(p.external_id, p.brand, p.name, p.category, p.price) = s.content_hash
 WHERE s.remote_id = ANY (%(ids)s::text[]) AND s.profile = %(profile)s AND s.collection_id = %(collection_id)s

-- name: moment
-- Now, by the clock that the ledger is written by.
SELECT clock_timestamp() AS now

-- name: unlisted_records
-- The ledger's records that were stored before `since` and are not in the listing, by id, after one of them.
SELECT s.product_id, s.remote_id
  FROM photos s
 WHERE s.remote_id > %(after)s AND s.profile = %(profile)s AND s.collection_id = %(collection_id)s
   AND s.stored_at < %(since)s
   AND NOT EXISTS (SELECT FROM listed l WHERE l.listing_id = %(listing_id)s AND l.remote_id = s.remote_id)
 ORDER BY s.remote_id
 LIMIT %(limit)s

-- name: note_orphan
-- A record that nobody here knows of, to be deleted by the next job of the product it was made for.
INSERT INTO strays (profile, collection_id, remote_id, product_id, stored)
SELECT %(profile)s, %(collection_id)s, found.remote_id, %(product_id)s, true
  FROM unnest(%(ids)s::text[]) AS found (remote_id)
 WHERE NOT EXISTS (
    SELECT FROM photos p
     WHERE p.remote_id = found.remote_id AND p.profile = %(profile)s AND p.collection_id = %(collection_id)s)
ON CONFLICT DO NOTHING
