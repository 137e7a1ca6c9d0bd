-- Rule net.scan.horizontal: Horizontal scan
-- @min_destinations is 100
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_scan_horizontal (
  subscriber_id STRING,
  src_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  dst_ips INT64,
  dead_ips INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_port
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_scan_horizontal AS old
USING (
  SELECT
    subscriber_id,
    src_ip,
    dst_port,
    window_start,
    window_end,
    event_time,
    flows,
    dst_ips,
    dead_ips
  FROM source_port_5m
  WHERE dead_ips >= 100
    AND COALESCE(src_ip, '') NOT IN (SELECT value FROM allow_scanners)
    AND source_port_5m.event_time >= tripline_from
    AND source_port_5m.event_time < tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_port, window_start, window_end, event_time, flows, dst_ips, dead_ips)
  VALUES (subscriber_id, src_ip, dst_port, window_start, window_end, event_time, flows, dst_ips, dead_ips);
