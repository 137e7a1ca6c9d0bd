-- features/intake_first_24h.yaml: windows of 1d every 10m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS intake_first_24h (
  taker STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  givers INT64,
  bytes INT64,
  last_end TIMESTAMP,
  history_days INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY taker
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE intake_first_24h AS old
USING (
  WITH
    -- Rows that count, each with its pane of 10m.
    intake_first_24h__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 10 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM intake_first_10m
      WHERE intake_first_10m.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND intake_first_10m.event_time < tripline_to
    ),
    -- Rows by key and window.
    intake_first_24h__panes AS (
      SELECT
        taker,
        pane_start,
        COUNT(*) AS givers,
        SUM(bytes) AS bytes,
        MAX(window_end) AS last_end,
        MIN(anybody_history_days) AS history_days
      FROM intake_first_24h__rows
      GROUP BY taker, pane_start
    ),
    -- Each pane in every window that holds it.
    intake_first_24h__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop * 10 MINUTE) AS window_start
      FROM intake_first_24h__panes
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 143)) AS hop
    ),
    -- Panes to windows.
    intake_first_24h__windows AS (
      SELECT
        taker,
        window_start,
        SUM(givers) AS givers,
        SUM(bytes) AS bytes,
        MAX(last_end) AS last_end,
        MIN(history_days) AS history_days
      FROM intake_first_24h__hops
      GROUP BY taker, window_start
    )
  SELECT
    taker,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 1 DAY), INTERVAL 1 MICROSECOND) AS event_time,
    givers,
    bytes,
    last_end,
    history_days
  FROM intake_first_24h__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (taker, window_start, window_end, event_time, givers, bytes, last_end, history_days)
  VALUES (taker, window_start, window_end, event_time, givers, bytes, last_end, history_days);
