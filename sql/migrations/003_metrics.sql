-- Totals over all attempts ever, for the exporter. A counter must not fall when attempts are pruned, and reading
-- one must not cost more with every attempt: so they are counted as they are written.

-- `bucket` is the place of an attempt's seconds among attempt_bounds_v1(), from 1; 0: its time was not taken.
-- `shard` keeps workers that write at one moment from waiting for each other.
CREATE TABLE attempt_totals (
    outcome  text NOT NULL,
    cause    text NOT NULL,                     -- 'none' where the attempt has none
    bucket   smallint NOT NULL,
    shard    smallint NOT NULL,
    attempts bigint NOT NULL,
    photos   bigint NOT NULL,
    seconds  double precision NOT NULL,
    PRIMARY KEY (outcome, cause, bucket, shard)
) WITH (fillfactor = 50);

-- The upper bounds of the histogram's buckets, in seconds; one bucket more is for all that took longer.
CREATE FUNCTION attempt_bounds_v1() RETURNS double precision[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY[0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 50]::double precision[]
$$;

CREATE FUNCTION attempt_bucket_v1(seconds double precision)
RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN seconds IS NULL THEN 0
                ELSE 1 + (SELECT count(*) FROM unnest(ximilar.attempt_bounds_v1()) AS bound WHERE bound < seconds) END::smallint
$$;

-- Sorted, so that two statements that write several attempts each take their rows in one order.
CREATE FUNCTION count_attempts_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ximilar.attempt_totals AS t (outcome, cause, bucket, shard, attempts, photos, seconds)
    SELECT outcome, coalesce(cause, 'none'), ximilar.attempt_bucket_v1(added.seconds), pg_backend_pid() % 16,
           count(*), sum(photos_sent), coalesce(sum(added.seconds), 0)
      FROM added
     GROUP BY 1, 2, 3
     ORDER BY 1, 2, 3
    ON CONFLICT (outcome, cause, bucket, shard) DO UPDATE
       SET attempts = t.attempts + excluded.attempts, photos = t.photos + excluded.photos,
           seconds = t.seconds + excluded.seconds;
    RETURN NULL;
END $$;

INSERT INTO attempt_totals (outcome, cause, bucket, shard, attempts, photos, seconds)
SELECT outcome, coalesce(cause, 'none'), attempt_bucket_v1(a.seconds), 0,
       count(*), sum(photos_sent), coalesce(sum(a.seconds), 0)
  FROM attempts a
 GROUP BY 1, 2, 3;

CREATE TRIGGER count_attempts AFTER INSERT ON attempts
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_attempts_v1();
