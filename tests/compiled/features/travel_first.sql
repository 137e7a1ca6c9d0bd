-- features/travel_first.yaml: same looks back 28d, other looks back 28d.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS travel_first (
  subscriber_id STRING,
  came_in BOOL,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  beyond_km INT64,
  km INT64,
  sure_km INT64,
  seconds INT64,
  countries STRING,
  from_country STRING,
  from_place STRING,
  from_ip STRING,
  to_country STRING,
  to_place STRING,
  to_ip STRING,
  same_beyond_km INT64,
  same_since TIMESTAMP,
  other_pairs INT64,
  other_since TIMESTAMP,
  same_history_days INT64,
  other_history_days INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, came_in
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE travel_first AS old
USING (
  WITH
    -- Rows that ended when the row's window began, or before (in microseconds of the ends).
    travel_first__frames AS (
      SELECT
        *,
        MAX(beyond_km) OVER same AS aggregate_1,
        MIN(window_start) OVER same AS aggregate_2,
        ARRAY_AGG(countries IGNORE NULLS) OVER other AS aggregate_3,
        MIN(window_start) OVER other AS aggregate_4
      FROM travel_10m
      WHERE COALESCE(beyond_km, 0) >= 250
        AND travel_10m.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 40330 MINUTE)
        AND travel_10m.event_time < tripline_to
      WINDOW
        same AS (
          PARTITION BY subscriber_id, came_in, countries ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 2419799999999 PRECEDING AND 600000000 PRECEDING
        ),
        other AS (
          PARTITION BY subscriber_id, came_in ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 2419799999999 PRECEDING AND 600000000 PRECEDING
        )
    ),
    -- Rows with their look-backs.
    travel_first__outputs AS (
      SELECT
        subscriber_id,
        came_in,
        window_start,
        window_end,
        event_time,
        beyond_km,
        km,
        sure_km,
        seconds,
        countries,
        from_country,
        from_place,
        from_ip,
        to_country,
        to_place,
        to_ip,
        aggregate_1 AS same_beyond_km,
        aggregate_2 AS same_since,
        LEAST((SELECT COUNT(DISTINCT v) FROM UNNEST(aggregate_3) AS v), 1000000) AS other_pairs,
        aggregate_4 AS other_since
      FROM travel_first__frames
      WHERE event_time >= tripline_from
        AND event_time < tripline_to
    ),
    -- Columns from aggregates.
    travel_first__derive_1 AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_DIFF(window_start, same_since, DAY), 0) AS same_history_days,
        COALESCE(TIMESTAMP_DIFF(window_start, other_since, DAY), 0) AS other_history_days
      FROM travel_first__outputs
    )
  SELECT
    subscriber_id,
    came_in,
    window_start,
    window_end,
    event_time,
    beyond_km,
    km,
    sure_km,
    seconds,
    countries,
    from_country,
    from_place,
    from_ip,
    to_country,
    to_place,
    to_ip,
    same_beyond_km,
    same_since,
    other_pairs,
    other_since,
    same_history_days,
    other_history_days
  FROM travel_first__derive_1
  WHERE COALESCE(same_beyond_km, 0) < 500
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, came_in, window_start, window_end, event_time, beyond_km, km, sure_km, seconds, countries, from_country, from_place, from_ip, to_country, to_place, to_ip, same_beyond_km, same_since, other_pairs, other_since, same_history_days, other_history_days)
  VALUES (subscriber_id, came_in, window_start, window_end, event_time, beyond_km, km, sure_km, seconds, countries, from_country, from_place, from_ip, to_country, to_place, to_ip, same_beyond_km, same_since, other_pairs, other_since, same_history_days, other_history_days);
