-- features/dead_source_5m.yaml: windows of 5m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS dead_source_5m (
  subscriber_id STRING,
  src_ip STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  targets INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE dead_source_5m AS old
USING (
  WITH
    -- Rows that count, each with its pane of 5m.
    dead_source_5m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 5 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM dead_target_5m
      WHERE dead_target_5m.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 5 MINUTE)
        AND dead_target_5m.event_time < tripline_to
    ),
    -- Rows by key and window.
    dead_source_5m__panes AS (
      SELECT
        subscriber_id,
        src_ip,
        pane_start,
        COUNT(*) AS targets
      FROM dead_source_5m__rows
      GROUP BY subscriber_id, src_ip, pane_start
    )
  SELECT
    subscriber_id,
    src_ip,
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 5 MINUTE) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 5 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
    targets
  FROM dead_source_5m__panes
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 5 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 5 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, window_start, window_end, event_time, targets)
  VALUES (subscriber_id, src_ip, window_start, window_end, event_time, targets);
