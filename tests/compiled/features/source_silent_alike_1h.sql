-- features/source_silent_alike_1h.yaml: windows of 1h.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS source_silent_alike_1h (
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  sources INT64
)
PARTITION BY DATE(event_time)
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE source_silent_alike_1h AS old
USING (
  WITH
    -- Rows that count, each with its pane of 1h.
    source_silent_alike_1h__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 HOUR, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM source_silent_1h
      WHERE silent_hours >= 3
        AND last_hours >= 160
        AND source_silent_1h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 HOUR)
        AND source_silent_1h.event_time < tripline_to
    ),
    -- Rows by key and window.
    source_silent_alike_1h__panes AS (
      SELECT
        pane_start,
        COUNT(*) AS sources
      FROM source_silent_alike_1h__rows
      GROUP BY pane_start
    )
  SELECT
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR), INTERVAL 1 MICROSECOND) AS event_time,
    sources
  FROM source_silent_alike_1h__panes
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (window_start, window_end, event_time, sources)
  VALUES (window_start, window_end, event_time, sources);
