-- Minutes, not a week: notes which products of raw_products became ready or changed, and a task of the sync queues
-- them within two minutes. Run by the owner of the table, once; trigger_remove.sql takes it away again.
--     psql "$OWNER_URL" -f sql/optional/trigger_install.sql
-- It fires once a statement, not once a row, and never fails the statement. The functions are the sync's own
-- (sql/migrations/005_reconcile.sql) and run as the role `ximilar`; whoever writes to the table needs no grant. A
-- TRUNCATE or DELETE is not noted: removals are for the daily comparison, with its guards.

CREATE OR REPLACE TRIGGER ximilar_touch_before_insert BEFORE INSERT ON public.raw_products
    FOR EACH STATEMENT EXECUTE FUNCTION ximilar.touch_before_insert_v1();

CREATE OR REPLACE TRIGGER ximilar_touch_inserted AFTER INSERT ON public.raw_products
    FOR EACH STATEMENT EXECUTE FUNCTION ximilar.touch_inserted_v1();

CREATE OR REPLACE TRIGGER ximilar_touch_updated AFTER UPDATE ON public.raw_products
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ximilar.touch_updated_v1();
