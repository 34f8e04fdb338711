-- Records of a collection whose records have ids of ours: what it may hold beside the ledger.

-- An id is in the ledger, here, or nowhere. It is written here before a record is inserted or deleted, so that
-- whatever becomes of the call, the next job knows of it: either the ledger takes it, or it is deleted.
CREATE TABLE strays (
    profile       text NOT NULL,
    collection_id text NOT NULL,
    remote_id     text NOT NULL,
    product_id    bigint NOT NULL,
    stored        boolean NOT NULL,             -- it was in the ledger; else it is not known to have been stored
    noted_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (profile, collection_id, remote_id)
);
CREATE INDEX strays_product ON strays (product_id);

-- The ledger by record: a listing of the collection is compared with it.
CREATE INDEX photos_remote ON photos (remote_id) WHERE remote_id IS NOT NULL;

-- What a listing of the collection has shown so far. Its rows are deleted at its end; not worth a log.
CREATE UNLOGGED TABLE listed (
    listing_id uuid NOT NULL,
    remote_id  text NOT NULL,
    listed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (listing_id, remote_id)
);
