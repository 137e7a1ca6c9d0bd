-- features/called_1d.yaml: windows of 1d every 2h.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS called_1d (
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
MERGE called_1d AS old
USING (
  WITH
    -- Rows that count, each with its pane of 2h.
    called_1d__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 2 HOUR, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM call_1h
      WHERE call_1h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND call_1h.event_time < tripline_to
    ),
    -- Rows by key and window.
    called_1d__panes AS (
      SELECT
        dst_ip,
        pane_start
      FROM called_1d__rows
      GROUP BY dst_ip, pane_start
    ),
    -- Different values of subscribers, by pane.
    called_1d__values_of_subscribers AS (
      SELECT DISTINCT
        dst_ip,
        pane_start,
        subscriber_id AS subscribers
      FROM called_1d__rows
    ),
    -- Panes, and the values to be counted.
    called_1d__parts AS (
      SELECT
        dst_ip,
        pane_start,
        NULL AS subscribers
      FROM called_1d__panes
      UNION ALL
      SELECT
        dst_ip,
        pane_start,
        subscribers
      FROM called_1d__values_of_subscribers
    ),
    -- Each pane in every window that holds it.
    called_1d__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop * 2 HOUR) AS window_start
      FROM called_1d__parts
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 11)) AS hop
    ),
    -- Panes to windows.
    called_1d__windows AS (
      SELECT
        dst_ip,
        window_start,
        LEAST(COUNT(DISTINCT subscribers), 1000000) AS subscribers
      FROM called_1d__hops
      GROUP BY dst_ip, window_start
    )
  SELECT
    dst_ip,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 1 DAY), INTERVAL 1 MICROSECOND) AS event_time,
    subscribers
  FROM called_1d__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, window_start, window_end, event_time, subscribers)
  VALUES (dst_ip, window_start, window_end, event_time, subscribers);
