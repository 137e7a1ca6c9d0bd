-- features/contact_30m.yaml: windows of 30m every 5m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS contact_30m (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  active_minutes INT64,
  calls INT64,
  tx_bytes INT64,
  mean_calls FLOAT64,
  spread_calls FLOAT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip, dst_port
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE contact_30m AS old
USING (
  WITH
    -- Rows that count, each with its pane of 5m.
    contact_30m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 5 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM contact_1m
      WHERE contact_1m.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 30 MINUTE)
        AND contact_1m.event_time < tripline_to
    ),
    -- Rows by key and window.
    contact_30m__panes AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        dst_port,
        pane_start,
        COUNT(*) AS active_minutes,
        SUM(flows) AS calls,
        SUM(tx_bytes) AS tx_bytes,
        SUM(flows) AS mean_calls_sum,
        COUNT(flows) AS mean_calls_n,
        COUNT(flows) AS aggregate_5_n,
        AVG(flows) AS aggregate_5_mean,
        VAR_POP(flows) AS aggregate_5_var
      FROM contact_30m__rows
      GROUP BY subscriber_id, src_ip, dst_ip, dst_port, pane_start
    ),
    -- Each pane in every window that holds it.
    contact_30m__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop * 5 MINUTE) AS window_start
      FROM contact_30m__panes
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 5)) AS hop
    ),
    -- Means of whole windows, for their spreads.
    contact_30m__centers AS (
      SELECT
        *,
        SAFE_DIVIDE(SUM(aggregate_5_n * aggregate_5_mean) OVER one_window, SUM(aggregate_5_n) OVER one_window) AS aggregate_5_center
      FROM contact_30m__hops
      WINDOW one_window AS (PARTITION BY subscriber_id, src_ip, dst_ip, dst_port, window_start)
    ),
    -- Panes to windows.
    contact_30m__windows AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        dst_port,
        window_start,
        SUM(active_minutes) AS active_minutes,
        SUM(calls) AS calls,
        SUM(tx_bytes) AS tx_bytes,
        SAFE_DIVIDE(SUM(mean_calls_sum), SUM(mean_calls_n)) AS mean_calls,
        SQRT(SAFE_DIVIDE(SUM(aggregate_5_n * (aggregate_5_var + POW(aggregate_5_mean - aggregate_5_center, 2))), NULLIF(SUM(aggregate_5_n), 0) - 1)) AS aggregate_5
      FROM contact_30m__centers
      GROUP BY subscriber_id, src_ip, dst_ip, dst_port, window_start
    )
  SELECT
    subscriber_id,
    src_ip,
    dst_ip,
    dst_port,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 30 MINUTE) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 30 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
    active_minutes,
    calls,
    tx_bytes,
    mean_calls,
    COALESCE(aggregate_5, 0.0) AS spread_calls
  FROM contact_30m__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 30 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 30 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, active_minutes, calls, tx_bytes, mean_calls, spread_calls)
  VALUES (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, active_minutes, calls, tx_bytes, mean_calls, spread_calls);
