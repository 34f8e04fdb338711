-- The ledger where records have ids of ours: how an id moves between `photos` (stored, and to stay) and `strays` (to be
-- stored, or to be deleted). Each statement is one step, done under the lock of lock_records.

-- name: lock_records
-- Two jobs of one product, of which one is believed dead, must not move its ids at a time. A statement of its own:
-- the next one must see what the last holder committed.
SELECT pg_advisory_xact_lock(hashtext('ximilar.records'), hashint8(%(product_id)s))

-- name: strays_of
-- What the collection may hold of a product beside the ledger.
SELECT remote_id, stored FROM strays
 WHERE product_id = %(product_id)s AND profile = %(profile)s AND collection_id = %(collection_id)s
 ORDER BY noted_at, remote_id

-- name: expect_records
-- Before they are inserted.
INSERT INTO strays (profile, collection_id, remote_id, product_id, stored)
SELECT %(profile)s, %(collection_id)s, expected.remote_id, %(product_id)s, false
  FROM unnest(%(ids)s::text[]) AS expected (remote_id)
 WHERE NOT EXISTS (
    SELECT FROM photos p
     WHERE p.product_id = %(product_id)s AND p.profile = %(profile)s AND p.collection_id = %(collection_id)s
       AND p.remote_id = expected.remote_id)
ON CONFLICT DO NOTHING

-- name: keep_records
-- After they were inserted: into the ledger, and whatever it had at the same address is a stray from now on. Of a
-- record that was there `already` the metadata may be older: its hash is the one that equals none. An id that has been
-- deleted since, by another job, is noted again: who was first is not known.
WITH said AS (
    SELECT * FROM unnest(%(ids)s::text[], %(urls)s::text[], %(already)s::boolean[]) AS said (remote_id, url, already)
), taken AS (
    DELETE FROM strays s USING said
     WHERE s.profile = %(profile)s AND s.collection_id = %(collection_id)s AND s.remote_id = said.remote_id
    RETURNING said.*
), superseded AS (
    INSERT INTO strays (profile, collection_id, remote_id, product_id, stored)
    SELECT p.profile, p.collection_id, p.remote_id, p.product_id, true
      FROM photos p JOIN taken ON p.url_md5 = md5(taken.url)::uuid
     WHERE p.product_id = %(product_id)s AND p.profile = %(profile)s AND p.collection_id = %(collection_id)s
       AND p.remote_id <> taken.remote_id
    ON CONFLICT (profile, collection_id, remote_id) DO UPDATE SET stored = true
), kept AS (
    INSERT INTO photos (product_id, profile, collection_id, sku, url, remote_id, content_hash, request_id)
    SELECT %(product_id)s, %(profile)s, %(collection_id)s, %(sku)s, url, remote_id,
           CASE WHEN already THEN %(unsure)s::uuid ELSE %(content_hash)s::uuid END, %(request_id)s
      FROM taken
    ON CONFLICT (product_id, profile, collection_id, url_md5) DO UPDATE
       SET sku = excluded.sku, remote_id = excluded.remote_id, content_hash = excluded.content_hash,
           request_id = excluded.request_id, stored_at = clock_timestamp()
)
INSERT INTO strays (profile, collection_id, remote_id, product_id, stored)
SELECT %(profile)s, %(collection_id)s, said.remote_id, %(product_id)s, false
  FROM said
 WHERE NOT EXISTS (SELECT FROM taken WHERE taken.remote_id = said.remote_id)
   AND NOT EXISTS (
    SELECT FROM photos p
     WHERE p.product_id = %(product_id)s AND p.profile = %(profile)s AND p.collection_id = %(collection_id)s
       AND p.remote_id = said.remote_id)
ON CONFLICT DO NOTHING

-- name: drop_refused
-- After they were refused: of these nothing was ever stored.
DELETE FROM strays
 WHERE profile = %(profile)s AND collection_id = %(collection_id)s AND remote_id = ANY (%(ids)s::text[]) AND NOT stored

-- name: withdraw_records
-- Out of the ledger: before they are deleted, or because the collection does not have them.
WITH withdrawn AS (
    DELETE FROM photos
     WHERE product_id = %(product_id)s AND profile = %(profile)s AND collection_id = %(collection_id)s
       AND remote_id = ANY (%(ids)s::text[])
    RETURNING remote_id
)
INSERT INTO strays (profile, collection_id, remote_id, product_id, stored)
SELECT %(profile)s, %(collection_id)s, remote_id, %(product_id)s, %(stored)s FROM withdrawn
ON CONFLICT (profile, collection_id, remote_id) DO UPDATE SET stored = excluded.stored

