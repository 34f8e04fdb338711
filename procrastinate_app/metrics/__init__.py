"""The exporter: what Prometheus learns of the sync, asked of the database, whether or not a worker is up."""
