-- What keeps the collection true: passes over the catalogue, removals, drains, and what a trigger has touched.

-- Why a row has no place in the collection; NULL: it has one. A row without a single valid address is known by the
-- verdict of its job, since addresses are judged in Python.
CREATE FUNCTION absence_v1(image_status text, image_urls jsonb, ximilar_status text, error_message text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN image_status IS NULL OR image_status NOT IN ('uploaded', 'collage_ready') THEN 'not_ready'
                WHEN jsonb_typeof(image_urls) IS DISTINCT FROM 'array' OR image_urls = '[]' THEN 'no_photos'
                WHEN ximilar_status = 'error' AND error_message LIKE 'no photos%' THEN 'no_photos' END
$$;

-- One row a comparison of catalogue and ledger. `cursor` is the last product it has looked at: a pass that is cut
-- off goes on from there. The counts are of products, but for the photos_*.
CREATE TABLE passes (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind           text NOT NULL CHECK (kind IN ('full', 'recheck')),
    profile        text NOT NULL,
    collection_id  text NOT NULL,
    started_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    completed_at   timestamptz,
    cursor         bigint NOT NULL DEFAULT 0,
    changed        integer NOT NULL DEFAULT 0,  -- synced, and their row lists or says something else by now
    queued         integer NOT NULL DEFAULT 0,  -- of these, turned into jobs
    photos_missing integer NOT NULL DEFAULT 0,
    photos_stale   integer NOT NULL DEFAULT 0,
    photos_gone    integer NOT NULL DEFAULT 0,
    absent         integer NOT NULL DEFAULT 0,  -- stored, but gone, not ready or without photos
    removing       integer NOT NULL DEFAULT 0,  -- of these, handed to remove_photos
    held           integer NOT NULL DEFAULT 0,  -- of these, too many at once: an operator has to apply them
    would_carry    integer NOT NULL DEFAULT 0,  -- photos left as they are, because the settings forbid it
    would_remove   integer NOT NULL DEFAULT 0   -- products and photos of others left in, for the same reason
);

CREATE INDEX passes_open ON passes (id) WHERE completed_at IS NULL;

-- Products that have photos in the collection and no place there. Found once they are candidates, found again later
-- they are confirmed; `approved_at` is when their removal was queued.
CREATE TABLE removals (
    product_id    bigint NOT NULL,
    profile       text NOT NULL,
    collection_id text NOT NULL,
    reason        text NOT NULL CHECK (reason IN ('gone', 'not_ready', 'no_photos')),
    found_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    approved_at   timestamptz,
    PRIMARY KEY (profile, collection_id, product_id)
);

-- A drain: runs that open each other until nothing is left. `cursor` is the last product it has enqueued.
CREATE TABLE drains (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('sync', 'retry')),
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    end_reason text CHECK (end_reason IN ('drained', 'no_progress')),
    cursor     bigint NOT NULL DEFAULT 0,
    products   bigint NOT NULL DEFAULT 0        -- waiting when it began
);
CREATE UNIQUE INDEX drains_open ON drains (kind) WHERE ended_at IS NULL;
CREATE INDEX runs_drain ON runs (drain_id, id) WHERE drain_id IS NOT NULL;

-- What the optional trigger on raw_products has seen: products by id, the range they are in, or neither: products wait
-- to be sent, and it cannot tell where.
CREATE TABLE touched (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ids      bigint[],
    first_id bigint,
    last_id  bigint
);

-- A repair's turn to ask for a slot: `wait` seconds from now, at least gap / share after the last one; NULL: that is
-- more than `max_wait` seconds away. Only then it takes a slot among all others, so no slot is lost between turns.
CREATE FUNCTION take_repair_turn_v1(
    gap double precision, headroom double precision, share double precision, max_wait double precision)
RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
    t throttle;
    now_ timestamptz;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT * INTO t FROM throttle FOR UPDATE;
    now_ := clock_timestamp();
    IF t.repair_next_at > now_ + make_interval(secs => max_wait) THEN
        RETURN NULL;
    END IF;
    UPDATE throttle SET repair_next_at = greatest(t.repair_next_at, now_)
        + make_interval(secs => coalesce((1 + headroom) / t.rate, gap) / share);
    RETURN extract(epoch FROM greatest(t.repair_next_at, now_) - now_);
