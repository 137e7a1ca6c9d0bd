-- features/source_silent_1h.yaml: windows of 1h.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS source_silent_1h (
  subscriber_id STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  last_end TIMESTAMP,
  last_hours INT64,
  last_flows FLOAT64,
  last_src_ip STRING,
  silent_hours INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE source_silent_1h AS old
USING (
  WITH
    -- When the next window of the key ends.
    source_silent_1h__as_of_last_ends AS (
      SELECT
        *,
        LEAD(window_end) OVER (PARTITION BY subscriber_id ORDER BY window_end) AS next_end
      FROM source_steady_1h
      WHERE source_steady_1h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 14 HOUR)
        AND source_steady_1h.event_time < tripline_to
    ),
    -- For 12h after its end, each window is the last of its key until the next ends.
    source_silent_1h__as_of_last AS (
      SELECT
        *,
        TIMESTAMP_ADD(window_end, INTERVAL age HOUR) AS as_of
      FROM source_silent_1h__as_of_last_ends
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, LEAST(11, COALESCE(DIV(TIMESTAMP_DIFF(next_end, window_end, MICROSECOND), 3600000000) - 1, 11)))) AS age
    ),
    -- Each row beside what is joined to it.
    source_silent_1h__joined AS (
      SELECT
        t.*,
        last.window_start AS last__window_start,
        last.window_end AS last__window_end,
        last.event_time AS last__event_time,
        last.flows AS last__flows,
        last.top_src_ip AS last__top_src_ip,
        last.usual_hours AS last__usual_hours,
        last.usual_flows AS last__usual_flows,
        last.usual_since AS last__usual_since,
        last.usual_history_days AS last__usual_history_days
      FROM source_watched_1h AS t
      LEFT JOIN source_silent_1h__as_of_last AS last
        ON last.as_of = TIMESTAMP_BUCKET(t.window_start, INTERVAL 1 HOUR, TIMESTAMP '1970-01-01 00:00:00+00')
        AND COALESCE(t.subscriber_id, '') = COALESCE(last.subscriber_id, '')
        AND (t.subscriber_id IS NULL) = (last.subscriber_id IS NULL)
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 HOUR)
        AND t.event_time < tripline_to
    ),
    -- Rows that count, each with its pane of 1h.
    source_silent_1h__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 HOUR, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM source_silent_1h__joined
      WHERE flows = 0
    ),
    -- Rows by key and window.
    source_silent_1h__panes AS (
      SELECT
        subscriber_id,
        pane_start,
        MAX(last__window_end) AS last_end,
        MAX(last__usual_hours) AS aggregate_2,
        MAX(last__usual_flows) AS aggregate_3,
        MAX(last__top_src_ip) AS last_src_ip
      FROM source_silent_1h__rows
      GROUP BY subscriber_id, pane_start
    ),
    -- Aggregates.
    source_silent_1h__outputs AS (
      SELECT
        subscriber_id,
        pane_start AS window_start,
        TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) AS window_end,
        TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR), INTERVAL 1 MICROSECOND) AS event_time,
        last_end,
        COALESCE(aggregate_2, 0) AS last_hours,
        COALESCE(aggregate_3, 0.0) AS last_flows,
        last_src_ip
      FROM source_silent_1h__panes
      WHERE TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) > tripline_from
        AND TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) <= tripline_to
    )
  SELECT
    *,
    COALESCE(TIMESTAMP_DIFF(window_end, last_end, HOUR), 0) AS silent_hours
  FROM source_silent_1h__outputs
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, window_start, window_end, event_time, last_end, last_hours, last_flows, last_src_ip, silent_hours)
  VALUES (subscriber_id, window_start, window_end, event_time, last_end, last_hours, last_flows, last_src_ip, silent_hours);
