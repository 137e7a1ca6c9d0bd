-- features/travel_alike_24h.yaml: windows of 1d every 10m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS travel_alike_24h (
  countries STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  subscribers INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY countries
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE travel_alike_24h AS old
USING (
  WITH
    -- Rows that count, each with its pane of 10m.
    travel_alike_24h__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 10 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM travel_first
      WHERE travel_first.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND travel_first.event_time < tripline_to
    ),
    -- Rows by key and window.
    travel_alike_24h__panes AS (
      SELECT
        countries,
        pane_start
      FROM travel_alike_24h__rows
      GROUP BY countries, pane_start
    ),
    -- Different values of subscribers, by pane.
    travel_alike_24h__values_of_subscribers AS (
      SELECT DISTINCT
        countries,
        pane_start,
        subscriber_id AS subscribers
      FROM travel_alike_24h__rows
    ),
    -- Panes, and the values to be counted.
    travel_alike_24h__parts AS (
      SELECT
        countries,
        pane_start,
        NULL AS subscribers
      FROM travel_alike_24h__panes
      UNION ALL
      SELECT
        countries,
        pane_start,
        subscribers
      FROM travel_alike_24h__values_of_subscribers
    ),
    -- Each pane in every window that holds it.
    travel_alike_24h__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop * 10 MINUTE) AS window_start
      FROM travel_alike_24h__parts
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 143)) AS hop
    ),
    -- Panes to windows.
    travel_alike_24h__windows AS (
      SELECT
        countries,
        window_start,
        LEAST(COUNT(DISTINCT subscribers), 1000000) AS subscribers
      FROM travel_alike_24h__hops
      GROUP BY countries, window_start
    )
  SELECT
    countries,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 1 DAY), INTERVAL 1 MICROSECOND) AS event_time,
    subscribers
  FROM travel_alike_24h__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (countries, window_start, window_end, event_time, subscribers)
  VALUES (countries, window_start, window_end, event_time, subscribers);
