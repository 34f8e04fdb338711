-- What is asked of a server itself, before it is used.

-- name: timeline
-- No row from a standby. Of the last write and not of the last checkpoint, which a promotion does not wait for; a
-- file of the log is named by its timeline in eight hexadecimal digits, and more.
SELECT system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8)
  FROM pg_control_system()
 WHERE NOT pg_is_in_recovery()
