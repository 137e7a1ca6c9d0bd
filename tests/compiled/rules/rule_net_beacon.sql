-- Rule net.beacon: Regular contact with a destination that few use
-- @min_minutes is 24
-- @min_minutes_inside is 27
-- @max_spread is 0.6
-- @max_tx_bytes is 100000000
-- @max_subscribers is 3
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_beacon (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  active_minutes INT64,
  calls INT64,
  tx_bytes INT64,
  mean_calls FLOAT64,
  spread_calls FLOAT64,
  destination_subscribers INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip, dst_port
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_beacon AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    rule_net_beacon__joined AS (
      SELECT
        t.*,
        d.window_start AS d__window_start,
        d.window_end AS d__window_end,
        d.event_time AS d__event_time,
        IF(d.window_start IS NULL, 0, d.subscribers) AS d__subscribers,
        n.net AS n__net,
        IF(n.net IS NULL, FALSE, n.inside) AS n__inside,
        n.reason AS n__reason
      FROM contact_30m AS t
      LEFT JOIN destination_30m AS d
        ON t.window_start = d.window_start
        AND t.window_end = d.window_end
        AND COALESCE(t.dst_ip, '') = COALESCE(d.dst_ip, '')
        AND (t.dst_ip IS NULL) = (d.dst_ip IS NULL)
        AND d.event_time >= tripline_from
        AND d.event_time < tripline_to
      LEFT JOIN UNNEST(ARRAY(
        SELECT AS STRUCT l.*
        FROM UNNEST((SELECT ARRAY_AGG(r) FROM networks AS r)) AS l
        WHERE BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.dst_ip)) = BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))
          AND NET.IP_TRUNC(NET.SAFE_IP_FROM_STRING(t.dst_ip), LEAST(COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))), 8 * BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.dst_ip)))) = NET.IP_TRUNC(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]), COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))))
        ORDER BY COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))) DESC
        LIMIT 1
      )) AS n
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
    tx_bytes,
    mean_calls,
    spread_calls,
    d__subscribers AS destination_subscribers
  FROM rule_net_beacon__joined
  WHERE active_minutes >= 24
    AND (NOT n__inside OR active_minutes >= 27)
    AND spread_calls <= 0.6 * mean_calls
    AND d__subscribers <= 3
    AND tx_bytes <= 100000000
    AND COALESCE(dst_port, 0) NOT IN (SELECT port FROM chatty_ports)
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, active_minutes, calls, tx_bytes, mean_calls, spread_calls, destination_subscribers)
  VALUES (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, active_minutes, calls, tx_bytes, mean_calls, spread_calls, destination_subscribers);
