-- Products that have photos in the collection and no place there.

-- name: note_absent
-- Candidates of a chunk: those that are new, and those seen again.
INSERT INTO removals (product_id, profile, collection_id, reason)
SELECT product_id, %(profile)s, %(collection_id)s, reason
  FROM unnest(%(ids)s::bigint[], %(reasons)s::text[]) AS absent (product_id, reason)
ON CONFLICT (profile, collection_id, product_id) DO UPDATE SET reason = excluded.reason, seen_at = clock_timestamp()

-- name: drop_returned
-- Candidates among the ids in (after, last] that are absent no longer.
DELETE FROM removals
 WHERE profile = %(profile)s AND collection_id = %(collection_id)s AND product_id > %(after)s AND product_id <= %(last)s
   AND product_id <> ALL (%(ids)s::bigint[])

-- name: candidate_ids
SELECT product_id FROM removals
 WHERE profile = %(profile)s AND collection_id = %(collection_id)s AND product_id > %(after)s
 ORDER BY product_id
 LIMIT %(limit)s

-- name: confirmed_removals
-- How many candidates were missing twice, far enough apart, and are not approved; seen again since `since`.
SELECT count(*) AS products FROM removals
 WHERE profile = %(profile)s AND collection_id = %(collection_id)s AND approved_at IS NULL AND seen_at >= %(since)s
   AND found_at <= clock_timestamp() - make_interval(secs => %(debounce)s)

-- name: unconfirmed_removals
-- Whether candidates wait to be looked at a second time.
SELECT EXISTS (SELECT FROM removals
 WHERE profile = %(profile)s AND collection_id = %(collection_id)s AND approved_at IS NULL
   AND found_at > clock_timestamp() - make_interval(secs => %(debounce)s)) AS waiting

-- name: stored_products
-- How many products the collection holds photos of, counted to a limit.
SELECT count(*) AS products
  FROM (SELECT DISTINCT product_id FROM photos WHERE profile = %(profile)s AND collection_id = %(collection_id)s
         LIMIT %(limit)s) AS stored

-- name: approve_removals
UPDATE removals SET approved_at = clock_timestamp()
 WHERE profile = %(profile)s AND collection_id = %(collection_id)s AND approved_at IS NULL AND seen_at >= %(since)s
   AND found_at <= clock_timestamp() - make_interval(secs => %(debounce)s)

-- name: enqueue_removals
-- Queues the removal of approved products that have none at work: also those whose job was lost.
SELECT enqueue_v1(ARRAY(
    SELECT r.product_id FROM removals r
     WHERE r.profile = %(profile)s AND r.collection_id = %(collection_id)s AND r.approved_at IS NOT NULL
       AND NOT EXISTS (SELECT FROM procrastinate_jobs j
                        WHERE j.lock = 'product:' || r.product_id AND j.status IN ('todo', 'doing') AND j.task_name = 'remove_photos')
     ORDER BY r.product_id
), NULL, '{}', 'remove_photos', -10) AS products

-- name: settle_removal
DELETE FROM removals
 WHERE profile = %(profile)s AND collection_id = %(collection_id)s AND product_id = %(product_id)s

-- name: unsync_product
-- Before its first photo leaves the collection: whatever happens then, the product is selected when it returns.
UPDATE public.raw_products
   SET ximilar_status = 'pending', ximilar_synced_at = NULL, updated_at = now()
 WHERE id = %(product_id)s AND ximilar_status = 'synced'

-- name: unsync_heirs
-- Before the ledger forgets a product's SKUs: rows of these that are synced and of which it knows nothing else would pass
-- for synced before there was a ledger, and would never be sent.
UPDATE public.raw_products p
   SET ximilar_status = 'pending', ximilar_synced_at = NULL, updated_at = now()
 WHERE p.ximilar_status = 'synced' AND p.id <> %(product_id)s
   AND p.external_id = ANY (ARRAY(
    SELECT DISTINCT s.sku FROM photos s
     WHERE s.product_id = %(product_id)s AND s.profile = %(profile)s AND s.collection_id = %(collection_id)s))
   AND NOT EXISTS (SELECT FROM photos s WHERE s.product_id = p.id AND s.profile = %(profile)s AND s.collection_id = %(collection_id)s)
   AND NOT EXISTS (SELECT FROM strays s WHERE s.product_id = p.id AND s.profile = %(profile)s AND s.collection_id = %(collection_id)s)

-- name: confirmed_among
-- Of these products, which are absent now, how many were found long enough ago to be removed.
SELECT count(*) AS products FROM removals
 WHERE profile = %(profile)s AND collection_id = %(collection_id)s AND product_id = ANY (%(ids)s::bigint[])
   AND found_at <= clock_timestamp() - make_interval(secs => %(debounce)s)
