"""The operators' console: reads the database, draws pages, and does a few things to the queue, all of them audited."""
