-- Rule net.staging: Collected from many of our hosts, then sent out
-- @min_givers is 5
-- @min_bytes is 25000000
-- @min_days is 7
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_staging (
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
  givers INT64,
  taken_bytes INT64,
  last_taken TIMESTAMP
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_staging AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    rule_net_staging__joined AS (
      SELECT
        t.*,
        i.window_start AS i__window_start,
        i.window_end AS i__window_end,
        i.event_time AS i__event_time,
        IF(i.window_start IS NULL, 0, i.givers) AS i__givers,
        IF(i.window_start IS NULL, 0, i.bytes) AS i__bytes,
        i.last_end AS i__last_end,
        IF(i.window_start IS NULL, 0, i.history_days) AS i__history_days,
        n.net AS n__net,
        IF(n.net IS NULL, FALSE, n.inside) AS n__inside,
        n.reason AS n__reason
      FROM upload_10m AS t
      LEFT JOIN intake_first_24h AS i
        ON i.window_end = TIMESTAMP_BUCKET(t.window_start, INTERVAL 10 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00')
        AND COALESCE(t.src_ip, '') = COALESCE(i.taker, '')
        AND (t.src_ip IS NULL) = (i.taker IS NULL)
        AND i.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 20 MINUTE)
        AND i.event_time < tripline_to
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
    window_start,
    window_end,
    event_time,
    flows,
    established,
    tx_bytes,
    rx_bytes,
    log_tx,
    i__givers AS givers,
    i__bytes AS taken_bytes,
    i__last_end AS last_taken
  FROM rule_net_staging__joined
  WHERE tx_bytes >= 25000000
    AND i__givers >= 5
    AND i__history_days >= 7
    AND NOT n__inside
    AND COALESCE(dst_ip, '') NOT IN (SELECT value FROM allow_uploads)
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, flows, established, tx_bytes, rx_bytes, log_tx, givers, taken_bytes, last_taken)
  VALUES (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, flows, established, tx_bytes, rx_bytes, log_tx, givers, taken_bytes, last_taken);
