-- features/contact_5m.yaml: windows of 5m every 1m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS contact_5m (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  active_minutes INT64,
  calls INT64,
  min_calls INT64,
  tx_bytes INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip, dst_port
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE contact_5m AS old
USING (
  WITH
    -- Rows that count, each with its pane of 1m.
    contact_5m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM contact_1m
      WHERE contact_1m.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 5 MINUTE)
        AND contact_1m.event_time < tripline_to
    ),
    -- Rows by key and window.
    contact_5m__panes AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        dst_port,
        pane_start,
        COUNT(*) AS active_minutes,
        SUM(flows) AS calls,
        MIN(flows) AS min_calls,
        SUM(tx_bytes) AS tx_bytes
      FROM contact_5m__rows
      GROUP BY subscriber_id, src_ip, dst_ip, dst_port, pane_start
    ),
    -- Each pane in every window that holds it.
    contact_5m__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop MINUTE) AS window_start
      FROM contact_5m__panes
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 4)) AS hop
    ),
    -- Panes to windows.
    contact_5m__windows AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        dst_port,
        window_start,
        SUM(active_minutes) AS active_minutes,
        SUM(calls) AS calls,
        MIN(min_calls) AS min_calls,
        SUM(tx_bytes) AS tx_bytes
      FROM contact_5m__hops
      GROUP BY subscriber_id, src_ip, dst_ip, dst_port, window_start
    )
  SELECT
    subscriber_id,
    src_ip,
    dst_ip,
    dst_port,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 5 MINUTE) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 5 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
    active_minutes,
    calls,
    min_calls,
    tx_bytes
  FROM contact_5m__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 5 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 5 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, active_minutes, calls, min_calls, tx_bytes)
  VALUES (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, active_minutes, calls, min_calls, tx_bytes);
