-- features/intake_first_10m.yaml: known looks back 28d, anybody looks back 15d.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS intake_first_10m (
  taker STRING,
  giver STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  bytes INT64,
  known_times INT64,
  known_since TIMESTAMP,
  anybody_pairs INT64,
  anybody_since TIMESTAMP,
  known_history_days INT64,
  anybody_history_days INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY taker, giver
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE intake_first_10m AS old
USING (
  WITH
    -- Rows that ended when the row's window began, or before (in microseconds of the ends).
    intake_first_10m__frames AS (
      SELECT
        *,
        COUNT(*) OVER known AS aggregate_1,
        MIN(window_start) OVER known AS aggregate_2,
        COUNT(*) OVER anybody AS aggregate_3,
        MIN(window_start) OVER anybody AS aggregate_4
      FROM intake_10m
      WHERE bytes >= 10000000
        AND intake_10m.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 40330 MINUTE)
        AND intake_10m.event_time < tripline_to
      WINDOW
        known AS (
          PARTITION BY taker, giver ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 2419799999999 PRECEDING AND 600000000 PRECEDING
        ),
        anybody AS (
          ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 1296599999999 PRECEDING AND 600000000 PRECEDING
        )
    ),
    -- Rows with their look-backs.
    intake_first_10m__outputs AS (
      SELECT
        taker,
        giver,
        window_start,
        window_end,
        event_time,
        bytes,
        aggregate_1 AS known_times,
        aggregate_2 AS known_since,
        aggregate_3 AS anybody_pairs,
        aggregate_4 AS anybody_since
      FROM intake_first_10m__frames
      WHERE event_time >= tripline_from
        AND event_time < tripline_to
    ),
    -- Columns from aggregates.
    intake_first_10m__derive_1 AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_DIFF(window_start, known_since, DAY), 0) AS known_history_days,
        COALESCE(TIMESTAMP_DIFF(window_start, anybody_since, DAY), 0) AS anybody_history_days
      FROM intake_first_10m__outputs
    )
  SELECT
    taker,
    giver,
    window_start,
    window_end,
    event_time,
    bytes,
    known_times,
    known_since,
    anybody_pairs,
    anybody_since,
    known_history_days,
    anybody_history_days
  FROM intake_first_10m__derive_1
  WHERE known_times = 0
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (taker, giver, window_start, window_end, event_time, bytes, known_times, known_since, anybody_pairs, anybody_since, known_history_days, anybody_history_days)
  VALUES (taker, giver, window_start, window_end, event_time, bytes, known_times, known_since, anybody_pairs, anybody_since, known_history_days, anybody_history_days);
