-- Rule net.beacon.interval: Calls at regular intervals to a destination that few use
-- @min_gaps is 16
-- @min_hours is 6
-- @min_minutes is 2
-- @max_minutes is 60
-- @max_spread is 0.15
-- @max_subscribers is 3
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_beacon_interval (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  gaps INT64,
  gap_low INT64,
  gap_median INT64,
  gap_high INT64,
  tx_low INT64,
  tx_median INT64,
  tx_high INT64,
  first_call TIMESTAMP,
  last_call TIMESTAMP,
  destination_subscribers INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip, dst_port
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_beacon_interval AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    rule_net_beacon_interval__joined AS (
      SELECT
        t.*,
        d.window_start AS d__window_start,
        d.window_end AS d__window_end,
        d.event_time AS d__event_time,
        IF(d.window_start IS NULL, 0, d.subscribers) AS d__subscribers
      FROM contact_gap_24h AS t
      LEFT JOIN destination_24h AS d
        ON t.window_start = d.window_start
        AND t.window_end = d.window_end
        AND COALESCE(t.dst_ip, '') = COALESCE(d.dst_ip, '')
        AND (t.dst_ip IS NULL) = (d.dst_ip IS NULL)
        AND d.event_time >= tripline_from
        AND d.event_time < tripline_to
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    )
  SELECT
    subscriber_id,
    src_ip,
    dst_ip,
    dst_port,
    window_start,
    window_end,
    event_time,
    gaps,
    gap_low,
    gap_median,
    gap_high,
    tx_low,
    tx_median,
    tx_high,
    first_call,
    last_call,
    d__subscribers AS destination_subscribers
  FROM rule_net_beacon_interval__joined
  WHERE gaps >= 16
    AND TIMESTAMP_DIFF(last_call, first_call, HOUR) >= 6
    AND last_call >= TIMESTAMP_SUB(window_end, INTERVAL 6 HOUR)
    AND gap_median >= 2
    AND gap_median <= 60
    AND CAST(gap_high - gap_low AS FLOAT64) <= GREATEST(1.0, 0.15 * CAST(gap_median AS FLOAT64))
    AND CAST(tx_high - tx_low AS FLOAT64) <= 0.15 * CAST(tx_median AS FLOAT64)
    AND d__subscribers <= 3
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, gaps, gap_low, gap_median, gap_high, tx_low, tx_median, tx_high, first_call, last_call, destination_subscribers)
  VALUES (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, gaps, gap_low, gap_median, gap_high, tx_low, tx_median, tx_high, first_call, last_call, destination_subscribers);
