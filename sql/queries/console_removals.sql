-- What the console shows of candidates for removal, and how it lets them go.

-- name: removals_held
-- The newest comparison that has ended, with its collection and what it holds; `since_*`: the first one that has held
-- removals without a break.
WITH newest AS (
    SELECT id, profile, collection_id, completed_at, held FROM passes WHERE completed_at IS NOT NULL ORDER BY id DESC LIMIT 1
)
SELECT n.id, n.profile, n.collection_id, n.completed_at, n.held,
       s.id AS since_id, s.completed_at AS since_at, s.held AS since_held
  FROM newest n
  LEFT JOIN LATERAL (
       SELECT p.id, p.completed_at, p.held FROM passes p
        WHERE p.profile = n.profile AND p.collection_id = n.collection_id AND p.completed_at IS NOT NULL AND p.held > 0
          AND p.id > (SELECT coalesce(max(free.id), 0) FROM passes free
                       WHERE free.profile = n.profile AND free.collection_id = n.collection_id
                         AND free.completed_at IS NOT NULL AND free.held = 0)
        ORDER BY p.id LIMIT 1) s ON true

-- name: removals_page
-- Candidates, those of the newest products first. The SKU is the one they were stored under: the row may be gone. Records
-- that were sent and never confirmed count as photos.
WITH page AS (
    SELECT product_id, reason, found_at, seen_at,
           CASE WHEN approved_at IS NOT NULL THEN 'leaving'
                WHEN found_at <= clock_timestamp() - make_interval(secs => %(debounce)s) THEN 'confirmed' ELSE 'found' END AS state
      FROM removals
     WHERE profile = %(profile)s AND collection_id = %(collection_id)s AND product_id < %(below)s
       AND (%(reason)s::text IS NULL OR reason = %(reason)s::text)
)
SELECT p.product_id, p.reason, p.found_at, p.seen_at, p.state, s.sku, coalesce(s.photos, 0) AS photos
  FROM (SELECT * FROM page WHERE %(state)s::text IS NULL OR state = %(state)s::text ORDER BY product_id DESC LIMIT %(limit)s) p
  LEFT JOIN LATERAL (
       SELECT left(max(sku), 200) AS sku, count(*) AS photos
         FROM (SELECT product_id, profile, collection_id, sku FROM photos
               UNION ALL SELECT product_id, profile, collection_id, NULL FROM strays) held
        WHERE product_id = p.product_id AND profile = %(profile)s AND collection_id = %(collection_id)s) s ON true
 ORDER BY p.product_id DESC

-- name: removal_states
-- Candidates by state, each counted to a limit.
SELECT state, (SELECT count(*) FROM (SELECT FROM removals
                WHERE profile = %(profile)s AND collection_id = %(collection_id)s
                  AND (%(reason)s::text IS NULL OR reason = %(reason)s::text)
                  AND CASE WHEN approved_at IS NOT NULL THEN 'leaving'
                           WHEN found_at <= clock_timestamp() - make_interval(secs => %(debounce)s) THEN 'confirmed'
                           ELSE 'found' END = state LIMIT %(cap)s) counted) AS products
  FROM unnest(ARRAY['found', 'confirmed', 'leaving']) AS state

-- name: count_confirmed
-- How many a look now would remove, if all of them are still without a place.
SELECT count(*) AS products FROM removals
 WHERE profile = %(profile)s AND collection_id = %(collection_id)s AND approved_at IS NULL
   AND found_at <= clock_timestamp() - make_interval(secs => %(debounce)s)

-- name: applying_job
-- The job that is to apply removals, and how many at most.
SELECT id, status::text AS state, (args ->> 'apply')::bigint AS most FROM procrastinate_jobs
 WHERE task_name = 'reconcile' AND status IN ('todo', 'doing') AND args ? 'apply'
 ORDER BY id LIMIT 1

-- name: enqueue_apply
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, args)
VALUES (%(queue)s, 'reconcile', %(priority)s, 'reconcile', jsonb_build_object('apply', %(most)s::bigint))
RETURNING id
