-- Rule net.bruteforce.slow: Slow or distributed login attempts
-- @min_sessions is 150
-- @min_times is 3
-- @min_days is 1
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_bruteforce_slow (
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
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_bruteforce_slow AS old
USING (
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
  FROM login_victim_usual
  WHERE slow_sessions >= 150
    AND slow_sessions >= 3 * usual_max_sessions
    AND anybody_history_days >= 1
    AND login_victim_usual.event_time >= tripline_from
    AND login_victim_usual.event_time < tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, dst_port, window_start, window_end, event_time, slow_sessions, sources, top_source, before_max_sessions, before_since, anybody_rows, anybody_since, before_history_days, anybody_history_days, usual_max_sessions)
  VALUES (dst_ip, dst_port, window_start, window_end, event_time, slow_sessions, sources, top_source, before_max_sessions, before_since, anybody_rows, anybody_since, before_history_days, anybody_history_days, usual_max_sessions);