END $$;

-- The functions of the optional trigger (sql/optional/trigger_install.sql). They run as the role `ximilar`, so a
-- scraper needs no grant, and a failure of theirs is a warning, never the scraper's failure. They only note where to
-- look; what is to be done is found out by the task, which compares the rows with the ledger. Notes are appended, never
-- merged: an INSERT that meets another one's key waits for that transaction, and a scraper must not wait for another.
--
-- Of an INSERT no rows are kept: the copy alone would cost a bulk load a tenth. Numbers of a sequence rise, so what
-- is above the highest id from before the statement is new. If more rows came than ids are above it, some were given a
-- lower one by hand: then a note without a place says that products wait anywhere.
CREATE FUNCTION touch_before_insert_v1() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ximilar, pg_temp AS $$
BEGIN
    PERFORM set_config('ximilar.highest_id', coalesce(max(id), 0)::text, true) FROM public.raw_products;
    PERFORM set_config('ximilar.inserted', pg_stat_get_xact_tuples_inserted(TG_RELID)::text, true);
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'ximilar: inserted products will not be noted: % (%)', SQLERRM, SQLSTATE;
    RETURN NULL;
END $$;

CREATE FUNCTION touch_inserted_v1() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ximilar, pg_temp AS $$
DECLARE
    before_ bigint := nullif(current_setting('ximilar.highest_id', true), '');
    inserted bigint := nullif(current_setting('ximilar.inserted', true), '');
    highest bigint;
BEGIN
    inserted := pg_stat_get_xact_tuples_inserted(TG_RELID) - inserted;
    SELECT max(id) INTO highest FROM public.raw_products;
    IF highest > before_ THEN
        INSERT INTO touched (first_id, last_id) VALUES (before_ + 1, highest);
    END IF;
    IF inserted > greatest(0, highest - before_) THEN
        INSERT INTO touched DEFAULT VALUES;
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'ximilar: inserted products were not noted: % (%)', SQLERRM, SQLSTATE;
    RETURN NULL;
END $$;

-- Of an UPDATE the new rows are kept, for their ids; one of over 1,000 rows leaves a range. Our own do not count. A
-- scraper that updates row by row in one transaction leaves two notes in place of a hundred: the second one among
-- the same hundred ids is of all of them, and `ximilar.noted` remembers that for the rest.
CREATE FUNCTION touch_updated_v1() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ximilar, pg_temp AS $$
DECLARE
    updated bigint;
    lowest bigint;
    highest bigint;
    noted text;
BEGIN
    IF session_user = current_user THEN
        RETURN NULL;
    END IF;
    SELECT count(*), min(id), max(id) INTO updated, lowest, highest FROM new_rows;
    IF updated > 1000 THEN
        INSERT INTO touched (first_id, last_id) VALUES (lowest, highest);
    ELSIF updated > 0 AND lowest / 100 < highest / 100 THEN
        INSERT INTO touched (ids) SELECT array_agg(id) FROM new_rows;
    ELSIF updated > 0 THEN
        noted := current_setting('ximilar.noted', true);
        IF noted = 'all of ' || lowest / 100 THEN
            RETURN NULL;
        ELSIF noted = 'some of ' || lowest / 100 THEN
            INSERT INTO touched (first_id, last_id) VALUES (lowest / 100 * 100, lowest / 100 * 100 + 99);
            PERFORM set_config('ximilar.noted', 'all of ' || lowest / 100, true);
        ELSE
            INSERT INTO touched (ids) SELECT array_agg(id) FROM new_rows;
            PERFORM set_config('ximilar.noted', 'some of ' || lowest / 100, true);
        END IF;
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'ximilar: updated products were not noted: % (%)', SQLERRM, SQLSTATE;
    RETURN NULL;
END $$;

-- Whoever owns raw_products creates the trigger, and has to see the functions for that.
DO $$
DECLARE
    owner_ text := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('public.raw_products'));
BEGIN
    IF owner_ IS NOT NULL THEN
        EXECUTE format('GRANT USAGE ON SCHEMA ximilar TO %I', owner_);
    END IF;
END $$;
