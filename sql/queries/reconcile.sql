-- Comparing the catalogue with the ledger, in key-set chunks, and what follows from it.

-- name: chunk_end
-- The last id of the next chunk; NULL: what is left is less than a chunk.
SELECT id FROM public.raw_products WHERE id > %(after)s ORDER BY id OFFSET %(limit)s - 1 LIMIT 1

-- name: scan_chunk
-- The products with ids in (after, last] (or those of them in `only`) whose photos in the ledger are not what their
-- row says, with the number of photos that are missing, gone and stale. `absence` is why the row has no place in
-- the collection. A synced row without a ledger was synced before there was one and does not count, unless the ledger
-- has photos of its SKU under another id (`stored` is 0 then): it is an heir of those. A row that is pending or in error
-- is on its way. Strays are no photos, and count apart. Fragments of addresses are not sent. Whatever image_urls is, it
-- is read.
WITH entry AS MATERIALIZED (
    SELECT p.id, p.external_id AS sku, p.ximilar_status = 'synced' AS synced,
           absence_v1(p.image_status, p.image_urls, p.ximilar_status, p.error_message) AS absence,
           CASE WHEN p.ximilar_status = 'synced'
                THEN content_hash_v1(p.external_id, p.brand, p.name, p.category, p.price) END AS content_hash,
           CASE WHEN jsonb_typeof(p.image_urls) = 'array' THEN p.image_urls ELSE '[]' END AS urls
      FROM public.raw_products p
     WHERE p.id > %(after)s AND p.id <= %(last)s AND (%(only)s::bigint[] IS NULL OR p.id = ANY (%(only)s::bigint[]))
), stored AS (
    SELECT product_id, url, content_hash
      FROM photos
     WHERE product_id > %(after)s AND product_id <= %(last)s
       AND (%(only)s::bigint[] IS NULL OR product_id = ANY (%(only)s::bigint[]))
       AND profile = %(profile)s AND collection_id = %(collection_id)s
    UNION ALL
    SELECT product_id, NULL, NULL
      FROM strays
     WHERE product_id > %(after)s AND product_id <= %(last)s
       AND (%(only)s::bigint[] IS NULL OR product_id = ANY (%(only)s::bigint[]))
       AND profile = %(profile)s AND collection_id = %(collection_id)s
), listed AS (
    SELECT DISTINCT e.id, coalesce(split_part(l.photo #>> '{}', '#', 1), '') AS url
      FROM entry e CROSS JOIN LATERAL jsonb_array_elements(e.urls) AS l (photo)
     WHERE e.synced AND e.absence IS NULL
), compared AS (
    SELECT coalesce(l.id, s.product_id) AS id, count(s.product_id) AS stored,
           count(*) FILTER (WHERE s.product_id IS NULL) AS missing,
           count(*) FILTER (WHERE s.url IS NOT NULL AND l.url IS NULL) AS gone,
           count(*) FILTER (WHERE s.product_id IS NOT NULL AND s.url IS NULL) AS strays,
           count(*) FILTER (WHERE l.url IS NOT NULL AND s.content_hash <> e.content_hash) AS stale
      FROM listed l
      FULL JOIN stored s ON s.product_id = l.id AND s.url = l.url
      LEFT JOIN entry e ON e.id = l.id
     GROUP BY 1
)
SELECT c.id AS product_id, coalesce(e.synced, false) AS synced,
       CASE WHEN e.id IS NULL THEN 'gone' ELSE e.absence END AS absence, c.stored, c.missing, c.gone, c.stale, c.strays
  FROM compared c
  LEFT JOIN entry e ON e.id = c.id
  LEFT JOIN LATERAL (
       SELECT true AS known FROM photos s
        WHERE c.stored = 0 AND s.sku = e.sku AND s.profile = %(profile)s AND s.collection_id = %(collection_id)s
        LIMIT 1) elsewhere ON true
 WHERE (c.stored > 0 OR elsewhere.known)
   AND (e.id IS NULL OR e.absence IS NOT NULL
        OR e.synced AND (c.missing > 0 OR c.gone > 0 OR c.stale > 0 OR c.strays > 0))
 ORDER BY c.id

-- name: enqueue_repairs
-- Queues products outside a run, after everything else, unless a job of theirs is waiting already. The caller holds
-- the lock of lock_enqueueing; so for the other enqueue_* here. With `sent_before` 0, for synced rows of which the ledger
-- knows nothing but their SKU, their job does not take them for rows from before the ledger, be the SKU forgotten by then;
-- nothing was stored before 0, so nothing is sent again for it.
SELECT enqueue_v1(ARRAY(
    SELECT found.product_id FROM unnest(%(ids)s::bigint[]) AS found (product_id)
     WHERE NOT EXISTS (SELECT FROM procrastinate_jobs j
                        WHERE j.lock = 'product:' || found.product_id AND j.status = 'todo' AND j.task_name = 'sync_product')
     ORDER BY 1
), NULL, jsonb_strip_nulls(jsonb_build_object('repair', true, 'sent_before', %(sent_before)s::int)), 'sync_product', -10) AS products

-- name: open_pass
INSERT INTO passes (kind, profile, collection_id) VALUES (%(kind)s, %(profile)s, %(collection_id)s) RETURNING *

-- name: unfinished_pass
-- A pass that was cut off within the last day, to be gone on with.
SELECT * FROM passes
 WHERE completed_at IS NULL AND kind = %(kind)s AND profile = %(profile)s AND collection_id = %(collection_id)s
   AND started_at > now() - interval '1 day'
 ORDER BY id DESC
 LIMIT 1

-- name: advance_pass
UPDATE passes
   SET cursor = %(cursor)s, changed = changed + %(changed)s, queued = queued + %(queued)s,
       photos_missing = photos_missing + %(missing)s, photos_stale = photos_stale + %(stale)s,
       photos_gone = photos_gone + %(gone)s, absent = absent + %(absent)s,
       would_carry = would_carry + %(would_carry)s, would_remove = would_remove + %(would_remove)s
 WHERE id = %(pass_id)s

-- name: end_pass
UPDATE passes SET completed_at = clock_timestamp(), removing = %(removing)s, held = %(held)s
 WHERE id = %(pass_id)s
RETURNING *

-- name: last_pass
-- The newest full comparison that has ended, and how many removals are held by now.
SELECT id, completed_at::text, changed, queued, photos_missing, photos_stale, photos_gone, absent, removing,
       (SELECT held FROM passes WHERE completed_at IS NOT NULL ORDER BY id DESC LIMIT 1) AS held, would_carry, would_remove
  FROM passes WHERE completed_at IS NOT NULL AND kind = 'full' ORDER BY id DESC LIMIT 1

-- name: prune_passes
DELETE FROM passes WHERE started_at < now() - make_interval(days => %(days)s)

-- name: enqueue_recheck
-- Queues a comparison of the candidates for removal, unless one is waiting.
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, args, scheduled_at)
SELECT 'control', 'reconcile', 100, 'reconcile', '{"recheck": true}', now() + make_interval(secs => %(seconds)s)
 WHERE NOT EXISTS (SELECT FROM procrastinate_jobs
                    WHERE lock = 'reconcile' AND status = 'todo' AND args ->> 'recheck' = 'true')

-- name: untracked_products
-- Synced, and nobody here knows by whom: nothing is done about their photos until `adopt` records them.
SELECT count(*) AS products
  FROM public.raw_products p
 WHERE p.ximilar_status = 'synced' AND p.image_urls @? '$[*] ? (@.type() == "string")'
   AND NOT EXISTS (SELECT FROM photos s WHERE s.product_id = p.id AND s.profile = %(profile)s AND s.collection_id = %(collection_id)s)
   AND NOT EXISTS (SELECT FROM photos s WHERE s.sku = p.external_id AND s.profile = %(profile)s AND s.collection_id = %(collection_id)s)

-- name: photos_of_unknown_content
SELECT count(*) AS photos FROM photos
 WHERE content_hash IS NULL AND profile = %(profile)s AND collection_id = %(collection_id)s

-- name: sample_synced
-- A synced product at or after a random id, with one of its stored photos.
SELECT p.external_id AS sku, s.url
  FROM (SELECT id, external_id FROM public.raw_products
         WHERE ximilar_status = 'synced' AND external_id IS NOT NULL
           AND id >= (SELECT min(id) + floor(random() * (max(id) - min(id) + 1))::bigint FROM public.raw_products)
         ORDER BY id LIMIT 1) p
  JOIN photos s ON s.product_id = p.id AND s.profile = %(profile)s AND s.collection_id = %(collection_id)s
 ORDER BY s.url
 LIMIT 1
