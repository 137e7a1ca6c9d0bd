-- Rule net.upload.ratio: Far more sent for what it receives than this subscriber usually does
-- @min_bytes is 20000000
-- @min_times is 2
-- @min_shift is 2.3
-- @min_z is 3.0
-- @min_days is 7
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_upload_ratio (
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
  day DATE,
  ratio FLOAT64,
  usual_days INT64,
  usual_hours INT64,
  usual_ratio FLOAT64,
  usual_spread FLOAT64,
  usual_since TIMESTAMP,
  usual_history_days INT64,
  shift FLOAT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_upload_ratio AS old
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
    day,
    ratio,
    usual_days,
    usual_hours,
    usual_ratio,
    usual_spread,
    usual_since,
    usual_history_days,
    ratio - usual_ratio AS shift
  FROM subscriber_ratio_usual
  WHERE tx_bytes >= 20000000
    AND tx_bytes >= 2 * rx_bytes
    AND usual_days >= 7
    AND COALESCE(ratio - usual_ratio, 0.0) >= 2.3
    AND COALESCE(ratio - usual_ratio, 0.0) >= 3.0 * COALESCE(usual_spread, 0.0)
    AND subscriber_ratio_usual.event_time >= tripline_from
    AND subscriber_ratio_usual.event_time < tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, window_start, window_end, event_time, flows, tx_bytes, rx_bytes, dst_ips, top_src_ip, top_dst_ip, day, ratio, usual_days, usual_hours, usual_ratio, usual_spread, usual_since, usual_history_days, shift)
  VALUES (subscriber_id, window_start, window_end, event_time, flows, tx_bytes, rx_bytes, dst_ips, top_src_ip, top_dst_ip, day, ratio, usual_days, usual_hours, usual_ratio, usual_spread, usual_since, usual_history_days, shift);
