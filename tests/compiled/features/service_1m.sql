-- features/service_1m.yaml: windows of 1m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS service_1m (
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  unanswered INT64,
  sources INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY dst_ip, dst_port
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE service_1m AS old
USING (
  WITH
    -- Rows that count, each with its pane of 1m.
    service_1m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM flows
      WHERE COALESCE(protocol_number, 0) = 6
        AND flows.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 MINUTE)
        AND flows.event_time < tripline_to
    ),
    -- Rows by key and window.
    service_1m__panes AS (
      SELECT
        dst_ip,
        dst_port,
        pane_start,
        COUNT(*) AS flows,
        COUNTIF(outcome = 'unanswered') AS unanswered,
        LEAST(COUNT(DISTINCT src_ip), 1000000) AS sources
      FROM service_1m__rows
      WHERE (admit_watermark IS NULL OR admit_watermark < TIMESTAMP_ADD(pane_start, INTERVAL 1 MINUTE))
      GROUP BY dst_ip, dst_port, pane_start
    )
  SELECT
    dst_ip,
    dst_port,
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 1 MINUTE) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 1 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
    flows,
    unanswered,
    sources
  FROM service_1m__panes
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 1 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 1 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, dst_port, window_start, window_end, event_time, flows, unanswered, sources)
  VALUES (dst_ip, dst_port, window_start, window_end, event_time, flows, unanswered, sources);
