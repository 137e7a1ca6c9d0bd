-- features/dns_10m.yaml: windows of 10m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS dns_10m (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  queries INT64,
  tx_bytes INT64,
  long_queries INT64,
  long_bytes INT64,
  rx_bytes INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE dns_10m AS old
USING (
  WITH
    -- Columns per row.
    dns_10m__row_1 AS (
      SELECT
        *,
        COALESCE(tx_bytes, 0) >= 200 AS long
      FROM flows
      WHERE flows.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 10 MINUTE)
        AND flows.event_time < tripline_to
    ),
    -- Rows that count, each with its pane of 10m.
    dns_10m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 10 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM dns_10m__row_1
      WHERE COALESCE(dst_port, 0) = 53
        AND COALESCE(src_ip, '') NOT IN (SELECT value FROM allow_resolvers)
    ),
    -- Rows by key and window.
    dns_10m__panes AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        pane_start,
        COUNT(*) AS queries,
        SUM(GREATEST(COALESCE(tx_bytes, 0), 0)) AS tx_bytes,
        COUNTIF(long) AS long_queries,
        SUM(IF(long, GREATEST(COALESCE(tx_bytes, 0), 0), 0)) AS long_bytes,
        SUM(COALESCE(rx_bytes, 0)) AS rx_bytes
      FROM dns_10m__rows
      WHERE (admit_watermark IS NULL OR admit_watermark < TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE))
      GROUP BY subscriber_id, src_ip, dst_ip, pane_start
    )
  SELECT
    subscriber_id,
    src_ip,
    dst_ip,
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
    queries,
    tx_bytes,
    long_queries,
    long_bytes,
    rx_bytes
  FROM dns_10m__panes
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, queries, tx_bytes, long_queries, long_bytes, rx_bytes)
  VALUES (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, queries, tx_bytes, long_queries, long_bytes, rx_bytes);
