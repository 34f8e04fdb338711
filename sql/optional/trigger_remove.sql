-- Takes away what trigger_install.sql installed. Products wait for the weekly sync and the daily comparison again.
--     psql "$OWNER_URL" -f sql/optional/trigger_remove.sql

DROP TRIGGER IF EXISTS ximilar_touch_before_insert ON public.raw_products;
DROP TRIGGER IF EXISTS ximilar_touch_inserted ON public.raw_products;
DROP TRIGGER IF EXISTS ximilar_touch_updated ON public.raw_products;
