-- Rule net.beacon.interval: Calls at regular intervals to a destination that few use
-- @min_gaps is 16
-- @min_hours is 6
-- @min_minutes is 2
-- @max_minutes is 45
-- @max_spread is 0.15
-- @max_age is 24
-- @min_before is 4
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
  destination_subscribers INT64,
  known_hours INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip, dst_port
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_beacon_interval AS old
USING (
  WITH
    -- When the next window of the key ends.
    rule_net_beacon_interval__as_of_k_ends AS (
      SELECT
        *,
        LEAD(window_end) OVER (PARTITION BY subscriber_id, src_ip, dst_ip, dst_port ORDER BY window_end) AS next_end
      FROM call_known_1h
      WHERE call_known_1h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND call_known_1h.event_time < tripline_to
    ),
    -- For 1d after its end, each window is the last of its key until the next ends.
    rule_net_beacon_interval__as_of_k AS (
      SELECT
        *,
        TIMESTAMP_ADD(window_end, INTERVAL age HOUR) AS as_of
      FROM rule_net_beacon_interval__as_of_k_ends
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, LEAST(23, COALESCE(DIV(TIMESTAMP_DIFF(next_end, window_end, MICROSECOND), 3600000000) - 1, 23)))) AS age
    ),
    -- Each row beside what is joined to it.
    rule_net_beacon_interval__joined AS (
      SELECT
        t.*,
        d.window_start AS d__window_start,
        d.window_end AS d__window_end,
        d.event_time AS d__event_time,
        IF(d.window_start IS NULL, 0, d.subscribers) AS d__subscribers,
        k.window_start AS k__window_start,
        k.window_end AS k__window_end,
        k.event_time AS k__event_time,
        k.calls AS k__calls,
        k.least_bytes AS k__least_bytes,
        k.known_hours AS k__known_hours,
        k.known_since AS k__known_since,
        k.source_hours AS k__source_hours,
        k.source_since AS k__source_since,
        k.known_history_days AS k__known_history_days,
        k.source_history_days AS k__source_history_days,
        k.known_from AS k__known_from,
        IF(k.window_start IS NULL, 0, k.hours_before) AS k__hours_before
      FROM contact_gap_24h AS t
      LEFT JOIN called_1d AS d
        ON d.window_end = TIMESTAMP_BUCKET(t.window_end, INTERVAL 2 HOUR, TIMESTAMP '1970-01-01 00:00:00+00')
        AND COALESCE(t.dst_ip, '') = COALESCE(d.dst_ip, '')
        AND (t.dst_ip IS NULL) = (d.dst_ip IS NULL)
        AND d.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 2 HOUR)
        AND d.event_time < tripline_to
      LEFT JOIN rule_net_beacon_interval__as_of_k AS k
        ON k.as_of = TIMESTAMP_BUCKET(t.window_end, INTERVAL 1 HOUR, TIMESTAMP '1970-01-01 00:00:00+00')
        AND COALESCE(t.subscriber_id, '') = COALESCE(k.subscriber_id, '')
        AND (t.subscriber_id IS NULL) = (k.subscriber_id IS NULL)
        AND COALESCE(t.src_ip, '') = COALESCE(k.src_ip, '')
        AND (t.src_ip IS NULL) = (k.src_ip IS NULL)
        AND COALESCE(t.dst_ip, '') = COALESCE(k.dst_ip, '')
        AND (t.dst_ip IS NULL) = (k.dst_ip IS NULL)
        AND COALESCE(t.dst_port, 0) = COALESCE(k.dst_port, 0)
        AND (t.dst_port IS NULL) = (k.dst_port IS NULL)
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
    d__subscribers AS destination_subscribers,
    TIMESTAMP_DIFF(window_end, k__known_from, HOUR) AS known_hours
  FROM rule_net_beacon_interval__joined
  WHERE gaps >= 16
    AND TIMESTAMP_DIFF(last_call, first_call, HOUR) >= 6
    AND last_call >= TIMESTAMP_SUB(window_end, INTERVAL 6 HOUR)
    AND gap_median >= 2
    AND gap_median <= 45
    AND CAST(gap_high - gap_low AS FLOAT64) <= GREATEST(1.0, 0.15 * CAST(gap_median AS FLOAT64))
    AND CAST(tx_high - tx_low AS FLOAT64) <= 0.15 * CAST(tx_median AS FLOAT64)
    AND d__subscribers <= 3
    AND TIMESTAMP_DIFF(window_end, COALESCE(k__known_from, TIMESTAMP '1970-01-01 00:00:00+00'), HOUR) <= 24
    AND k__hours_before >= 4
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, gaps, gap_low, gap_median, gap_high, tx_low, tx_median, tx_high, first_call, last_call, destination_subscribers, known_hours)
  VALUES (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, gaps, gap_low, gap_median, gap_high, tx_low, tx_median, tx_high, first_call, last_call, destination_subscribers, known_hours);
