-- What the start-up check and `migrate` ask.

-- name: search_path_works
SELECT to_regclass('procrastinate_jobs') IS NOT NULL AS jobs, to_regclass('ximilar.throttle') IS NOT NULL AS tables

-- name: applied
SELECT name FROM ximilar.schema_version
