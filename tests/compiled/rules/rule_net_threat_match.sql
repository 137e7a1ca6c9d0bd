-- Rule net.threat.match: Contact with a network that threat intelligence names
-- @min_confidence is 0.5
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_threat_match (
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
  threat_ip STRING,
  host_ip STRING,
  feed STRING,
  reason STRING,
  confidence FLOAT64,
  branch INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip, branch
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_threat_match AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    rule_net_threat_match__1__joined AS (
      SELECT
        t.*,
        called.net AS called__net,
        IF(called.net IS NULL, '', called.feed) AS called__feed,
        IF(called.net IS NULL, '', called.reason) AS called__reason,
        IF(called.net IS NULL, 0.0, called.confidence) AS called__confidence,
        calling.net AS calling__net,
        IF(calling.net IS NULL, '', calling.feed) AS calling__feed,
        IF(calling.net IS NULL, '', calling.reason) AS calling__reason,
        IF(calling.net IS NULL, 0.0, calling.confidence) AS calling__confidence
      FROM upload_10m AS t
      LEFT JOIN UNNEST(ARRAY(
        SELECT AS STRUCT l.*
        FROM UNNEST((SELECT ARRAY_AGG(r) FROM threat_networks AS r)) AS l
        WHERE BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.dst_ip)) = BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))
          AND NET.IP_TRUNC(NET.SAFE_IP_FROM_STRING(t.dst_ip), LEAST(COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))), 8 * BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.dst_ip)))) = NET.IP_TRUNC(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]), COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))))
        ORDER BY COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))) DESC
        LIMIT 1
      )) AS called
      LEFT JOIN UNNEST(ARRAY(
        SELECT AS STRUCT l.*
        FROM UNNEST((SELECT ARRAY_AGG(r) FROM threat_networks AS r)) AS l
        WHERE BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.src_ip)) = BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))
          AND NET.IP_TRUNC(NET.SAFE_IP_FROM_STRING(t.src_ip), LEAST(COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))), 8 * BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.src_ip)))) = NET.IP_TRUNC(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]), COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))))
        ORDER BY COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))) DESC
        LIMIT 1
      )) AS calling
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- Each row beside what is joined to it.
    rule_net_threat_match__2__joined AS (
      SELECT
        t.*,
        called.net AS called__net,
        IF(called.net IS NULL, '', called.feed) AS called__feed,
        IF(called.net IS NULL, '', called.reason) AS called__reason,
        IF(called.net IS NULL, 0.0, called.confidence) AS called__confidence,
        calling.net AS calling__net,
        IF(calling.net IS NULL, '', calling.feed) AS calling__feed,
        IF(calling.net IS NULL, '', calling.reason) AS calling__reason,
        IF(calling.net IS NULL, 0.0, calling.confidence) AS calling__confidence
      FROM upload_10m AS t
      LEFT JOIN UNNEST(ARRAY(
        SELECT AS STRUCT l.*
        FROM UNNEST((SELECT ARRAY_AGG(r) FROM threat_networks AS r)) AS l
        WHERE BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.dst_ip)) = BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))
          AND NET.IP_TRUNC(NET.SAFE_IP_FROM_STRING(t.dst_ip), LEAST(COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))), 8 * BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.dst_ip)))) = NET.IP_TRUNC(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]), COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))))
        ORDER BY COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))) DESC
        LIMIT 1
      )) AS called
      LEFT JOIN UNNEST(ARRAY(
        SELECT AS STRUCT l.*
        FROM UNNEST((SELECT ARRAY_AGG(r) FROM threat_networks AS r)) AS l
        WHERE BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.src_ip)) = BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))
          AND NET.IP_TRUNC(NET.SAFE_IP_FROM_STRING(t.src_ip), LEAST(COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))), 8 * BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.src_ip)))) = NET.IP_TRUNC(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]), COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))))
        ORDER BY COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))) DESC
        LIMIT 1
      )) AS calling
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
    dst_ip AS threat_ip,
    src_ip AS host_ip,
    called__feed AS feed,
    called__reason AS reason,
    called__confidence AS confidence,
    1 AS branch
  FROM rule_net_threat_match__1__joined
  WHERE called__confidence >= 0.5
  UNION ALL
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
    src_ip AS threat_ip,
    dst_ip AS host_ip,
    calling__feed AS feed,
    calling__reason AS reason,
    calling__confidence AS confidence,
    2 AS branch
  FROM rule_net_threat_match__2__joined
  WHERE calling__confidence >= 0.5
    AND established > 0
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, flows, established, tx_bytes, rx_bytes, log_tx, threat_ip, host_ip, feed, reason, confidence, branch)
  VALUES (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, flows, established, tx_bytes, rx_bytes, log_tx, threat_ip, host_ip, feed, reason, confidence, branch);
