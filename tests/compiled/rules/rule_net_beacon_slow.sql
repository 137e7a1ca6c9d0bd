-- Rule net.beacon.slow: Patient contact with a new destination that few use
-- @min_hours is 8
-- @max_gap is 4
-- @min_span is 14
-- @max_spread is 0.3
-- @max_subscribers is 2
-- @max_age is 24
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_beacon_slow (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  active_hours INT64,
  calls INT64,
  max_gap INT64,
  first_start TIMESTAMP,
  last_end TIMESTAMP,
  known_since TIMESTAMP,
  mean_bytes FLOAT64,
  spread_bytes FLOAT64,
  span_hours INT64,
  destination_subscribers INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip, dst_port
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_beacon_slow AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    rule_net_beacon_slow__joined AS (
      SELECT
        t.*,
        d.window_start AS d__window_start,
        d.window_end AS d__window_end,
        d.event_time AS d__event_time,
        IF(d.window_start IS NULL, 0, d.subscribers) AS d__subscribers
      FROM call_1d AS t
      LEFT JOIN called_1d AS d
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
    active_hours,
    calls,
    max_gap,
    first_start,
    last_end,
    known_since,
    mean_bytes,
    spread_bytes,
    span_hours,
    d__subscribers AS destination_subscribers
  FROM rule_net_beacon_slow__joined
  WHERE active_hours >= 8
    AND max_gap <= 4
    AND span_hours >= 14
    AND spread_bytes <= 0.3 * mean_bytes
    AND d__subscribers <= 2
    AND TIMESTAMP_DIFF(window_end, known_since, HOUR) <= 24
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, active_hours, calls, max_gap, first_start, last_end, known_since, mean_bytes, spread_bytes, span_hours, destination_subscribers)
  VALUES (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, active_hours, calls, max_gap, first_start, last_end, known_since, mean_bytes, spread_bytes, span_hours, destination_subscribers);
