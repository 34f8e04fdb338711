-- The account's throttle. The rules are in the functions of sql/migrations/002_functions.sql and 008_pauses.sql.

-- name: take_slot
-- `held` is how long the statement was here, waiting for its turn at the row.
SELECT wait, probe, cause, extract(epoch FROM clock_timestamp() - statement_timestamp())::float8 AS held
  FROM take_slot_v1(%(gap)s, %(headroom)s, %(max_wait)s)

-- name: take_repair_turn
SELECT take_repair_turn_v1(%(gap)s, %(headroom)s, %(share)s, %(max_wait)s) AS wait

-- name: paused
-- Whether the account was paused after this caller got its slot, be the time over: until the probe has its answer
-- nobody else goes.
SELECT pause_cause AS cause FROM throttle WHERE pause_cause IS NOT NULL

-- name: pause
SELECT pause_v2(%(probe)s, %(cause)s, %(code)s, %(text)s, %(seconds)s)

-- name: note_fault
SELECT note_fault_v1(%(probe)s, %(cause)s, %(code)s, %(text)s) AS paused

-- name: note_success
SELECT note_success_v1(%(probe)s) AS resumed

-- name: throttle_state
SELECT rate, pause_cause AS cause, pause_code AS code, pause_text AS text, pauses,
       nullif(greatest(0, extract(epoch FROM CASE WHEN paused_until = 'infinity' THEN NULL
                                                  WHEN pause_cause IS NOT NULL THEN paused_until END - clock_timestamp())), 0)::float8
           AS paused_seconds,
       CASE WHEN last_success_at > '-infinity' THEN last_success_at::text END AS last_success_at
  FROM throttle
