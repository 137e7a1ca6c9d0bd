-- features/victim_hour_8d.yaml: windows of 8d every 1d.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS victim_hour_8d (
  dst_ip STRING,
  hour INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  max_sources INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY dst_ip, hour
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE victim_hour_8d AS old
USING (
  WITH
    -- Rows that count, each with its pane of 1d.
    victim_hour_8d__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 DAY, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM victim_hour_1d
      WHERE victim_hour_1d.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 8 DAY)
        AND victim_hour_1d.event_time < tripline_to
    ),
    -- Rows by key and window.
    victim_hour_8d__panes AS (
      SELECT
        dst_ip,
        hour,
        pane_start,
        MAX(max_sources) AS max_sources
      FROM victim_hour_8d__rows
      GROUP BY dst_ip, hour, pane_start
    ),
    -- Each pane in every window that holds it.
    victim_hour_8d__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop DAY) AS window_start
      FROM victim_hour_8d__panes
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 7)) AS hop
    ),
    -- Panes to windows.
    victim_hour_8d__windows AS (
      SELECT
        dst_ip,
        hour,
        window_start,
        MAX(max_sources) AS max_sources
      FROM victim_hour_8d__hops
      GROUP BY dst_ip, hour, window_start
    )
  SELECT
    dst_ip,
    hour,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 8 DAY) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 8 DAY), INTERVAL 1 MICROSECOND) AS event_time,
    max_sources
  FROM victim_hour_8d__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 8 DAY) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 8 DAY) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, hour, window_start, window_end, event_time, max_sources)
  VALUES (dst_ip, hour, window_start, window_end, event_time, max_sources);
