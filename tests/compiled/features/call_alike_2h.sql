-- features/call_alike_2h.yaml: windows of 2h.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS call_alike_2h (
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  pairs INT64
)
PARTITION BY DATE(event_time)
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE call_alike_2h AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    call_alike_2h__joined AS (
      SELECT
        t.*,
        d.window_start AS d__window_start,
        d.window_end AS d__window_end,
        d.event_time AS d__event_time,
        IF(d.window_start IS NULL, 0, d.subscribers) AS d__subscribers
      FROM call_1d AS t
      LEFT JOIN called_1d AS d
        ON t.window_start = d.window_start
        AND t.window_end = d.window_end
        AND COALESCE(t.dst_ip, '') = COALESCE(d.dst_ip, '')
        AND (t.dst_ip IS NULL) = (d.dst_ip IS NULL)
        AND d.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 2 HOUR)
        AND d.event_time < tripline_to
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 2 HOUR)
        AND t.event_time < tripline_to
    ),
    -- Rows that count, each with its pane of 2h.
    call_alike_2h__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 2 HOUR, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM call_alike_2h__joined
      WHERE hours_before < 4
        AND active_hours >= 8
        AND max_gap <= 4
        AND span_hours >= 14
        AND spread_bytes <= 0.3 * mean_bytes
        AND d__subscribers <= 2
    ),
    -- Rows by key and window.
    call_alike_2h__panes AS (
      SELECT
        pane_start,
        COUNT(*) AS pairs
      FROM call_alike_2h__rows
      GROUP BY pane_start
    )
  SELECT
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 2 HOUR) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 2 HOUR), INTERVAL 1 MICROSECOND) AS event_time,
    pairs
  FROM call_alike_2h__panes
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 2 HOUR) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 2 HOUR) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (window_start, window_end, event_time, pairs)
  VALUES (window_start, window_end, event_time, pairs);
