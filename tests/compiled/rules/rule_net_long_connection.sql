-- Rule net.long_connection: A connection of hours to a destination that few use
-- @min_hours is 4
-- @max_subscribers is 3
-- @min_population is 10
-- @min_days is 3
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_long_connection (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  longest_ms INT64,
  tx_bytes INT64,
  rx_bytes INT64,
  destination_subscribers INT64,
  hours INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip, dst_port
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_long_connection AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    rule_net_long_connection__joined AS (
      SELECT
        t.*,
        d.window_start AS d__window_start,
        d.window_end AS d__window_end,
        d.event_time AS d__event_time,
        IF(d.window_start IS NULL, 0, d.subscribers) AS d__subscribers,
        p.window_start AS p__window_start,
        p.window_end AS p__window_end,
        p.event_time AS p__event_time,
        IF(p.window_start IS NULL, 0, p.days) AS p__days,
        IF(p.window_start IS NULL, 0, p.subscribers) AS p__subscribers
      FROM long_flow_1h AS t
      LEFT JOIN destination_7d AS d
        ON d.window_end = TIMESTAMP_BUCKET(t.window_start, INTERVAL 1 DAY, TIMESTAMP '1970-01-01 00:00:00+00')
        AND COALESCE(t.dst_ip, '') = COALESCE(d.dst_ip, '')
        AND (t.dst_ip IS NULL) = (d.dst_ip IS NULL)
        AND d.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 25 HOUR)
        AND d.event_time < tripline_to
      LEFT JOIN population_7d AS p
        ON p.window_end = TIMESTAMP_BUCKET(t.window_start, INTERVAL 1 DAY, TIMESTAMP '1970-01-01 00:00:00+00')
        AND p.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 25 HOUR)
        AND p.event_time < tripline_to
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
    longest_ms,
    tx_bytes,
    rx_bytes,
    d__subscribers AS destination_subscribers,
    CAST(ROUND(CAST(longest_ms AS FLOAT64) / 3600000.0) AS INT64) AS hours
  FROM rule_net_long_connection__joined
  WHERE longest_ms >= 4 * 3600000
    AND d__subscribers <= 3
    AND p__subscribers >= 10
    AND p__days >= 3
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, longest_ms, tx_bytes, rx_bytes, destination_subscribers, hours)
  VALUES (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, longest_ms, tx_bytes, rx_bytes, destination_subscribers, hours);
