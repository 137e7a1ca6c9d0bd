-- Rule net.offhours: Active at an hour at which it never was
-- @min_days is 14
-- @min_flows is 20
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_offhours (
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
  usual_max_bytes INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_offhours AS old
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
    usual_max_bytes
  FROM subscriber_upload_usual
  WHERE same_hour_times = 0
    AND known_days >= 14
    AND flows >= 20
    AND subscriber_upload_usual.event_time >= tripline_from
    AND subscriber_upload_usual.event_time < tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, window_start, window_end, event_time, flows, tx_bytes, rx_bytes, dst_ips, top_src_ip, top_dst_ip, hour, day, size, same_hour_times, same_hour_size, same_hour_square, same_hour_max_bytes, same_hour_since, known_days, known_since, same_hour_history_days, known_history_days, usual_size, usual_spread, usual_max_bytes)
  VALUES (subscriber_id, window_start, window_end, event_time, flows, tx_bytes, rx_bytes, dst_ips, top_src_ip, top_dst_ip, hour, day, size, same_hour_times, same_hour_size, same_hour_square, same_hour_max_bytes, same_hour_since, known_days, known_since, same_hour_history_days, known_history_days, usual_size, usual_spread, usual_max_bytes);
