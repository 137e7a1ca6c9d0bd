-- features/population_10m.yaml: windows of 10m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS population_10m (
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  pairs INT64,
  mean_log_tx FLOAT64,
  spread_log_tx FLOAT64
)
PARTITION BY DATE(event_time)
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE population_10m AS old
USING (
  WITH
    -- Rows that count, each with its pane of 10m.
    population_10m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 10 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM upload_10m
      WHERE upload_10m.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 10 MINUTE)
        AND upload_10m.event_time < tripline_to
    ),
    -- Rows by key and window.
    population_10m__panes AS (
      SELECT
        pane_start,
        COUNT(*) AS pairs,
        AVG(log_tx) AS mean_log_tx,
        STDDEV_SAMP(log_tx) AS aggregate_3
      FROM population_10m__rows
      GROUP BY pane_start
    )
  SELECT
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
    pairs,
    mean_log_tx,
    COALESCE(aggregate_3, 0.0) AS spread_log_tx
  FROM population_10m__panes
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (window_start, window_end, event_time, pairs, mean_log_tx, spread_log_tx)
  VALUES (window_start, window_end, event_time, pairs, mean_log_tx, spread_log_tx);