-- name: drop_records
-- After they were deleted. One that is in the ledger was stored again by another job, before or since, or an heir has
-- taken it over meanwhile: whose it is, it is to be stored once more. No row is deleted and written in one statement.
WITH doubtful AS (
    DELETE FROM photos
     WHERE profile = %(profile)s AND collection_id = %(collection_id)s AND remote_id = ANY (%(ids)s::text[])
    RETURNING product_id, remote_id
), deleted AS (
    DELETE FROM strays s
     WHERE s.profile = %(profile)s AND s.collection_id = %(collection_id)s AND s.remote_id = ANY (%(ids)s::text[])
       AND NOT EXISTS (SELECT FROM doubtful WHERE doubtful.remote_id = s.remote_id)
)
INSERT INTO strays (profile, collection_id, remote_id, product_id, stored)
SELECT DISTINCT ON (remote_id) %(profile)s, %(collection_id)s, remote_id, product_id, false
  FROM doubtful
 ORDER BY remote_id, product_id
ON CONFLICT (profile, collection_id, remote_id) DO UPDATE SET product_id = excluded.product_id, stored = false

-- name: unsync_without_records
-- What is synced and of which nothing is known was synced before there was a ledger, and would never be sent.
UPDATE public.raw_products
   SET ximilar_status = 'pending', ximilar_synced_at = NULL, updated_at = now()
 WHERE id = %(product_id)s AND ximilar_status = 'synced'
   AND NOT EXISTS (
    SELECT FROM photos p
     WHERE p.product_id = %(product_id)s AND p.profile = %(profile)s AND p.collection_id = %(collection_id)s)
   AND NOT EXISTS (
    SELECT FROM strays s
     WHERE s.product_id = %(product_id)s AND s.profile = %(profile)s AND s.collection_id = %(collection_id)s)

-- name: doubt_records
-- Before they are updated: until the answer is there, what the collection says of them equals nothing.
UPDATE photos SET content_hash = %(unsure)s
 WHERE product_id = %(product_id)s AND profile = %(profile)s AND collection_id = %(collection_id)s
   AND remote_id = ANY (%(ids)s::text[])

-- name: settle_records
-- After they were updated.
UPDATE photos SET content_hash = %(content_hash)s, sku = %(sku)s, request_id = %(request_id)s
 WHERE product_id = %(product_id)s AND profile = %(profile)s AND collection_id = %(collection_id)s
   AND remote_id = ANY (%(ids)s::text[])

-- name: forget_nameless
-- Photos that were stored by others, under ids that nobody here knows.
DELETE FROM photos
 WHERE product_id = %(product_id)s AND profile = %(profile)s AND collection_id = %(collection_id)s
   AND remote_id IS NULL AND url = ANY (%(urls)s::text[])

-- name: inherit_records
-- Gives a product the photos that rows which are gone left behind, where it lists them under the same SKU: after a
-- TRUNCATE and a new load the ids may be others. What was stored with the same content need not be sent again. While a
-- job of such a row is at work its photos stay its own, since it may be about to update or to delete them; only the job
-- of the `giver` itself knows that it is not.
WITH found AS (
    SELECT DISTINCT ON (o.url_md5) o.product_id, o.url_md5
      FROM photos o
     WHERE o.url_md5 = ANY (ARRAY(SELECT md5(listed.url)::uuid FROM unnest(%(urls)s::text[]) AS listed (url)))
       AND o.profile = %(profile)s AND o.collection_id = %(collection_id)s AND o.sku = %(sku)s
       AND NOT EXISTS (SELECT FROM public.raw_products p WHERE p.id = o.product_id)
       AND (o.product_id = %(giver)s::bigint
            OR NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.lock = 'product:' || o.product_id AND j.status = 'doing'))
       AND NOT EXISTS (
        SELECT FROM photos mine
         WHERE mine.product_id = %(product_id)s AND mine.profile = %(profile)s
           AND mine.collection_id = %(collection_id)s AND mine.url_md5 = o.url_md5)
     ORDER BY o.url_md5, o.product_id DESC
), left_behind AS (
    DELETE FROM photos o USING found
     WHERE o.product_id = found.product_id AND o.url_md5 = found.url_md5
       AND o.profile = %(profile)s AND o.collection_id = %(collection_id)s
    RETURNING o.*
)
INSERT INTO photos (product_id, profile, collection_id, sku, url, remote_id, content_hash, request_id, stored_at)
SELECT %(product_id)s, profile, collection_id, sku, url, remote_id, content_hash, request_id, stored_at FROM left_behind

-- name: heirs_of_records
-- The rows that list photos of a product under the SKU they were stored under.
SELECT heir.id AS product_id, mine.sku, array_agg(mine.url) AS urls
  FROM photos mine
  JOIN public.raw_products heir ON heir.external_id = mine.sku AND heir.id <> mine.product_id
   AND heir.image_status IN ('uploaded', 'collage_ready')
   AND CASE WHEN jsonb_typeof(heir.image_urls) = 'array' THEN heir.image_urls ? mine.url ELSE false END
 WHERE mine.product_id = %(product_id)s AND mine.profile = %(profile)s AND mine.collection_id = %(collection_id)s
 GROUP BY heir.id, mine.sku
 ORDER BY heir.id
