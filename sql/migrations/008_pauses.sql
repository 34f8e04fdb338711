-- A burst of faults is one pause: calls that were in flight together lengthened it and had it doubled.

-- Pauses the account for `seconds`. Without it: 2 to 60 s with full jitter for `rate_limited`, else 30 s doubled at
-- each pause in a row, at most 300. A pause follows another one only if it was the probe that met the fault, after the
-- other's time. Any other call left before the pause that holds, and has its share in that one: the later end stands,
-- with its cause. An operator's pause has the latest.
CREATE FUNCTION pause_v2(probe boolean, cause_ text, code_ integer, text_ text, seconds double precision)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t throttle;
    now_ timestamptz;
    earlier integer;    -- pauses in a row before the one that this fault belongs to
    until_ timestamptz;
BEGIN
    SELECT * INTO t FROM throttle FOR UPDATE;
    now_ := clock_timestamp();
    earlier := t.pauses - CASE WHEN t.pause_cause IS NULL OR probe AND t.paused_until <= now_ THEN 0 ELSE 1 END;
    until_ := now_ + make_interval(secs => coalesce(seconds,
        CASE cause_ WHEN 'rate_limited' THEN 2 + random() * (least(60, 4 * 2 ^ least(earlier, 10)) - 2)
                    ELSE least(300, 30 * 2 ^ least(earlier, 10)) END));
    UPDATE throttle SET
        pause_cause = cause_, pause_code = code_, pause_text = text_,
        paused_at = CASE WHEN t.pause_cause IS NULL THEN now_ ELSE t.paused_at END,
        paused_until = until_, probing_until = '-infinity', pauses = earlier + 1, faults = 0
     WHERE until_ > t.paused_until;
END $$;

-- For workers of the release before. It is not told of the probe: after the time of a pause, any call passes for it.
CREATE OR REPLACE FUNCTION pause_v1(cause_ text, code_ integer, text_ text, seconds double precision)
RETURNS text LANGUAGE sql AS $$
    SELECT pause_v2(true, cause_, code_, text_, seconds)::text
$$;

-- Counts a product that was put off; pauses the account at the fifth in a row without a success, and at once when it
-- was the probe. During a pause the others left before it, and count no more. Returns whether the account is paused.
CREATE OR REPLACE FUNCTION note_fault_v1(probe boolean, cause_ text, code_ integer, text_ text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    t throttle;
BEGIN
    SELECT * INTO t FROM throttle FOR UPDATE;
    IF t.pause_cause IS NOT NULL AND NOT probe THEN
        RETURN true;
    ELSIF probe OR t.faults >= 4 THEN
        PERFORM pause_v2(probe, cause_, code_, text_, NULL);
        RETURN true;
    END IF;
    UPDATE throttle SET faults = faults + 1;
    RETURN false;
END $$;
