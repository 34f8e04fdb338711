-- Development version of the two tables that belong to others, for tests and the local system only.
-- In production they exist already and their owners change them as they please.

CREATE TABLE IF NOT EXISTS public.raw_products (
    id                bigserial PRIMARY KEY,
    external_id       varchar(100),
    brand             varchar(50),
    name              text,
    category          text,
    price             decimal(10, 2),
    image_urls        jsonb,
    image_status      varchar(20),
    ximilar_status    varchar(20) DEFAULT 'pending',
    ximilar_synced_at timestamptz,
    error_message     text,
    updated_at        timestamptz DEFAULT now()
);

CREATE TABLE IF NOT EXISTS public.scraper_logs (
    id               bigserial PRIMARY KEY,
    scraper_name     varchar(100),
    status           varchar(20),
    records_fetched  integer,
    records_new      integer,
    records_errors   integer,
    started_at       timestamptz,
    completed_at     timestamptz,
    duration_seconds numeric,
    error_message    text
);
