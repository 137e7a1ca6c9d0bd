-- features/country_28d.yaml: windows of 28d every 1d.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS country_28d (
  subscriber_id STRING,
  geo_country STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  days INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, geo_country
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE country_28d AS old
USING (
  WITH
    -- Columns per row.
    country_28d__row_1 AS (
      SELECT
        *,
        DATE(window_start) AS day
      FROM country_1h
      WHERE country_1h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 28 DAY)
        AND country_1h.event_time < tripline_to
    ),
    -- Rows that count, each with its pane of 1d.
    country_28d__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 DAY, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM country_28d__row_1
    ),
    -- Rows by key and window.
    country_28d__panes AS (
      SELECT
        subscriber_id,
        geo_country,
        pane_start
      FROM country_28d__rows
      GROUP BY subscriber_id, geo_country, pane_start
    ),
    -- Different values of days, by pane.
    country_28d__values_of_days AS (
      SELECT DISTINCT
        subscriber_id,
        geo_country,
        pane_start,
        day AS days
      FROM country_28d__rows
    ),
    -- Panes, and the values to be counted.
    country_28d__parts AS (
      SELECT
        subscriber_id,
        geo_country,
        pane_start,
        NULL AS days
      FROM country_28d__panes
      UNION ALL
      SELECT
        subscriber_id,
        geo_country,
        pane_start,
        days
      FROM country_28d__values_of_days
    ),
    -- Each pane in every window that holds it.
    country_28d__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop DAY) AS window_start
      FROM country_28d__parts
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 27)) AS hop
    ),
    -- Panes to windows.
    country_28d__windows AS (
      SELECT
        subscriber_id,
        geo_country,
        window_start,
        LEAST(COUNT(DISTINCT days), 1000000) AS days
      FROM country_28d__hops
      GROUP BY subscriber_id, geo_country, window_start
    )
  SELECT
    subscriber_id,
    geo_country,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 28 DAY) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 28 DAY), INTERVAL 1 MICROSECOND) AS event_time,
    days
  FROM country_28d__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 28 DAY) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 28 DAY) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, geo_country, window_start, window_end, event_time, days)
  VALUES (subscriber_id, geo_country, window_start, window_end, event_time, days);
