-- features/destination_5m.yaml: windows of 5m every 1m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS destination_5m (
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
MERGE destination_5m AS old
USING (
  WITH
    -- Rows that count, each with its pane of 1m.
    destination_5m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM flows
      WHERE flows.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 5 MINUTE)
        AND flows.event_time < tripline_to
    ),
    -- Each row counted once, in its pane.
    destination_5m__panes AS (
      SELECT
        dst_ip,
        pane_start,
        IF(admit_watermark >= TIMESTAMP_ADD(pane_start, INTERVAL 1 MINUTE), admit_watermark, NULL) AS late_after
      FROM destination_5m__rows
      WHERE (admit_watermark IS NULL OR admit_watermark < TIMESTAMP_ADD(pane_start, INTERVAL 5 MINUTE))
      GROUP BY dst_ip, pane_start, late_after
    ),
    -- Different values of subscribers, by pane.
    destination_5m__values_of_subscribers AS (
      SELECT DISTINCT
        dst_ip,
        pane_start,
        IF(admit_watermark >= TIMESTAMP_ADD(pane_start, INTERVAL 1 MINUTE), admit_watermark, NULL) AS late_after,
        subscriber_id AS subscribers
      FROM destination_5m__rows
      WHERE (admit_watermark IS NULL OR admit_watermark < TIMESTAMP_ADD(pane_start, INTERVAL 5 MINUTE))
    ),
    -- Panes, and the values to be counted.
    destination_5m__parts AS (
      SELECT
        dst_ip,
        pane_start,
        late_after,
        NULL AS subscribers
      FROM destination_5m__panes
      UNION ALL
      SELECT
        dst_ip,
        pane_start,
        late_after,
        subscribers
      FROM destination_5m__values_of_subscribers
    ),
    -- Each pane in every window that holds it.
    destination_5m__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop MINUTE) AS window_start
      FROM destination_5m__parts
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 4)) AS hop
      WHERE (late_after IS NULL OR late_after < TIMESTAMP_ADD(TIMESTAMP_SUB(pane_start, INTERVAL hop MINUTE), INTERVAL 5 MINUTE))
    ),
    -- Panes to windows.
    destination_5m__windows AS (
      SELECT
        dst_ip,
        window_start,
        LEAST(COUNT(DISTINCT subscribers), 1000000) AS subscribers
      FROM destination_5m__hops
      GROUP BY dst_ip, window_start
    )
  SELECT
    dst_ip,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 5 MINUTE) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 5 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
    subscribers
  FROM destination_5m__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 5 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 5 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, window_start, window_end, event_time, subscribers)
  VALUES (dst_ip, window_start, window_end, event_time, subscribers);
