-- features/login_victim_usual.yaml: before looks back 14d, anybody looks back 3d.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS login_victim_usual (
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  slow_sessions INT64,
  sources INT64,
  top_source STRING,
  before_max_sessions INT64,
  before_since TIMESTAMP,
  anybody_rows INT64,
  anybody_since TIMESTAMP,
  before_history_days INT64,
  anybody_history_days INT64,
  usual_max_sessions INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY dst_ip, dst_port
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE login_victim_usual AS old
USING (
  WITH
    -- Rows that ended when the row's window began, or before (in microseconds of the ends).
    login_victim_usual__frames AS (
      SELECT
        *,
        MAX(slow_sessions) OVER before AS aggregate_1,
        MIN(window_start) OVER before AS aggregate_2,
        COUNT(*) OVER anybody AS aggregate_3,
        MIN(window_start) OVER anybody AS aggregate_4
      FROM login_victim_6h
      WHERE login_victim_6h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 342 HOUR)
        AND login_victim_6h.event_time < tripline_to
      WINDOW
        before AS (
          PARTITION BY dst_ip, dst_port ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 1231199999999 PRECEDING AND 21600000000 PRECEDING
        ),
        anybody AS (
          ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 280799999999 PRECEDING AND 21600000000 PRECEDING
        )
    ),
    -- Rows with their look-backs.
    login_victim_usual__outputs AS (
      SELECT
        dst_ip,
        dst_port,
        window_start,
        window_end,
        event_time,
        slow_sessions,
        sources,
        top_source,
        aggregate_1 AS before_max_sessions,
        aggregate_2 AS before_since,
        aggregate_3 AS anybody_rows,
        aggregate_4 AS anybody_since
      FROM login_victim_usual__frames
      WHERE event_time >= tripline_from
        AND event_time < tripline_to
    ),
    -- Columns from aggregates.
    login_victim_usual__derive_1 AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_DIFF(window_start, before_since, DAY), 0) AS before_history_days,
        COALESCE(TIMESTAMP_DIFF(window_start, anybody_since, DAY), 0) AS anybody_history_days,
        COALESCE(before_max_sessions, 0) AS usual_max_sessions
      FROM login_victim_usual__outputs
    )
  SELECT
    dst_ip,
    dst_port,
    window_start,
    window_end,
    event_time,
    slow_sessions,
    sources,
    top_source,
    before_max_sessions,
    before_since,
    anybody_rows,
    anybody_since,
    before_history_days,
    anybody_history_days,
    usual_max_sessions
  FROM login_victim_usual__derive_1
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, dst_port, window_start, window_end, event_time, slow_sessions, sources, top_source, before_max_sessions, before_since, anybody_rows, anybody_since, before_history_days, anybody_history_days, usual_max_sessions)
  VALUES (dst_ip, dst_port, window_start, window_end, event_time, slow_sessions, sources, top_source, before_max_sessions, before_since, anybody_rows, anybody_since, before_history_days, anybody_history_days, usual_max_sessions);
