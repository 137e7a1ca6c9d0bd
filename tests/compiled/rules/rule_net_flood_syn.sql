-- Rule net.flood.syn: SYN flood
-- @min_unanswered is 1000
-- @min_share is 0.9
-- @min_alone is 10000
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_flood_syn (
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  unanswered INT64,
  sources INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY dst_ip, dst_port
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_flood_syn AS old
USING (
  SELECT
    dst_ip,
    dst_port,
    window_start,
    window_end,
    event_time,
    flows,
    unanswered,
    sources
  FROM service_1m
  WHERE (unanswered >= 1000 AND CAST(unanswered AS FLOAT64) >= 0.9 * CAST(flows AS FLOAT64) OR unanswered >= 10000)
    AND service_1m.event_time >= tripline_from
    AND service_1m.event_time < tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, dst_port, window_start, window_end, event_time, flows, unanswered, sources)
  VALUES (dst_ip, dst_port, window_start, window_end, event_time, flows, unanswered, sources);
