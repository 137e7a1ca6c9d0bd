-- Rule net.scan.vertical: Vertical port scan
-- @min_ports is 100
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_scan_vertical (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  dst_ports INT64,
  dead_ports INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_scan_vertical AS old
USING (
  SELECT
    subscriber_id,
    src_ip,
    dst_ip,
    window_start,
    window_end,
    event_time,
    flows,
    dst_ports,
    dead_ports
  FROM pair_5m
  WHERE dead_ports >= 100
    AND COALESCE(src_ip, '') NOT IN (SELECT value FROM allow_scanners)
    AND pair_5m.event_time >= tripline_from
    AND pair_5m.event_time < tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, flows, dst_ports, dead_ports)
  VALUES (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, flows, dst_ports, dead_ports);
