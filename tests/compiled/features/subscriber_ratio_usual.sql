-- features/subscriber_ratio_usual.yaml: usual looks back 28d.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS subscriber_ratio_usual (
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
  day DATE,
  ratio FLOAT64,
  usual_days INT64,
  usual_hours INT64,
  usual_ratio FLOAT64,
  usual_spread FLOAT64,
  usual_since TIMESTAMP,
  usual_history_days INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE subscriber_ratio_usual AS old
USING (
  WITH
    -- Columns per row.
    subscriber_ratio_usual__row_1 AS (
      SELECT
        *,
        DATE(window_start) AS day,
        LN(CAST(GREATEST(tx_bytes, 1000000) AS FLOAT64) / CAST(GREATEST(rx_bytes, 1000000) AS FLOAT64)) AS ratio
      FROM subscriber_upload_1h
      WHERE subscriber_upload_1h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 673 HOUR)
        AND subscriber_upload_1h.event_time < tripline_to
    ),
    -- Rows that ended when the row's window began, or before (in microseconds of the ends).
    subscriber_ratio_usual__frames AS (
      SELECT
        *,
        ARRAY_AGG(day IGNORE NULLS) OVER usual AS aggregate_1,
        COUNT(*) OVER usual AS aggregate_2,
        AVG(ratio) OVER usual AS aggregate_3,
        STDDEV_SAMP(ratio) OVER usual AS aggregate_4,
        MIN(window_start) OVER usual AS aggregate_5
      FROM subscriber_ratio_usual__row_1
      WHERE tx_bytes + rx_bytes >= 10000000
      WINDOW
        usual AS (
          PARTITION BY subscriber_id ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 2422799999999 PRECEDING AND 3600000000 PRECEDING
        )
    ),
    -- Rows with their look-backs.
    subscriber_ratio_usual__outputs AS (
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
        day,
        ratio,
        LEAST((SELECT COUNT(DISTINCT v) FROM UNNEST(aggregate_1) AS v), 1000000) AS usual_days,
        aggregate_2 AS usual_hours,
        aggregate_3 AS usual_ratio,
        aggregate_4 AS usual_spread,
        aggregate_5 AS usual_since
      FROM subscriber_ratio_usual__frames
      WHERE event_time >= tripline_from
        AND event_time < tripline_to
    ),
    -- Columns from aggregates.
    subscriber_ratio_usual__derive_1 AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_DIFF(window_start, usual_since, DAY), 0) AS usual_history_days
      FROM subscriber_ratio_usual__outputs
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
    day,
    ratio,
    usual_days,
    usual_hours,
    usual_ratio,
    usual_spread,
    usual_since,
    usual_history_days
  FROM subscriber_ratio_usual__derive_1
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, window_start, window_end, event_time, flows, tx_bytes, rx_bytes, dst_ips, top_src_ip, top_dst_ip, day, ratio, usual_days, usual_hours, usual_ratio, usual_spread, usual_since, usual_history_days)
  VALUES (subscriber_id, window_start, window_end, event_time, flows, tx_bytes, rx_bytes, dst_ips, top_src_ip, top_dst_ip, day, ratio, usual_days, usual_hours, usual_ratio, usual_spread, usual_since, usual_history_days);
