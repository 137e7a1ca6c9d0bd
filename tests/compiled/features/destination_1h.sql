-- features/destination_1h.yaml: windows of 1h.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS destination_1h (
  dst_ip STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  subscribers INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY dst_ip
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE destination_1h AS old
USING (
  WITH
    -- Rows that count, each with its pane of 1h.
    destination_1h__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 HOUR, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM upload_1h
      WHERE upload_1h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 HOUR)
        AND upload_1h.event_time < tripline_to
    ),
    -- Rows by key and window.
    destination_1h__panes AS (
      SELECT
        dst_ip,
        pane_start,
        LEAST(COUNT(DISTINCT subscriber_id), 1000000) AS subscribers
      FROM destination_1h__rows
      GROUP BY dst_ip, pane_start
    )
  SELECT
    dst_ip,
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR), INTERVAL 1 MICROSECOND) AS event_time,
    subscribers
  FROM destination_1h__panes
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, window_start, window_end, event_time, subscribers)
  VALUES (dst_ip, window_start, window_end, event_time, subscribers);
