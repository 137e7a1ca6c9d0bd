-- features/login_session_10m.yaml: windows of 10m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS login_session_10m (
  src_ip STRING,
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  sessions INT64,
  bytes INT64,
  last_begin TIMESTAMP
)
PARTITION BY DATE(event_time)
CLUSTER BY src_ip, dst_ip, dst_port
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE login_session_10m AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    login_session_10m__joined AS (
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
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 10 MINUTE)
        AND t.event_time < tripline_to
    ),
    -- Rows that count, each with its pane of 10m.
    login_session_10m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 10 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM login_session_10m__joined
      WHERE COALESCE(dst_port, 0) IN (SELECT port FROM login_ports)
        AND COALESCE(protocol_number, 0) = 6
        AND d__inside
        AND outcome = 'established'
        AND COALESCE(tx_bytes, 0) + COALESCE(rx_bytes, 0) >= 20000
    ),
    -- Rows by key and window.
    login_session_10m__panes AS (
      SELECT
        src_ip,
        dst_ip,
        dst_port,
        pane_start,
        COUNT(*) AS sessions,
        SUM(COALESCE(tx_bytes, 0) + COALESCE(rx_bytes, 0)) AS bytes,
        MAX(TIMESTAMP_SUB(event_time, INTERVAL COALESCE(duration_ms, 0) MILLISECOND)) AS last_begin
      FROM login_session_10m__rows
      WHERE (admit_watermark IS NULL OR admit_watermark < TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE))
      GROUP BY src_ip, dst_ip, dst_port, pane_start
    )
  SELECT
    src_ip,
    dst_ip,
    dst_port,
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
    sessions,
    bytes,
    last_begin
  FROM login_session_10m__panes
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (src_ip, dst_ip, dst_port, window_start, window_end, event_time, sessions, bytes, last_begin)
  VALUES (src_ip, dst_ip, dst_port, window_start, window_end, event_time, sessions, bytes, last_begin);
