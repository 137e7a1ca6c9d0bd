-- Rule net.dns.tunnel: Data within DNS queries
-- @min_bytes is 150000
-- @min_all_bytes is 500000
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_dns_tunnel (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  queries INT64,
  tx_bytes INT64,
  long_queries INT64,
  long_bytes INT64,
  rx_bytes INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_dns_tunnel AS old
USING (
  SELECT
    subscriber_id,
    src_ip,
    dst_ip,
    window_start,
    window_end,
    event_time,
    queries,
    tx_bytes,
    long_queries,
    long_bytes,
    rx_bytes
  FROM dns_10m
  WHERE (long_bytes >= 150000 OR tx_bytes >= 500000)
    AND dns_10m.event_time >= tripline_from
    AND dns_10m.event_time < tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, queries, tx_bytes, long_queries, long_bytes, rx_bytes)
  VALUES (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, queries, tx_bytes, long_queries, long_bytes, rx_bytes);
