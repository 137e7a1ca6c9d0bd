-- features/country_1h.yaml: windows of 1h.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS country_1h (
  subscriber_id STRING,
  geo_country STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  first_src_ip STRING
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, geo_country
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE country_1h AS old
USING (
  WITH
    -- Rows that count, each with its pane of 1h.
    country_1h__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 HOUR, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM flows
      WHERE geo_country IS NOT NULL
        AND outcome = 'established'
        AND flows.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 HOUR)
        AND flows.event_time < tripline_to
    ),
    -- Rows by key and window.
    country_1h__panes AS (
      SELECT
        subscriber_id,
        geo_country,
        pane_start,
        COUNT(*) AS flows,
        ARRAY_AGG(src_ip IGNORE NULLS ORDER BY event_time, row_id LIMIT 1)[SAFE_OFFSET(0)] AS first_src_ip
      FROM country_1h__rows
      WHERE (admit_watermark IS NULL OR admit_watermark < TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR))
      GROUP BY subscriber_id, geo_country, pane_start
    )
  SELECT
    subscriber_id,
    geo_country,
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR), INTERVAL 1 MICROSECOND) AS event_time,
    flows,
    first_src_ip
  FROM country_1h__panes
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, geo_country, window_start, window_end, event_time, flows, first_src_ip)
  VALUES (subscriber_id, geo_country, window_start, window_end, event_time, flows, first_src_ip);
