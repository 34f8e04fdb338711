-- Stored functions carry a version, so that a worker of the old release goes on while a new one migrates.

-- The hash of what is sent about a product beside its photos. Computed here and nowhere else.
CREATE FUNCTION content_hash_v1(external_id text, brand text, name text, category text, price numeric)
RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT md5(ROW(external_id, brand, name, category, price)::text)::uuid
$$;

-- The hash of everything a job reads of a row: if it differs at the end, the row was edited meanwhile.
CREATE FUNCTION fingerprint_v1(content_hash uuid, image_urls jsonb, image_status text)
RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT md5(ROW(content_hash, image_urls::text, image_status)::text)::uuid
$$;

-- Turns products into jobs of `task`, in the order given, and returns how many; as members of a run where there is one.
-- Whoever calls it has made sure that no job of these products is waiting.
CREATE FUNCTION enqueue_v1(
    ids bigint[], run bigint, extra jsonb DEFAULT '{}', task text DEFAULT 'sync_product', priority_ integer DEFAULT 0)
RETURNS bigint LANGUAGE sql AS $$
    WITH deferred AS (
        INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, args)
        SELECT 'products', task, priority_, 'product:' || id,
               jsonb_strip_nulls(jsonb_build_object('product_id', id, 'run_id', run)) || extra
          FROM unnest(ids) WITH ORDINALITY AS listed (id, place)
         ORDER BY place
        RETURNING id, (args ->> 'product_id')::bigint AS product_id
    ), members AS (
        INSERT INTO run_products (run_id, product_id, job_id)
        SELECT run, product_id, id FROM deferred WHERE run IS NOT NULL
        ON CONFLICT (run_id, product_id) DO UPDATE SET job_id = excluded.job_id
        RETURNING 1
    ), counted AS (
        UPDATE runs SET fetched = fetched + (SELECT count(*) FROM members) WHERE runs.id = run AND fetched = 0
    )
    SELECT count(*) FROM deferred
$$;

-- Jobs that are `doing` with nobody at work: their worker is gone, has not beaten for `silent` seconds, is one of
-- the dead processes we were told of, or the job is older than any of its kind may live.
CREATE FUNCTION nobodys_jobs_v1(silent double precision, dead bigint[], product_seconds double precision, control_seconds double precision)
RETURNS SETOF bigint LANGUAGE sql STABLE AS $$
    SELECT j.id
      FROM procrastinate_jobs j
      LEFT JOIN workers w ON w.queue_worker = j.worker_id
      LEFT JOIN procrastinate_workers q ON q.id = j.worker_id
     WHERE j.status = 'doing'
       AND (q.id IS NULL
            OR greatest(q.last_heartbeat, w.beat_at) < now() - make_interval(secs => silent)
            OR j.worker_id = ANY (dead)
            OR (SELECT max(e.at) FROM procrastinate_events e WHERE e.job_id = j.id AND e.type = 'started')
               < now() - make_interval(secs => CASE j.queue_name WHEN 'products' THEN product_seconds ELSE control_seconds END))
$$;

-- Hands out the next slot: `wait` seconds from now, at least `gap` seconds after the last one.
-- No row waits: `wait` is NULL while the account is paused (`cause` says why) or the next slot is more than
-- `max_wait` seconds away (`cause` 'busy'). After a pause one caller gets a slot as the `probe`.
CREATE FUNCTION take_slot_v1(gap double precision, headroom double precision, max_wait double precision)
RETURNS TABLE (wait double precision, probe boolean, cause text) LANGUAGE plpgsql AS $$
DECLARE
    t throttle;
    now_ timestamptz;
BEGIN
    -- Committed for good, as any other statement: a crash of the database that forgot the last slots would hand them
    -- out again.
    SELECT * INTO t FROM throttle FOR UPDATE;
    now_ := clock_timestamp();
    IF t.pause_cause IS NOT NULL AND greatest(t.paused_until, t.probing_until) > now_ THEN
        RETURN QUERY SELECT NULL::double precision, false, t.pause_cause;
        RETURN;
    END IF;
    IF t.next_at > now_ + make_interval(secs => max_wait) THEN
        RETURN QUERY SELECT NULL::double precision, false, 'busy';
        RETURN;
    END IF;
    UPDATE throttle SET
        next_at = greatest(t.next_at, now_) + make_interval(secs => coalesce((1 + headroom) / t.rate, gap)),
        -- A prober that dies is replaced when a call could not be running any more.
        probing_until = CASE WHEN t.pause_cause IS NULL THEN t.probing_until ELSE now_ + interval '45 s' END;
    RETURN QUERY SELECT
        extract(epoch FROM greatest(t.next_at, now_) - now_)::double precision, t.pause_cause IS NOT NULL, t.pause_cause;
END $$;

-- Pauses the account for `seconds`. Without it: 2 to 60 s with full jitter for `rate_limited`, else 30 s doubled
-- at each pause in a row, at most 300. A pause never shortens another one; answers of calls that were in flight
-- together count as one pause.
CREATE FUNCTION pause_v1(cause_ text, code_ integer, text_ text, seconds double precision)
RETURNS text LANGUAGE sql AS $$
    UPDATE throttle SET
        -- An operator's pause stays his, whatever the calls in flight bring.
        pause_cause = CASE WHEN paused_until = 'infinity' THEN pause_cause ELSE cause_ END,
        pause_code = CASE WHEN paused_until = 'infinity' THEN pause_code ELSE code_ END,
        pause_text = CASE WHEN paused_until = 'infinity' THEN pause_text ELSE text_ END,
        paused_at = CASE WHEN pause_cause IS NULL THEN clock_timestamp() ELSE paused_at END,
        paused_until = greatest(paused_until, clock_timestamp() + make_interval(secs => coalesce(seconds,
            CASE cause_ WHEN 'rate_limited' THEN 2 + random() * (least(60, 4 * 2 ^ least(pauses, 10)) - 2)
                        ELSE least(300, 30 * 2 ^ least(pauses, 10)) END))),
        probing_until = '-infinity',
        pauses = pauses + CASE WHEN paused_until > clock_timestamp() THEN 0 ELSE 1 END,
        faults = 0
    RETURNING paused_until::text
$$;

-- Counts a product that was put off; pauses the account at the fifth in a row without a success, and at once
-- when it was the probe. Returns whether it did.
CREATE FUNCTION note_fault_v1(probe boolean, cause_ text, code_ integer, text_ text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    in_a_row integer;
BEGIN
    UPDATE throttle SET faults = faults + 1 RETURNING faults INTO in_a_row;
    IF probe OR in_a_row >= 5 THEN
        PERFORM pause_v1(cause_, code_, text_, NULL);
        RETURN true;
    END IF;
    RETURN false;
END $$;

-- Takes note that Ximilar answered. Only the probe ends a pause: other answers may be of calls sent before it.
-- Writes at most once a second while all is well. Returns whether a pause ended.
CREATE FUNCTION note_success_v1(probe boolean)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE throttle SET faults = 0, last_success_at = clock_timestamp()
     WHERE faults > 0 OR last_success_at < clock_timestamp() - interval '1 s';
    IF probe THEN
        UPDATE throttle SET pause_cause = NULL, pause_code = NULL, pause_text = NULL, paused_at = NULL,
               paused_until = '-infinity', probing_until = '-infinity', pauses = 0
         WHERE pause_cause IS NOT NULL AND paused_until <= clock_timestamp();
        RETURN FOUND;
    END IF;
    RETURN false;
END $$;
