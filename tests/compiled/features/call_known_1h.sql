-- features/call_known_1h.yaml: known looks back 8d, source looks back 8d.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS call_known_1h (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  calls INT64,
  least_bytes INT64,
  known_hours INT64,
  known_since TIMESTAMP,
  source_hours INT64,
  source_since TIMESTAMP,
  known_history_days INT64,
  source_history_days INT64,
  known_from TIMESTAMP,
  hours_before INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip, dst_port
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE call_known_1h AS old
USING (
  WITH
    -- Rows that ended when the row's window began, or before (in microseconds of the ends).
    call_known_1h__frames AS (
      SELECT
        *,
        COUNT(*) OVER known AS aggregate_1,
        MIN(window_start) OVER known AS aggregate_2,
        COUNT(*) OVER source AS aggregate_3,
        MIN(window_start) OVER source AS aggregate_4
      FROM call_1h
      WHERE call_1h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 193 HOUR)
        AND call_1h.event_time < tripline_to
      WINDOW
        known AS (
          PARTITION BY subscriber_id, src_ip, dst_ip, dst_port ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 694799999999 PRECEDING AND 3600000000 PRECEDING
        ),
        source AS (
          PARTITION BY subscriber_id, src_ip ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 694799999999 PRECEDING AND 3600000000 PRECEDING
        )
    ),
    -- Rows with their look-backs.
    call_known_1h__outputs AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        dst_port,
        window_start,
        window_end,
        event_time,
        calls,
        least_bytes,
        aggregate_1 AS known_hours,
        aggregate_2 AS known_since,
        aggregate_3 AS source_hours,
        aggregate_4 AS source_since
      FROM call_known_1h__frames
      WHERE event_time >= tripline_from
        AND event_time < tripline_to
    ),
    -- Columns from aggregates.
    call_known_1h__derive_1 AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_DIFF(window_start, known_since, DAY), 0) AS known_history_days,
        COALESCE(TIMESTAMP_DIFF(window_start, source_since, DAY), 0) AS source_history_days,
        COALESCE(known_since, window_start) AS known_from
      FROM call_known_1h__outputs
    ),
    -- Columns from aggregates.
    call_known_1h__derive_2 AS (
      SELECT
        *,
        TIMESTAMP_DIFF(known_from, COALESCE(source_since, window_start), HOUR) AS hours_before
      FROM call_known_1h__derive_1
    )
  SELECT
    subscriber_id,
    src_ip,
    dst_ip,
    dst_port,
    window_start,
    window_end,
    event_time,
    calls,
    least_bytes,
    known_hours,
    known_since,
    source_hours,
    source_since,
    known_history_days,
    source_history_days,
    known_from,
    hours_before
  FROM call_known_1h__derive_2
  WHERE TIMESTAMP_DIFF(window_end, known_from, HOUR) <= 24
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, calls, least_bytes, known_hours, known_since, source_hours, source_since, known_history_days, source_history_days, known_from, hours_before)
  VALUES (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, calls, least_bytes, known_hours, known_since, source_hours, source_since, known_history_days, source_history_days, known_from, hours_before);
