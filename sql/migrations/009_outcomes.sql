-- Writes what became of a product: the row, the attempt, its place in the run; all or nothing, and only by the job that
-- still holds it. Here, since it was a third of a product's statements, each planned for longer than it took.

-- `fingerprint_` is that of the row as it was read (NULL: there was none), `mark` says whether the row is to be written.
-- Returns the outcome that was written: another one than was told if the job was taken over (`late`), or the row was
-- deleted (`gone`) or edited meanwhile (`moved`: it keeps its state and is queued again). Without sequential scans: its
-- plans are kept until an ANALYZE, and a queue that fills up before would be read in full at each product.
CREATE FUNCTION record_outcome_v1(
    job bigint, attempt integer, product bigint, run bigint, sku_ text, fingerprint_ uuid, mark boolean,
    outcome_ text, cause_ text, code_ integer, message_ text, request_id_ text, photos_sent_ integer, seconds_ double precision)
RETURNS text LANGUAGE plpgsql SET enable_seqscan = off AS $$
-- raw_products belongs to others, and so do the names of its further columns.
#variable_conflict use_variable
DECLARE
    present uuid;
    instead text;
BEGIN
    -- procrastinate has no fencing. Held to the end of the transaction, so that a rescue waits. With the lock, since a
    -- fail-over that loses commits hands the same numbers out again, to other products.
    PERFORM FROM procrastinate_jobs
      WHERE id = job AND attempts = attempt AND lock = 'product:' || product AND status = 'doing' FOR UPDATE;
    IF NOT FOUND THEN
        instead := 'late';
    ELSIF fingerprint_ IS NOT NULL THEN
        SELECT fingerprint_v1(content_hash_v1(external_id, brand, name, category, price), image_urls, image_status)
          INTO present FROM public.raw_products WHERE id = product FOR UPDATE;
        instead := CASE WHEN present IS NULL THEN 'gone' WHEN present <> fingerprint_ THEN 'moved' END;
    END IF;
    IF instead = 'moved' THEN
        PERFORM pg_advisory_xact_lock(hashtext('ximilar.enqueue'));
        PERFORM enqueue_v1(ARRAY[product], run)
          WHERE NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.lock = 'product:' || product AND j.status = 'todo');
    ELSIF instead IS NULL AND mark AND outcome_ = 'synced' THEN
        UPDATE public.raw_products
           SET ximilar_status = 'synced', ximilar_synced_at = now(), error_message = NULL, updated_at = now()
         WHERE id = product;
    ELSIF instead IS NULL AND mark AND outcome_ = 'error' THEN
        UPDATE public.raw_products SET ximilar_status = 'error', error_message = message_, updated_at = now() WHERE id = product;
    END IF;
    IF instead IS NOT NULL THEN
        outcome_ := instead;
        cause_ := instead;
        code_ := NULL;
        message_ := CASE instead WHEN 'late' THEN format('job %s was taken over', job)
                                 WHEN 'gone' THEN 'the row was deleted while its job ran'
                                 ELSE 'the row was edited while its job ran; queued again' END;
        request_id_ := NULL;
    END IF;
    INSERT INTO attempts (product_id, sku, run_id, job_id, job_attempt, outcome, cause, code, message, request_id, photos_sent,
                          seconds, fingerprint)
    VALUES (product, sku_, run, job, attempt, outcome_, cause_, code_, message_, request_id_, photos_sent_, seconds_, fingerprint_);
    IF run IS NOT NULL AND outcome_ NOT IN ('late', 'moved') THEN
        -- The first word stands.
        UPDATE run_products SET outcome = outcome_ WHERE run_id = run AND product_id = product AND outcome IS NULL;
    END IF;
    RETURN outcome_;
END $$;
