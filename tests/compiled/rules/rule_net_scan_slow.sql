-- Rule net.scan.slow: Slow scan of our networks from within
-- @min_targets is 30
-- @min_times_most is 3
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_scan_slow (
  subscriber_id STRING,
  src_ip STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  targets INT64,
  dst_ips INT64,
  dst_ports INT64,
  attempts INT64,
  most_at_once INT64,
  last_end TIMESTAMP
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_scan_slow AS old
USING (
  SELECT
    subscriber_id,
    src_ip,
    window_start,
    window_end,
    event_time,
    targets,
    dst_ips,
    dst_ports,
    attempts,
    most_at_once,
    last_end
  FROM dead_source_1d
  WHERE targets >= 30
    AND targets >= 3 * most_at_once
    AND last_end > TIMESTAMP_SUB(window_end, INTERVAL 1 HOUR)
    AND COALESCE(src_ip, '') NOT IN (SELECT value FROM allow_scanners)
    AND dead_source_1d.event_time >= tripline_from
    AND dead_source_1d.event_time < tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, window_start, window_end, event_time, targets, dst_ips, dst_ports, attempts, most_at_once, last_end)
  VALUES (subscriber_id, src_ip, window_start, window_end, event_time, targets, dst_ips, dst_ports, attempts, most_at_once, last_end);
