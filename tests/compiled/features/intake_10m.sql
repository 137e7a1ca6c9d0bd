-- features/intake_10m.yaml: windows of 10m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS intake_10m (
  taker STRING,
  giver STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  bytes INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY taker, giver
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE intake_10m AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    intake_10m__joined AS (
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
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 10 MINUTE)
        AND t.event_time < tripline_to
    ),
    -- Columns per row.
    intake_10m__row_1 AS (
      SELECT
        *,
        COALESCE(rx_bytes, 0) > COALESCE(tx_bytes, 0) AS pulled,
        GREATEST(COALESCE(tx_bytes, 0), COALESCE(rx_bytes, 0)) AS bytes
      FROM intake_10m__joined
    ),
    -- Columns per row.
    intake_10m__row_2 AS (
      SELECT
        *,
        IF(pulled, src_ip, dst_ip) AS taker,
        IF(pulled, dst_ip, src_ip) AS giver
      FROM intake_10m__row_1
    ),
    -- Rows that count, each with its pane of 10m.
    intake_10m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 10 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM intake_10m__row_2
      WHERE bytes >= 100000
        AND outcome = 'established'
        AND s__inside
        AND d__inside
    ),
    -- Rows by key and window.
    intake_10m__panes AS (
      SELECT
        taker,
        giver,
        pane_start,
        SUM(bytes) AS bytes
      FROM intake_10m__rows
      WHERE (admit_watermark IS NULL OR admit_watermark < TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE))
      GROUP BY taker, giver, pane_start
    )
  SELECT
    taker,
    giver,
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
    bytes
  FROM intake_10m__panes
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (taker, giver, window_start, window_end, event_time, bytes)
  VALUES (taker, giver, window_start, window_end, event_time, bytes);
