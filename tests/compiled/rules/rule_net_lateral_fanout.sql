-- Rule net.lateral.fanout: One of our hosts administers many others for the first time
-- @min_hosts is 10
-- @min_days is 7
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_lateral_fanout (
  subscriber_id STRING,
  src_ip STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  new_hosts INT64,
  sessions INT64,
  min_port INT64,
  max_port INT64,
  history_days INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_lateral_fanout AS old
USING (
  SELECT
    subscriber_id,
    src_ip,
    window_start,
    window_end,
    event_time,
    new_hosts,
    sessions,
    min_port,
    max_port,
    history_days
  FROM admin_first_30m
  WHERE new_hosts >= 10
    AND history_days >= 7
    AND COALESCE(src_ip, '') NOT IN (SELECT value FROM allow_scanners)
    AND admin_first_30m.event_time >= tripline_from
    AND admin_first_30m.event_time < tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, window_start, window_end, event_time, new_hosts, sessions, min_port, max_port, history_days)
  VALUES (subscriber_id, src_ip, window_start, window_end, event_time, new_hosts, sessions, min_port, max_port, history_days);
