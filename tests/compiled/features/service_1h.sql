-- features/service_1h.yaml: windows of 1h.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS service_1h (
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  bytes INT64,
  clients INT64,
  first_client STRING
)
PARTITION BY DATE(event_time)
CLUSTER BY dst_ip, dst_port
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE service_1h AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    service_1h__joined AS (
      SELECT
        t.*,
        d.net AS d__net,
        IF(d.net IS NULL, FALSE, d.inside) AS d__inside,
        d.reason AS d__reason
      FROM flows AS t
      LEFT JOIN UNNEST(ARRAY(
        SELECT AS STRUCT l.*
        FROM UNNEST((SELECT ARRAY_AGG(r) FROM networks AS r)) AS l
        WHERE BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.dst_ip)) = BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))
          AND NET.IP_TRUNC(NET.SAFE_IP_FROM_STRING(t.dst_ip), LEAST(COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))), 8 * BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.dst_ip)))) = NET.IP_TRUNC(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]), COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))))
        ORDER BY COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))) DESC
        LIMIT 1
      )) AS d
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 HOUR)
        AND t.event_time < tripline_to
    ),
    -- Rows that count, each with its pane of 1h.
    service_1h__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 HOUR, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM service_1h__joined
      WHERE outcome = 'established'
        AND COALESCE(protocol_number, 0) = 6
        AND d__inside
        AND dst_port IS NOT NULL
        AND COALESCE(src_ip, '') NOT IN (SELECT value FROM allow_scanners)
    ),
    -- Rows by key and window.
    service_1h__panes AS (
      SELECT
        dst_ip,
        dst_port,
        pane_start,
        COUNT(*) AS flows,
        SUM(COALESCE(tx_bytes, 0) + COALESCE(rx_bytes, 0)) AS bytes,
        LEAST(COUNT(DISTINCT src_ip), 1000000) AS clients,
        ARRAY_AGG(src_ip IGNORE NULLS ORDER BY event_time, row_id LIMIT 1)[SAFE_OFFSET(0)] AS first_client
      FROM service_1h__rows
      WHERE (admit_watermark IS NULL OR admit_watermark < TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR))
      GROUP BY dst_ip, dst_port, pane_start
    )
  SELECT
    dst_ip,
    dst_port,
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR), INTERVAL 1 MICROSECOND) AS event_time,
    flows,
    bytes,
    clients,
    first_client
  FROM service_1h__panes
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 1 HOUR) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, dst_port, window_start, window_end, event_time, flows, bytes, clients, first_client)
  VALUES (dst_ip, dst_port, window_start, window_end, event_time, flows, bytes, clients, first_client);
