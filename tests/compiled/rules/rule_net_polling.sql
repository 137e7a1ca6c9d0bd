-- Rule net.polling: Steady polling of a destination that few use
-- @min_minutes is 5
-- @min_calls is 20
-- @max_subscribers is 2
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_polling (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  active_minutes INT64,
  calls INT64,
  min_calls INT64,
  tx_bytes INT64,
  destination_subscribers INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip, dst_port
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_polling AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    rule_net_polling__joined AS (
      SELECT
        t.*,
        d.window_start AS d__window_start,
        d.window_end AS d__window_end,
        d.event_time AS d__event_time,
        IF(d.window_start IS NULL, 0, d.subscribers) AS d__subscribers
      FROM contact_5m AS t
      LEFT JOIN destination_5m AS d
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
    active_minutes,
    calls,
    min_calls,
    tx_bytes,
    d__subscribers AS destination_subscribers
  FROM rule_net_polling__joined
  WHERE active_minutes >= 5
    AND min_calls >= 20
    AND d__subscribers <= 2
    AND COALESCE(dst_port, 0) NOT IN (SELECT port FROM chatty_ports)
    AND COALESCE(dst_port, 0) NOT IN (SELECT port FROM login_ports)
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, active_minutes, calls, min_calls, tx_bytes, destination_subscribers)
  VALUES (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, active_minutes, calls, min_calls, tx_bytes, destination_subscribers);
