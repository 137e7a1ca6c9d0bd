-- features/call_1d.yaml: windows of 1d every 2h.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS call_1d (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  active_hours INT64,
  calls INT64,
  max_gap INT64,
  first_start TIMESTAMP,
  last_end TIMESTAMP,
  known_since TIMESTAMP,
  source_since TIMESTAMP,
  mean_bytes FLOAT64,
  spread_bytes FLOAT64,
  span_hours INT64,
  known_hours INT64,
  hours_before INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip, dst_port
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE call_1d AS old
USING (
  WITH
    -- When the next window of the key ends.
    call_1d__as_of_before_ends AS (
      SELECT
        *,
        LEAD(window_end) OVER (PARTITION BY subscriber_id, src_ip, dst_ip, dst_port ORDER BY window_end) AS next_end
      FROM call_1h
      WHERE call_1h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 49 HOUR)
        AND call_1h.event_time < tripline_to
    ),
    -- For 1d after its end, each window is the last of its key until the next ends.
    call_1d__as_of_before AS (
      SELECT
        *,
        TIMESTAMP_ADD(window_end, INTERVAL age HOUR) AS as_of
      FROM call_1d__as_of_before_ends
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, LEAST(23, COALESCE(DIV(TIMESTAMP_DIFF(next_end, window_end, MICROSECOND), 3600000000) - 1, 23)))) AS age
    ),
    -- Each row beside what is joined to it.
    call_1d__joined AS (
      SELECT
        t.*,
        before.window_start AS before__window_start,
        before.window_end AS before__window_end,
        before.event_time AS before__event_time,
        before.calls AS before__calls,
        before.least_bytes AS before__least_bytes
      FROM call_known_1h AS t
      LEFT JOIN call_1d__as_of_before AS before
        ON before.as_of = TIMESTAMP_BUCKET(t.window_start, INTERVAL 1 HOUR, TIMESTAMP '1970-01-01 00:00:00+00')
        AND COALESCE(t.subscriber_id, '') = COALESCE(before.subscriber_id, '')
        AND (t.subscriber_id IS NULL) = (before.subscriber_id IS NULL)
        AND COALESCE(t.src_ip, '') = COALESCE(before.src_ip, '')
        AND (t.src_ip IS NULL) = (before.src_ip IS NULL)
        AND COALESCE(t.dst_ip, '') = COALESCE(before.dst_ip, '')
        AND (t.dst_ip IS NULL) = (before.dst_ip IS NULL)
        AND COALESCE(t.dst_port, 0) = COALESCE(before.dst_port, 0)
        AND (t.dst_port IS NULL) = (before.dst_port IS NULL)
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
    ),
    -- Columns per row.
    call_1d__row_1 AS (
      SELECT
        *,
        TIMESTAMP_DIFF(window_start, before__window_start, HOUR) AS gap
      FROM call_1d__joined
    ),
    -- Rows that count, each with its pane of 2h.
    call_1d__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 2 HOUR, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM call_1d__row_1
    ),
    -- Rows by key and window.
    call_1d__panes AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        dst_port,
        pane_start,
        COUNT(*) AS active_hours,
        SUM(calls) AS calls,
        MAX(gap) AS aggregate_3,
        MIN(window_start) AS first_start,
        MAX(window_end) AS last_end,
        MIN(COALESCE(known_since, window_start)) AS known_since,
        MIN(COALESCE(source_since, window_start)) AS source_since,
        SUM(least_bytes) AS mean_bytes_sum,
        COUNT(least_bytes) AS mean_bytes_n,
        COUNT(least_bytes) AS aggregate_9_n,
        AVG(least_bytes) AS aggregate_9_mean,
        VAR_POP(least_bytes) AS aggregate_9_var
      FROM call_1d__rows
      GROUP BY subscriber_id, src_ip, dst_ip, dst_port, pane_start
    ),
    -- Each pane in every window that holds it.
    call_1d__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop * 2 HOUR) AS window_start
      FROM call_1d__panes
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 11)) AS hop
    ),
    -- Means of whole windows, for their spreads.
    call_1d__centers AS (
      SELECT
        *,
        SAFE_DIVIDE(SUM(aggregate_9_n * aggregate_9_mean) OVER one_window, SUM(aggregate_9_n) OVER one_window) AS aggregate_9_center
      FROM call_1d__hops
      WINDOW one_window AS (PARTITION BY subscriber_id, src_ip, dst_ip, dst_port, window_start)
    ),
    -- Panes to windows.
    call_1d__windows AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        dst_port,
        window_start,
        SUM(active_hours) AS active_hours,
        SUM(calls) AS calls,
        MAX(aggregate_3) AS aggregate_3,
        MIN(first_start) AS first_start,
        MAX(last_end) AS last_end,
        MIN(known_since) AS known_since,
        MIN(source_since) AS source_since,
        SAFE_DIVIDE(SUM(mean_bytes_sum), SUM(mean_bytes_n)) AS mean_bytes,
        SQRT(SAFE_DIVIDE(SUM(aggregate_9_n * (aggregate_9_var + POW(aggregate_9_mean - aggregate_9_center, 2))), NULLIF(SUM(aggregate_9_n), 0) - 1)) AS aggregate_9
      FROM call_1d__centers
      GROUP BY subscriber_id, src_ip, dst_ip, dst_port, window_start
    ),
    -- Aggregates.
    call_1d__outputs AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        dst_port,
        window_start,
        TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) AS window_end,
        TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 1 DAY), INTERVAL 1 MICROSECOND) AS event_time,
        active_hours,
        calls,
        COALESCE(aggregate_3, 0) AS max_gap,
        first_start,
        last_end,
        known_since,
        source_since,
        mean_bytes,
        COALESCE(aggregate_9, 0.0) AS spread_bytes
      FROM call_1d__windows
      WHERE TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) > tripline_from
        AND TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) <= tripline_to
    )
  SELECT
    *,
    TIMESTAMP_DIFF(last_end, first_start, HOUR) AS span_hours,
    TIMESTAMP_DIFF(window_end, known_since, HOUR) AS known_hours,
    TIMESTAMP_DIFF(known_since, source_since, HOUR) AS hours_before
  FROM call_1d__outputs
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, active_hours, calls, max_gap, first_start, last_end, known_since, source_since, mean_bytes, spread_bytes, span_hours, known_hours, hours_before)
  VALUES (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, active_hours, calls, max_gap, first_start, last_end, known_since, source_since, mean_bytes, spread_bytes, span_hours, known_hours, hours_before);
