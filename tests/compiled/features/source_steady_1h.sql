-- features/source_steady_1h.yaml: usual looks back 7d.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS source_steady_1h (
  subscriber_id STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  top_src_ip STRING,
  usual_hours INT64,
  usual_flows FLOAT64,
  usual_since TIMESTAMP,
  usual_history_days INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE source_steady_1h AS old
USING (
  WITH
    -- Rows that ended when the row's window began, or before (in microseconds of the ends).
    source_steady_1h__frames AS (
      SELECT
        *,
        COUNT(*) OVER usual AS aggregate_1,
        AVG(flows) OVER usual AS aggregate_2,
        MIN(window_start) OVER usual AS aggregate_3
      FROM source_1h
      WHERE source_1h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 169 HOUR)
        AND source_1h.event_time < tripline_to
      WINDOW
        usual AS (
          PARTITION BY subscriber_id ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 608399999999 PRECEDING AND 3600000000 PRECEDING
        )
    ),
    -- Rows with their look-backs.
    source_steady_1h__outputs AS (
      SELECT
        subscriber_id,
        window_start,
        window_end,
        event_time,
        flows,
        top_src_ip,
        aggregate_1 AS usual_hours,
        aggregate_2 AS usual_flows,
        aggregate_3 AS usual_since
      FROM source_steady_1h__frames
      WHERE event_time >= tripline_from
        AND event_time < tripline_to
    ),
    -- Columns from aggregates.
    source_steady_1h__derive_1 AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_DIFF(window_start, usual_since, DAY), 0) AS usual_history_days
      FROM source_steady_1h__outputs
    )
  SELECT
    subscriber_id,
    window_start,
    window_end,
    event_time,
    flows,
    top_src_ip,
    usual_hours,
    usual_flows,
    usual_since,
    usual_history_days
  FROM source_steady_1h__derive_1
  WHERE usual_hours >= 149
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, window_start, window_end, event_time, flows, top_src_ip, usual_hours, usual_flows, usual_since, usual_history_days)
  VALUES (subscriber_id, window_start, window_end, event_time, flows, top_src_ip, usual_hours, usual_flows, usual_since, usual_history_days);
