-- Rule net.volume.outlier: Far more sent than anybody else sends
-- @min_bytes is 100000000
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
  log_tx FLOAT64,
  population_pairs INT64,
  population_mean FLOAT64,
  population_spread FLOAT64
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
        IF(p.window_start IS NULL, 0.0, p.spread_log_tx) AS p__spread_log_tx
      FROM upload_10m AS t
      LEFT JOIN population_10m AS p
        ON t.window_start = p.window_start
        AND t.window_end = p.window_end
        AND p.event_time >= tripline_from
        AND p.event_time < tripline_to
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
    log_tx,
    p__pairs AS population_pairs,
    p__mean_log_tx AS population_mean,
    p__spread_log_tx AS population_spread
  FROM rule_net_volume_outlier__joined
  WHERE tx_bytes >= 100000000
    AND p__pairs >= 20
    AND log_tx - p__mean_log_tx >= 4.0 * GREATEST(p__spread_log_tx, 0.5)
    AND COALESCE(dst_ip, '') NOT IN (SELECT value FROM allow_uploads)
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, flows, established, tx_bytes, log_tx, population_pairs, population_mean, population_spread)
  VALUES (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, flows, established, tx_bytes, log_tx, population_pairs, population_mean, population_spread);
