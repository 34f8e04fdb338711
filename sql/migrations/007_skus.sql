-- Which SKUs the ledger knows: a row that arrives as `synced` under a new id was not synced before there was a ledger if
-- the ledger holds photos of its SKU under another one.
CREATE INDEX photos_sku ON photos (sku);
