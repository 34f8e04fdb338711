-- Attempts: what happened to a product, one row each time.

-- name: record_attempt
INSERT INTO attempts (product_id, sku, run_id, job_id, job_attempt, outcome, cause, code, message, request_id, photos_sent, seconds, probe,
                      fingerprint)
VALUES (%(product_id)s, %(sku)s, %(run_id)s, %(job_id)s, %(job_attempt)s, %(outcome)s, %(cause)s, %(code)s, %(message)s,
        %(request_id)s, %(photos_sent)s, %(seconds)s, %(probe)s, %(fingerprint)s)

-- name: record_outcome
-- A final verdict, with all it changes: sql/migrations/009_outcomes.sql.
SELECT record_outcome_v1(%(job_id)s, %(job_attempt)s, %(product_id)s, %(run_id)s, %(sku)s, %(fingerprint)s, %(mark)s,
                         %(outcome)s, %(cause)s, %(code)s::integer, %(message)s, %(request_id)s, %(photos_sent)s, %(seconds)s) AS outcome

-- name: faults_of_job
-- How often this job's product was put off for a fault of its own kind, and whether other calls succeeded since
-- the first time. Faults met by a probe do not count: then the account is in trouble, not the product.
SELECT count(*) AS faults,
       coalesce((SELECT last_success_at FROM throttle) > min(at), false) AS others_succeeded
  FROM attempts
 WHERE job_id = %(job_id)s AND outcome = 'postponed' AND NOT probe AND cause = ANY (%(causes)s)

-- name: rescues_of_job
SELECT count(*) AS rescues FROM attempts WHERE job_id = %(job_id)s AND outcome = 'rescued'

-- name: attempts_of_product
SELECT at::text, outcome, cause, code, message, request_id, photos_sent, round(seconds::numeric, 3)::float8 AS seconds, run_id, job_id
  FROM attempts
 WHERE product_id = %(product_id)s
 ORDER BY id DESC
 LIMIT %(limit)s

-- name: errors_by_cause
-- Products in error, grouped by the cause of their last attempt, the most frequent first, with examples.
WITH failed AS (
    SELECT p.id, p.external_id AS sku, p.error_message, last.cause, last.code
      FROM public.raw_products p
      LEFT JOIN LATERAL (
        SELECT a.cause, a.code FROM attempts a
         WHERE a.product_id = p.id AND a.outcome = 'error' ORDER BY a.id DESC LIMIT 1) last ON true
     WHERE p.ximilar_status = 'error'
), numbered AS (
    SELECT *, row_number() OVER (PARTITION BY cause, code ORDER BY id) AS place FROM failed
)
SELECT coalesce(cause, 'before_this_system') AS cause, code, count(*) AS products,
       jsonb_agg(jsonb_build_object('sku', sku, 'reason', error_message) ORDER BY place)
           FILTER (WHERE place <= %(examples)s) AS examples
  FROM numbered
 GROUP BY cause, code
 ORDER BY products DESC, cause, code

-- name: prune_attempts
DELETE FROM attempts
 WHERE id IN (SELECT id FROM attempts WHERE at < now() - make_interval(days => %(days)s) ORDER BY at LIMIT %(limit)s)
