-- Rule net.bruteforce: Repeated login attempts
-- @min_sessions is 60
-- @min_share is 0.8
-- @min_alone is 300
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_bruteforce (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  sessions INT64,
  short_sessions INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip, dst_port
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_bruteforce AS old
USING (
  SELECT
    subscriber_id,
    src_ip,
    dst_ip,
    dst_port,
    window_start,
    window_end,
    event_time,
    sessions,
    short_sessions
  FROM session_5m
  WHERE (short_sessions >= 60 AND CAST(short_sessions AS FLOAT64) >= 0.8 * CAST(sessions AS FLOAT64) OR short_sessions >= 300)
    AND COALESCE(dst_port, 0) IN (SELECT port FROM login_ports)
    AND COALESCE(src_ip, '') NOT IN (SELECT value FROM allow_scanners)
    AND session_5m.event_time >= tripline_from
    AND session_5m.event_time < tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, sessions, short_sessions)
  VALUES (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, sessions, short_sessions);
