-- features/country_first.yaml: here looks back 28d, known looks back 28d.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS country_first (
  subscriber_id STRING,
  geo_country STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  first_src_ip STRING,
  day DATE,
  here_times INT64,
  here_since TIMESTAMP,
  known_days INT64,
  known_since TIMESTAMP,
  here_history_days INT64,
  known_history_days INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, geo_country
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE country_first AS old
USING (
  WITH
    -- Columns per row.
    country_first__row_1 AS (
      SELECT
        *,
        DATE(window_start) AS day
      FROM country_1h
      WHERE country_1h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 673 HOUR)
        AND country_1h.event_time < tripline_to
    ),
    -- Rows that ended when the row's window began, or before (in microseconds of the ends).
    country_first__frames AS (
      SELECT
        *,
        COUNT(*) OVER here AS aggregate_1,
        MIN(window_start) OVER here AS aggregate_2,
        ARRAY_AGG(day IGNORE NULLS) OVER known AS aggregate_3,
        MIN(window_start) OVER known AS aggregate_4
      FROM country_first__row_1
      WINDOW
        here AS (
          PARTITION BY subscriber_id, geo_country ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 2422799999999 PRECEDING AND 3600000000 PRECEDING
        ),
        known AS (
          PARTITION BY subscriber_id ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 2422799999999 PRECEDING AND 3600000000 PRECEDING
        )
    ),
    -- Rows with their look-backs.
    country_first__outputs AS (
      SELECT
        subscriber_id,
        geo_country,
        window_start,
        window_end,
        event_time,
        flows,
        first_src_ip,
        day,
        aggregate_1 AS here_times,
        aggregate_2 AS here_since,
        LEAST((SELECT COUNT(DISTINCT v) FROM UNNEST(aggregate_3) AS v), 1000000) AS known_days,
        aggregate_4 AS known_since
      FROM country_first__frames
      WHERE event_time >= tripline_from
        AND event_time < tripline_to
    ),
    -- Columns from aggregates.
    country_first__derive_1 AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_DIFF(window_start, here_since, DAY), 0) AS here_history_days,
        COALESCE(TIMESTAMP_DIFF(window_start, known_since, DAY), 0) AS known_history_days
      FROM country_first__outputs
    )
  SELECT
    subscriber_id,
    geo_country,
    window_start,
    window_end,
    event_time,
    flows,
    first_src_ip,
    day,
    here_times,
    here_since,
    known_days,
    known_since,
    here_history_days,
    known_history_days
  FROM country_first__derive_1
  WHERE here_times = 0
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, geo_country, window_start, window_end, event_time, flows, first_src_ip, day, here_times, here_since, known_days, known_since, here_history_days, known_history_days)
  VALUES (subscriber_id, geo_country, window_start, window_end, event_time, flows, first_src_ip, day, here_times, here_since, known_days, known_since, here_history_days, known_history_days);
