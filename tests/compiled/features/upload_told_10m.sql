-- features/upload_told_10m.yaml: windows of 10m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS upload_told_10m (
  actor STRING,
  peer STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  begin TIMESTAMP,
  named STRING,
  sure FLOAT64
)
PARTITION BY DATE(event_time)
CLUSTER BY actor, peer
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE upload_told_10m AS old
USING (
  WITH
    -- hits(net.destination.rare, net.exfiltration, net.volume.outlier): rows of rules that no exception covers.
    upload_told_10m__hits AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:120:net.destination.rare',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.destination.rare' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(1.0 > 0.0, LEAST(1.0, 1.0), 0.0) AS score,
        0.35 AS weight,
        'low' AS severity,
        'risk' AS alert,
        t.src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        t.dst_ip AS peer,
        t.subscriber_id AS subscriber_id,
        t.src_ip AS src_ip,
        t.dst_ip AS dst_ip,
        CAST(NULL AS INT64) AS dst_port
      FROM rule_net_destination_rare AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 10 MINUTE)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:116:net.exfiltration',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.exfiltration' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.tx_bytes AS FLOAT64) / 2000000000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.tx_bytes AS FLOAT64) / 2000000000.0), 1.0), 0.0) AS score,
        0.85 AS weight,
        'high' AS severity,
        'always' AS alert,
        t.top_src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        t.top_dst_ip AS peer,
        t.subscriber_id AS subscriber_id,
        CAST(NULL AS STRING) AS src_ip,
        CAST(NULL AS STRING) AS dst_ip,
        CAST(NULL AS INT64) AS dst_port
      FROM rule_net_exfiltration AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 10 MINUTE)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:118:net.volume.outlier',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.volume.outlier' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.tx_bytes AS FLOAT64) / 1000000000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.tx_bytes AS FLOAT64) / 1000000000.0), 1.0), 0.0) AS score,
        0.8 AS weight,
        'high' AS severity,
        'always' AS alert,
        t.src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        t.dst_ip AS peer,
        t.subscriber_id AS subscriber_id,
        t.src_ip AS src_ip,
        t.dst_ip AS dst_ip,
        CAST(NULL AS INT64) AS dst_port
      FROM rule_net_volume_outlier AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 10 MINUTE)
        AND t.event_time < tripline_to
    ),
    -- Rows that count, each with its pane of 10m.
    upload_told_10m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 10 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM upload_told_10m__hits
      WHERE actor IS NOT NULL
        AND peer IS NOT NULL
    ),
    -- Rows by key and window.
    upload_told_10m__panes AS (
      SELECT
        actor,
        peer,
        pane_start,
        MAX(window_start) AS begin,
        STRING_AGG(DISTINCT rule, ', ' ORDER BY rule LIMIT 10) AS named,
        MAX(score * weight) AS sure
      FROM upload_told_10m__rows
      GROUP BY actor, peer, pane_start
    )
  SELECT
    actor,
    peer,
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
    begin,
    named,
    sure
  FROM upload_told_10m__panes
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (actor, peer, window_start, window_end, event_time, begin, named, sure)
  VALUES (actor, peer, window_start, window_end, event_time, begin, named, sure);
