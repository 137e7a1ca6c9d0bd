-- features/upload_10m.yaml: windows of 10m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS upload_10m (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  established INT64,
  tx_bytes INT64,
  rx_bytes INT64,
  log_tx FLOAT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE upload_10m AS old
USING (
  WITH
    -- Rows that count, each with its pane of 10m.
    upload_10m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 10 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM flows
      WHERE flows.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 10 MINUTE)
        AND flows.event_time < tripline_to
    ),
    -- Rows by key and window.
    upload_10m__panes AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        pane_start,
        COUNT(*) AS flows,
        COUNTIF(outcome = 'established') AS established,
        SUM(tx_bytes) AS aggregate_3,
        SUM(rx_bytes) AS aggregate_4
      FROM upload_10m__rows
      WHERE (admit_watermark IS NULL OR admit_watermark < TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE))
      GROUP BY subscriber_id, src_ip, dst_ip, pane_start
    ),
    -- Aggregates.
    upload_10m__outputs AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        pane_start AS window_start,
        TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) AS window_end,
        TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
        flows,
        established,
        COALESCE(aggregate_3, 0) AS tx_bytes,
        COALESCE(aggregate_4, 0) AS rx_bytes
      FROM upload_10m__panes
      WHERE TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) > tripline_from
        AND TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) <= tripline_to
    )
  SELECT
    *,
    LN(CAST(GREATEST(tx_bytes, 100000) AS FLOAT64)) AS log_tx
  FROM upload_10m__outputs
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, flows, established, tx_bytes, rx_bytes, log_tx)
  VALUES (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, flows, established, tx_bytes, rx_bytes, log_tx);
