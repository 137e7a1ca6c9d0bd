-- features/victim_usual.yaml: anybody looks back 3d.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS victim_usual (
  dst_ip STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  sources INT64,
  flows INT64,
  bytes INT64,
  top_port INT64,
  hour INT64,
  anybody_rows INT64,
  anybody_since TIMESTAMP,
  anybody_history_days INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY dst_ip
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE victim_usual AS old
USING (
  WITH
    -- Columns per row.
    victim_usual__row_1 AS (
      SELECT
        *,
        EXTRACT(HOUR FROM window_start) AS hour
      FROM victim_5m
      WHERE victim_5m.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 4325 MINUTE)
        AND victim_5m.event_time < tripline_to
    ),
    -- Rows that ended when the row's window began, or before (in microseconds of the ends).
    victim_usual__frames AS (
      SELECT
        *,
        COUNT(*) OVER anybody AS aggregate_1,
        MIN(window_start) OVER anybody AS aggregate_2
      FROM victim_usual__row_1
      WHERE sources >= 5
      WINDOW
        anybody AS (
          ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 259499999999 PRECEDING AND 300000000 PRECEDING
        )
    ),
    -- Rows with their look-backs.
    victim_usual__outputs AS (
      SELECT
        dst_ip,
        window_start,
        window_end,
        event_time,
        sources,
        flows,
        bytes,
        top_port,
        hour,
        aggregate_1 AS anybody_rows,
        aggregate_2 AS anybody_since
      FROM victim_usual__frames
      WHERE event_time >= tripline_from
        AND event_time < tripline_to
    ),
    -- Columns from aggregates.
    victim_usual__derive_1 AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_DIFF(window_start, anybody_since, DAY), 0) AS anybody_history_days
      FROM victim_usual__outputs
    )
  SELECT
    dst_ip,
    window_start,
    window_end,
    event_time,
    sources,
    flows,
    bytes,
    top_port,
    hour,
    anybody_rows,
    anybody_since,
    anybody_history_days
  FROM victim_usual__derive_1
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, window_start, window_end, event_time, sources, flows, bytes, top_port, hour, anybody_rows, anybody_since, anybody_history_days)
  VALUES (dst_ip, window_start, window_end, event_time, sources, flows, bytes, top_port, hour, anybody_rows, anybody_since, anybody_history_days);
