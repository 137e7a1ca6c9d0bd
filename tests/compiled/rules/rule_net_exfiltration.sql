-- Rule net.exfiltration: Far more sent out than this subscriber sends at this hour
-- @min_bytes is 200000000
-- @min_z is 4.0
-- @min_spread is 0.5
-- @min_times_max is 2
-- @min_days is 7
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_exfiltration (
  subscriber_id STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  tx_bytes INT64,
  rx_bytes INT64,
  dst_ips INT64,
  top_src_ip STRING,
  top_dst_ip STRING,
  hour INT64,
  day DATE,
  size FLOAT64,
  same_hour_times INT64,
  same_hour_size FLOAT64,
  same_hour_square FLOAT64,
  same_hour_max_bytes INT64,
  same_hour_since TIMESTAMP,
  known_days INT64,
  known_since TIMESTAMP,
  same_hour_history_days INT64,
  known_history_days INT64,
  usual_size FLOAT64,
  usual_spread FLOAT64,
  usual_max_bytes INT64,
  z FLOAT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_exfiltration AS old
USING (
  SELECT
    subscriber_id,
    window_start,
    window_end,
    event_time,
    flows,
    tx_bytes,
    rx_bytes,
    dst_ips,
    top_src_ip,
    top_dst_ip,
    hour,
    day,
    size,
    same_hour_times,
    same_hour_size,
    same_hour_square,
    same_hour_max_bytes,
    same_hour_since,
    known_days,
    known_since,
    same_hour_history_days,
    known_history_days,
    usual_size,
    usual_spread,
    usual_max_bytes,
    SAFE_DIVIDE(size - usual_size, GREATEST(usual_spread, 0.5)) AS z
  FROM subscriber_upload_usual
  WHERE tx_bytes >= 200000000
    AND known_days >= 7
    AND size - usual_size >= 4.0 * GREATEST(usual_spread, 0.5)
    AND tx_bytes >= 2 * usual_max_bytes
    AND subscriber_upload_usual.event_time >= tripline_from
    AND subscriber_upload_usual.event_time < tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, window_start, window_end, event_time, flows, tx_bytes, rx_bytes, dst_ips, top_src_ip, top_dst_ip, hour, day, size, same_hour_times, same_hour_size, same_hour_square, same_hour_max_bytes, same_hour_since, known_days, known_since, same_hour_history_days, known_history_days, usual_size, usual_spread, usual_max_bytes, z)
  VALUES (subscriber_id, window_start, window_end, event_time, flows, tx_bytes, rx_bytes, dst_ips, top_src_ip, top_dst_ip, hour, day, size, same_hour_times, same_hour_size, same_hour_square, same_hour_max_bytes, same_hour_since, known_days, known_since, same_hour_history_days, known_history_days, usual_size, usual_spread, usual_max_bytes, z);
