-- features/session_5m.yaml: windows of 5m every 1m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS session_5m (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  sessions INT64,
  short_sessions INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip, dst_port
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE session_5m AS old
USING (
  WITH
    -- Columns per row.
    session_5m__row_1 AS (
      SELECT
        *,
        COALESCE(tx_bytes, 0) + COALESCE(rx_bytes, 0) AS bytes
      FROM flows
      WHERE flows.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 5 MINUTE)
        AND flows.event_time < tripline_to
    ),
    -- Rows that count, each with its pane of 1m.
    session_5m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM session_5m__row_1
      WHERE COALESCE(protocol_number, 0) = 6
    ),
    -- Each row counted once, in its pane.
    session_5m__panes AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        dst_port,
        pane_start,
        IF(admit_watermark >= TIMESTAMP_ADD(pane_start, INTERVAL 1 MINUTE), admit_watermark, NULL) AS late_after,
        COUNT(*) AS sessions,
        COUNTIF(outcome = 'established' AND COALESCE(duration_ms, 0) < 5000 AND bytes < 20000) AS short_sessions
      FROM session_5m__rows
      WHERE (admit_watermark IS NULL OR admit_watermark < TIMESTAMP_ADD(pane_start, INTERVAL 5 MINUTE))
      GROUP BY subscriber_id, src_ip, dst_ip, dst_port, pane_start, late_after
    ),
    -- Each pane in every window that holds it.
    session_5m__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop MINUTE) AS window_start
      FROM session_5m__panes
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 4)) AS hop
      WHERE (late_after IS NULL OR late_after < TIMESTAMP_ADD(TIMESTAMP_SUB(pane_start, INTERVAL hop MINUTE), INTERVAL 5 MINUTE))
    ),
    -- Panes to windows.
    session_5m__windows AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        dst_port,
        window_start,
        SUM(sessions) AS sessions,
        SUM(short_sessions) AS short_sessions
      FROM session_5m__hops
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
    sessions,
    short_sessions
  FROM session_5m__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 5 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 5 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, sessions, short_sessions)
  VALUES (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, sessions, short_sessions);
