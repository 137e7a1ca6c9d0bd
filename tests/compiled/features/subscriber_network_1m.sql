-- features/subscriber_network_1m.yaml: windows of 1m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS subscriber_network_1m (
  subscriber_id STRING,
  dst_network STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  src_ips INT64,
  src_ports INT64,
  min_tx_bytes INT64,
  max_tx_bytes INT64,
  mean_tx_bytes FLOAT64,
  min_rx_bytes INT64,
  max_rx_bytes INT64,
  mean_rx_bytes FLOAT64,
  min_duration_ms INT64,
  max_duration_ms INT64,
  mean_duration_ms FLOAT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, dst_network
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE subscriber_network_1m AS old
USING (
  WITH
    -- Columns per row.
    subscriber_network_1m__row_1 AS (
      SELECT
        *,
        NET.SAFE_IP_FROM_STRING(dst_ip) AS address
      FROM flows
      WHERE flows.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 MINUTE)
        AND flows.event_time < tripline_to
    ),
    -- Columns per row.
    subscriber_network_1m__row_2 AS (
      SELECT
        *,
        IF(BYTE_LENGTH(address) = 4, 22, 48) AS prefix
      FROM subscriber_network_1m__row_1
    ),
    -- Columns per row.
    subscriber_network_1m__row_3 AS (
      SELECT
        *,
        COALESCE(CONCAT(NET.IP_TO_STRING(NET.IP_TRUNC(address, prefix)), '/', CAST(prefix AS STRING)), dst_ip) AS dst_network
      FROM subscriber_network_1m__row_2
    ),
    -- Rows that count, each with its pane of 1m.
    subscriber_network_1m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM subscriber_network_1m__row_3
    ),
    -- Rows by key and window.
    subscriber_network_1m__panes AS (
      SELECT
        subscriber_id,
        dst_network,
        pane_start,
        COUNT(*) AS flows,
        LEAST(COUNT(DISTINCT src_ip), 1000000) AS src_ips,
        LEAST(COUNT(DISTINCT src_port), 1000000) AS src_ports,
        MIN(tx_bytes) AS min_tx_bytes,
        MAX(tx_bytes) AS max_tx_bytes,
        AVG(tx_bytes) AS mean_tx_bytes,
        MIN(rx_bytes) AS min_rx_bytes,
        MAX(rx_bytes) AS max_rx_bytes,
        AVG(rx_bytes) AS mean_rx_bytes,
        MIN(duration_ms) AS min_duration_ms,
        MAX(duration_ms) AS max_duration_ms,
        AVG(duration_ms) AS mean_duration_ms
      FROM subscriber_network_1m__rows
      WHERE (admit_watermark IS NULL OR admit_watermark < TIMESTAMP_ADD(pane_start, INTERVAL 1 MINUTE))
      GROUP BY subscriber_id, dst_network, pane_start
    )
  SELECT
    subscriber_id,
    dst_network,
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 1 MINUTE) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 1 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
    flows,
    src_ips,
    src_ports,
    min_tx_bytes,
    max_tx_bytes,
    mean_tx_bytes,
    min_rx_bytes,
    max_rx_bytes,
    mean_rx_bytes,
    min_duration_ms,
    max_duration_ms,
    mean_duration_ms
  FROM subscriber_network_1m__panes
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 1 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 1 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, dst_network, window_start, window_end, event_time, flows, src_ips, src_ports, min_tx_bytes, max_tx_bytes, mean_tx_bytes, min_rx_bytes, max_rx_bytes, mean_rx_bytes, min_duration_ms, max_duration_ms, mean_duration_ms)
  VALUES (subscriber_id, dst_network, window_start, window_end, event_time, flows, src_ips, src_ports, min_tx_bytes, max_tx_bytes, mean_tx_bytes, min_rx_bytes, max_rx_bytes, mean_rx_bytes, min_duration_ms, max_duration_ms, mean_duration_ms);
