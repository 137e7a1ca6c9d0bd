-- Rule net.volume.outlier: Far more sent than anybody else sends
-- @min_bytes is 200000000
-- @min_times_max is 2
-- @min_z is 4.0
-- @min_spread is 0.5
-- @min_pairs is 20
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_volume_outlier (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  established INT64,
  tx_bytes INT64,
  rx_bytes INT64,
  log_tx FLOAT64,
  population_pairs INT64,
  population_mean FLOAT64,
  population_spread FLOAT64,
  usual_max_bytes INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_volume_outlier AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    rule_net_volume_outlier__joined AS (
      SELECT
        t.*,
        p.window_start AS p__window_start,
        p.window_end AS p__window_end,
        p.event_time AS p__event_time,
        IF(p.window_start IS NULL, 0, p.pairs) AS p__pairs,
        IF(p.window_start IS NULL, 0.0, p.mean_log_tx) AS p__mean_log_tx,
        IF(p.window_start IS NULL, 0.0, p.spread_log_tx) AS p__spread_log_tx,
        u.window_start AS u__window_start,
        u.window_end AS u__window_end,
        u.event_time AS u__event_time,
        IF(u.window_start IS NULL, 0, u.tx_bytes) AS u__tx_bytes
      FROM upload_10m AS t
      LEFT JOIN population_10m AS p
        ON t.window_start = p.window_start
        AND t.window_end = p.window_end
        AND p.event_time >= tripline_from
        AND p.event_time < tripline_to
      LEFT JOIN upload_peak_28d AS u
        ON u.window_end = TIMESTAMP_BUCKET(t.window_start, INTERVAL 1 DAY, TIMESTAMP '1970-01-01 00:00:00+00')
        AND COALESCE(t.subscriber_id, '') = COALESCE(u.subscriber_id, '')
        AND (t.subscriber_id IS NULL) = (u.subscriber_id IS NULL)
        AND COALESCE(t.src_ip, '') = COALESCE(u.src_ip, '')
        AND (t.src_ip IS NULL) = (u.src_ip IS NULL)
        AND COALESCE(t.dst_ip, '') = COALESCE(u.dst_ip, '')
        AND (t.dst_ip IS NULL) = (u.dst_ip IS NULL)
        AND u.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1450 MINUTE)
        AND u.event_time < tripline_to
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    )
  SELECT
    subscriber_id,
    src_ip,
    dst_ip,
    window_start,
    window_end,
    event_time,
    flows,
    established,
    tx_bytes,
    rx_bytes,
    log_tx,
    p__pairs AS population_pairs,
    p__mean_log_tx AS population_mean,
    p__spread_log_tx AS population_spread,
    u__tx_bytes AS usual_max_bytes
  FROM rule_net_volume_outlier__joined
  WHERE tx_bytes >= 200000000
    AND p__pairs >= 20
    AND log_tx - p__mean_log_tx >= 4.0 * GREATEST(p__spread_log_tx, 0.5)
    AND tx_bytes >= 2 * u__tx_bytes
    AND COALESCE(dst_ip, '') NOT IN (SELECT value FROM allow_uploads)
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, flows, established, tx_bytes, rx_bytes, log_tx, population_pairs, population_mean, population_spread, usual_max_bytes)
  VALUES (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, flows, established, tx_bytes, rx_bytes, log_tx, population_pairs, population_mean, population_spread, usual_max_bytes);
