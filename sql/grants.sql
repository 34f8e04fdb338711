-- What the owner of Staging grants to the sync. Run once, by that owner, in the Staging database:
--     psql "$OWNER_URL" -f sql/grants.sql
-- The role `ximilar` must exist. Repeating it is harmless. Then the role runs `python -m procrastinate_app migrate`.

DO $$ BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO ximilar', current_database());
    -- PgBouncer refuses `options` in a DSN, so the path is a setting of the role. Connections that a pooler holds
    -- already keep the old one: RECONNECT on its console.
    EXECUTE format('ALTER ROLE ximilar IN DATABASE %I SET search_path = ximilar, public', current_database());
    -- A statement that waits for a scraper's table lock gives up; its job comes back later.
    EXECUTE format('ALTER ROLE ximilar IN DATABASE %I SET lock_timeout = ''5s''', current_database());
    EXECUTE format('ALTER ROLE ximilar IN DATABASE %I SET statement_timeout = ''60s''', current_database());
    EXECUTE format('ALTER ROLE ximilar IN DATABASE %I SET idle_in_transaction_session_timeout = ''60s''', current_database());
END $$;

CREATE SCHEMA IF NOT EXISTS ximilar AUTHORIZATION ximilar;
GRANT USAGE ON SCHEMA public TO ximilar;

GRANT SELECT (id, external_id, brand, name, category, price, image_urls, image_status,
              ximilar_status, ximilar_synced_at, error_message, updated_at) ON public.raw_products TO ximilar;
GRANT UPDATE (ximilar_status, ximilar_synced_at, error_message, updated_at) ON public.raw_products TO ximilar;
GRANT INSERT ON public.scraper_logs TO ximilar;

-- scraper_logs may number its rows by a sequence.
DO $$
DECLARE
    numbering record;
BEGIN
    FOR numbering IN
        SELECT pg_get_serial_sequence('public.scraper_logs', attname) AS sequence
          FROM pg_attribute
         WHERE attrelid = 'public.scraper_logs'::regclass AND attnum > 0 AND NOT attisdropped
    LOOP
        IF numbering.sequence IS NOT NULL THEN
            EXECUTE format('GRANT USAGE ON SEQUENCE %s TO ximilar', numbering.sequence);
        END IF;
    END LOOP;
END $$;
