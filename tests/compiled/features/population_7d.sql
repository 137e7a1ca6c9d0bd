-- features/population_7d.yaml: windows of 7d every 1d.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS population_7d (
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  days INT64,
  subscribers INT64
)
PARTITION BY DATE(event_time)
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE population_7d AS old
USING (
  WITH
    -- Columns per row.
    population_7d__row_1 AS (
      SELECT
        *,
        DATE(window_start) AS day
      FROM upload_1h
      WHERE upload_1h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 7 DAY)
        AND upload_1h.event_time < tripline_to
    ),
    -- Rows that count, each with its pane of 1d.
    population_7d__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 DAY, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM population_7d__row_1
    ),
    -- Rows by key and window.
    population_7d__panes AS (
      SELECT
        pane_start
      FROM population_7d__rows
      GROUP BY pane_start
    ),
    -- Different values of days, by pane.
    population_7d__values_of_days AS (
      SELECT DISTINCT
        pane_start,
        day AS days
      FROM population_7d__rows
    ),
    -- Different values of subscribers, by pane.
    population_7d__values_of_subscribers AS (
      SELECT DISTINCT
        pane_start,
        subscriber_id AS subscribers
      FROM population_7d__rows
    ),
    -- Panes, and the values to be counted.
    population_7d__parts AS (
      SELECT
        pane_start,
        NULL AS days,
        NULL AS subscribers
      FROM population_7d__panes
      UNION ALL
      SELECT
        pane_start,
        days,
        NULL AS subscribers
      FROM population_7d__values_of_days
      UNION ALL
      SELECT
        pane_start,
        NULL AS days,
        subscribers
      FROM population_7d__values_of_subscribers
    ),
    -- Each pane in every window that holds it.
    population_7d__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop DAY) AS window_start
      FROM population_7d__parts
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 6)) AS hop
    ),
    -- Panes to windows.
    population_7d__windows AS (
      SELECT
        window_start,
        LEAST(COUNT(DISTINCT days), 1000000) AS days,
        LEAST(COUNT(DISTINCT subscribers), 1000000) AS subscribers
      FROM population_7d__hops
      GROUP BY window_start
    )
  SELECT
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 7 DAY) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 7 DAY), INTERVAL 1 MICROSECOND) AS event_time,
    days,
    subscribers
  FROM population_7d__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 7 DAY) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 7 DAY) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (window_start, window_end, event_time, days, subscribers)
  VALUES (window_start, window_end, event_time, days, subscribers);
