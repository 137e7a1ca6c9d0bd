-- features/source_watched_1h.yaml: windows of 1h.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);
DECLARE tripline_last TIMESTAMP DEFAULT (SELECT MAX(event_time) FROM flows WHERE event_time >= tripline_from);

CREATE TABLE IF NOT EXISTS source_watched_1h (
  subscriber_id STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE source_watched_1h AS old
USING (
  WITH
    -- Rows that count, each with its pane of 1h.
    source_watched_1h__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 HOUR, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM source_steady_1h
      WHERE source_steady_1h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 13 HOUR)
        AND source_steady_1h.event_time < tripline_to
    ),
    -- Rows by key and window.
    source_watched_1h__panes AS (
      SELECT
        subscriber_id,
        pane_start,
        SUM(flows) AS flows
      FROM source_watched_1h__rows
      GROUP BY subscriber_id, pane_start
    ),
    -- When the key's next window with rows begins.
    source_watched_1h__follows AS (
      SELECT
        subscriber_id,
        pane_start,
        LEAD(pane_start) OVER (PARTITION BY subscriber_id ORDER BY UNIX_MICROS(pane_start)) AS next_start
      FROM source_watched_1h__panes
    ),
    -- Windows without rows too, until 12h after the key's last with rows.
    source_watched_1h__filled AS (
      SELECT
        subscriber_id,
        pane_start,
        flows
      FROM source_watched_1h__panes
      UNION ALL
      SELECT
        subscriber_id,
        TIMESTAMP_ADD(pane_start, INTERVAL hop HOUR) AS pane_start,
        0 AS flows
      FROM source_watched_1h__follows
      CROSS JOIN UNNEST(GENERATE_ARRAY(1, LEAST(12, COALESCE(DIV(TIMESTAMP_DIFF(next_start, pane_start, MICROSECOND), 3600000000) - 1, 12)))) AS hop
      WHERE TIMESTAMP_ADD(TIMESTAMP_ADD(pane_start, INTERVAL hop HOUR), INTERVAL 1 HOUR) <= tripline_last
    )
  SELECT
    subscriber_id,
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR), INTERVAL 1 MICROSECOND) AS event_time,
    flows
  FROM source_watched_1h__filled
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, window_start, window_end, event_time, flows)
  VALUES (subscriber_id, window_start, window_end, event_time, flows);
