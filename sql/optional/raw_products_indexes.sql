-- Indexes on raw_products that the sync would like. The table is its owner's, so is the decision; without them
-- everything works, and what is named here reads the table from end to end.
--     psql "$OWNER_URL" -f sql/optional/raw_products_indexes.sql

-- ximilar_sync (select_pending): the pending rows that are ready, by id.
CREATE INDEX CONCURRENTLY IF NOT EXISTS raw_products_ximilar_pending
    ON public.raw_products (id)
 WHERE ximilar_status = 'pending' AND image_status IN ('uploaded', 'collage_ready');

-- ximilar_retry (select_errors), `errors`, `status`: the rows in error, by id.
CREATE INDEX CONCURRENTLY IF NOT EXISTS raw_products_ximilar_error
    ON public.raw_products (id) INCLUDE (updated_at)
 WHERE ximilar_status = 'error';

-- `product SKU`, `resend SKU`; and each removal, which looks who else lists the photos under the same SKU: without it
-- that reads the table from end to end for each product removed.
CREATE INDEX CONCURRENTLY IF NOT EXISTS raw_products_external_id ON public.raw_products (external_id);
