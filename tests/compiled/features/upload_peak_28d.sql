-- features/upload_peak_28d.yaml: windows of 28d every 1d.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS upload_peak_28d (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  tx_bytes INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE upload_peak_28d AS old
USING (
  WITH
    -- Rows that count, each with its pane of 1d.
    upload_peak_28d__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 DAY, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM upload_10m
      WHERE tx_bytes >= 100000000
        AND upload_10m.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 28 DAY)
        AND upload_10m.event_time < tripline_to
    ),
    -- Rows by key and window.
    upload_peak_28d__panes AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        pane_start,
        MAX(tx_bytes) AS tx_bytes
      FROM upload_peak_28d__rows
      GROUP BY subscriber_id, src_ip, dst_ip, pane_start
    ),
    -- Each pane in every window that holds it.
    upload_peak_28d__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop DAY) AS window_start
      FROM upload_peak_28d__panes
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 27)) AS hop
    ),
    -- Panes to windows.
    upload_peak_28d__windows AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        window_start,
        MAX(tx_bytes) AS tx_bytes
      FROM upload_peak_28d__hops
      GROUP BY subscriber_id, src_ip, dst_ip, window_start
    )
  SELECT
    subscriber_id,
    src_ip,
    dst_ip,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 28 DAY) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 28 DAY), INTERVAL 1 MICROSECOND) AS event_time,
    tx_bytes
  FROM upload_peak_28d__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 28 DAY) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 28 DAY) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, tx_bytes)
  VALUES (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, tx_bytes);
