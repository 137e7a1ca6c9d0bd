-- features/subscriber_upload_usual.yaml: same_hour looks back 28d, known looks back 28d.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS subscriber_upload_usual (
  subscriber_id STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  tx_bytes INT64,
  rx_bytes INT64,
  dst_ips INT64,
  top_src_ip STRING,
  top_dst_ip STRING,
  hour INT64,
  day DATE,
  size FLOAT64,
  same_hour_times INT64,
  same_hour_size FLOAT64,
  same_hour_square FLOAT64,
  same_hour_max_bytes INT64,
  same_hour_since TIMESTAMP,
  known_days INT64,
  known_since TIMESTAMP,
  same_hour_history_days INT64,
  known_history_days INT64,
  usual_size FLOAT64,
  usual_spread FLOAT64,
  usual_max_bytes INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE subscriber_upload_usual AS old
USING (
  WITH
    -- Columns per row.
    subscriber_upload_usual__row_1 AS (
      SELECT
        *,
        EXTRACT(HOUR FROM window_start) AS hour,
        DATE(window_start) AS day,
        LN(CAST(GREATEST(tx_bytes, 1000000) AS FLOAT64) / 1000000.0) AS size
      FROM subscriber_upload_1h
      WHERE subscriber_upload_1h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 673 HOUR)
        AND subscriber_upload_1h.event_time < tripline_to
    ),
    -- Rows that ended when the row's window began, or before (in microseconds of the ends).
    subscriber_upload_usual__frames AS (
      SELECT
        *,
        COUNT(*) OVER same_hour AS aggregate_1,
        SUM(size) OVER same_hour AS aggregate_2,
        SUM(size * size) OVER same_hour AS aggregate_3,
        MAX(tx_bytes) OVER same_hour AS aggregate_4,
        MIN(window_start) OVER same_hour AS aggregate_5,
        ARRAY_AGG(day IGNORE NULLS) OVER known AS aggregate_6,
        MIN(window_start) OVER known AS aggregate_7
      FROM subscriber_upload_usual__row_1
      WINDOW
        same_hour AS (
          PARTITION BY subscriber_id, hour ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 2422799999999 PRECEDING AND 3600000000 PRECEDING
        ),
        known AS (
          PARTITION BY subscriber_id ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 2422799999999 PRECEDING AND 3600000000 PRECEDING
        )
    ),
    -- Rows with their look-backs.
    subscriber_upload_usual__outputs AS (
      SELECT
        subscriber_id,
        window_start,
        window_end,
        event_time,
        flows,
        tx_bytes,
        rx_bytes,
        dst_ips,
        top_src_ip,
        top_dst_ip,
        hour,
        day,
        size,
        aggregate_1 AS same_hour_times,
        aggregate_2 AS same_hour_size,
        aggregate_3 AS same_hour_square,
        aggregate_4 AS same_hour_max_bytes,
        aggregate_5 AS same_hour_since,
        LEAST((SELECT COUNT(DISTINCT v) FROM UNNEST(aggregate_6) AS v), 1000000) AS known_days,
        aggregate_7 AS known_since
      FROM subscriber_upload_usual__frames
      WHERE event_time >= tripline_from
        AND event_time < tripline_to
    ),
    -- Columns from aggregates.
    subscriber_upload_usual__derive_1 AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_DIFF(window_start, same_hour_since, DAY), 0) AS same_hour_history_days,
        COALESCE(TIMESTAMP_DIFF(window_start, known_since, DAY), 0) AS known_history_days,
        COALESCE(SAFE_DIVIDE(same_hour_size, CAST(known_days AS FLOAT64)), 0.0) AS usual_size,
        SQRT(GREATEST(0.0, COALESCE(SAFE_DIVIDE(same_hour_square, CAST(known_days AS FLOAT64)) - SAFE_DIVIDE(same_hour_size, CAST(known_days AS FLOAT64)) * SAFE_DIVIDE(same_hour_size, CAST(known_days AS FLOAT64)), 0.0))) AS usual_spread,
        COALESCE(same_hour_max_bytes, 0) AS usual_max_bytes
      FROM subscriber_upload_usual__outputs
    )
  SELECT
    subscriber_id,
    window_start,
    window_end,
    event_time,
    flows,
    tx_bytes,
    rx_bytes,
    dst_ips,
    top_src_ip,
    top_dst_ip,
    hour,
    day,
    size,
    same_hour_times,
    same_hour_size,
    same_hour_square,
    same_hour_max_bytes,
    same_hour_since,
    known_days,
    known_since,
    same_hour_history_days,
    known_history_days,
    usual_size,
    usual_spread,
    usual_max_bytes
  FROM subscriber_upload_usual__derive_1
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, window_start, window_end, event_time, flows, tx_bytes, rx_bytes, dst_ips, top_src_ip, top_dst_ip, hour, day, size, same_hour_times, same_hour_size, same_hour_square, same_hour_max_bytes, same_hour_since, known_days, known_since, same_hour_history_days, known_history_days, usual_size, usual_spread, usual_max_bytes)
  VALUES (subscriber_id, window_start, window_end, event_time, flows, tx_bytes, rx_bytes, dst_ips, top_src_ip, top_dst_ip, hour, day, size, same_hour_times, same_hour_size, same_hour_square, same_hour_max_bytes, same_hour_since, known_days, known_since, same_hour_history_days, known_history_days, usual_size, usual_spread, usual_max_bytes);
