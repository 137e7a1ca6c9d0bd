-- features/reflector_5m.yaml: windows of 5m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS reflector_5m (
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  requested_bytes INT64,
  answered_bytes INT64,
  victims INT64,
  top_victim STRING
)
PARTITION BY DATE(event_time)
CLUSTER BY dst_ip, dst_port
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE reflector_5m AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    reflector_5m__joined AS (
      SELECT
        t.*,
        s.net AS s__net,
        IF(s.net IS NULL, FALSE, s.inside) AS s__inside,
        s.reason AS s__reason,
        d.net AS d__net,
        IF(d.net IS NULL, FALSE, d.inside) AS d__inside,
        d.reason AS d__reason
      FROM flows AS t
      LEFT JOIN UNNEST(ARRAY(
        SELECT AS STRUCT l.*
        FROM UNNEST((SELECT ARRAY_AGG(r) FROM networks AS r)) AS l
        WHERE BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.src_ip)) = BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))
          AND NET.IP_TRUNC(NET.SAFE_IP_FROM_STRING(t.src_ip), LEAST(COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))), 8 * BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.src_ip)))) = NET.IP_TRUNC(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]), COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))))
        ORDER BY COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))) DESC
        LIMIT 1
      )) AS s
      LEFT JOIN UNNEST(ARRAY(
        SELECT AS STRUCT l.*
        FROM UNNEST((SELECT ARRAY_AGG(r) FROM networks AS r)) AS l
        WHERE BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.dst_ip)) = BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))
          AND NET.IP_TRUNC(NET.SAFE_IP_FROM_STRING(t.dst_ip), LEAST(COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))), 8 * BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.dst_ip)))) = NET.IP_TRUNC(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]), COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))))
        ORDER BY COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))) DESC
        LIMIT 1
      )) AS d
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 5 MINUTE)
        AND t.event_time < tripline_to
    ),
    -- Rows that count, each with its pane of 5m.
    reflector_5m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 5 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM reflector_5m__joined
      WHERE COALESCE(protocol_number, 0) = 17
        AND COALESCE(dst_port, 0) IN (SELECT port FROM reflection_ports)
        AND COALESCE(rx_bytes, 0) >= 10 * COALESCE(tx_bytes, 0)
        AND d__inside
        AND NOT s__inside
    ),
    -- Rows by key and window.
    reflector_5m__panes AS (
      SELECT
        dst_ip,
        dst_port,
        pane_start,
        COUNT(*) AS flows,
        SUM(COALESCE(tx_bytes, 0)) AS requested_bytes,
        SUM(GREATEST(COALESCE(rx_bytes, 0), 0)) AS answered_bytes,
        LEAST(COUNT(DISTINCT src_ip), 1000000) AS victims,
        ARRAY_AGG(src_ip IGNORE NULLS ORDER BY rx_bytes DESC, row_id LIMIT 1)[SAFE_OFFSET(0)] AS top_victim
      FROM reflector_5m__rows
      WHERE (admit_watermark IS NULL OR admit_watermark < TIMESTAMP_ADD(pane_start, INTERVAL 5 MINUTE))
      GROUP BY dst_ip, dst_port, pane_start
    )
  SELECT
    dst_ip,
    dst_port,
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 5 MINUTE) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 5 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
    flows,
    requested_bytes,
    answered_bytes,
    victims,
    top_victim
  FROM reflector_5m__panes
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 5 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 5 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, dst_port, window_start, window_end, event_time, flows, requested_bytes, answered_bytes, victims, top_victim)
  VALUES (dst_ip, dst_port, window_start, window_end, event_time, flows, requested_bytes, answered_bytes, victims, top_victim);
