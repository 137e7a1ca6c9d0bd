-- Rule net.beacon.slow: Patient contact with a new destination that few use
-- @min_hours is 8
-- @max_gap is 4
-- @min_span is 14
-- @max_spread is 0.3
-- @max_subscribers is 2
-- @max_age is 24
-- @min_before is 4
-- @max_alike is 3
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
  source_since TIMESTAMP,
  mean_bytes FLOAT64,
  spread_bytes FLOAT64,
  span_hours INT64,
  known_hours INT64,
  hours_before INT64,
  destination_subscribers INT64,
  alike INT64
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
        IF(d.window_start IS NULL, 0, d.subscribers) AS d__subscribers,
        a.window_start AS a__window_start,
        a.window_end AS a__window_end,
        a.event_time AS a__event_time,
        IF(a.window_start IS NULL, 0, a.pairs) AS a__pairs
      FROM call_1d AS t
      LEFT JOIN called_1d AS d
        ON t.window_start = d.window_start
        AND t.window_end = d.window_end
        AND COALESCE(t.dst_ip, '') = COALESCE(d.dst_ip, '')
        AND (t.dst_ip IS NULL) = (d.dst_ip IS NULL)
        AND d.event_time >= tripline_from
        AND d.event_time < tripline_to
      LEFT JOIN call_alike_2h AS a
        ON a.window_end = TIMESTAMP_BUCKET(t.window_end, INTERVAL 2 HOUR, TIMESTAMP '1970-01-01 00:00:00+00')
        AND a.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 2 HOUR)
        AND a.event_time < tripline_to
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
    source_since,
    mean_bytes,
    spread_bytes,
    span_hours,
    known_hours,
    hours_before,
    d__subscribers AS destination_subscribers,
    a__pairs AS alike
  FROM rule_net_beacon_slow__joined
  WHERE active_hours >= 8
    AND max_gap <= 4
    AND span_hours >= 14
    AND spread_bytes <= 0.3 * mean_bytes
    AND d__subscribers <= 2
    AND known_hours <= 24
    AND (hours_before >= 4 OR a__pairs <= 3)
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, active_hours, calls, max_gap, first_start, last_end, known_since, source_since, mean_bytes, spread_bytes, span_hours, known_hours, hours_before, destination_subscribers, alike)
  VALUES (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, active_hours, calls, max_gap, first_start, last_end, known_since, source_since, mean_bytes, spread_bytes, span_hours, known_hours, hours_before, destination_subscribers, alike);
