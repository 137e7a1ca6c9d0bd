-- features/compromise_72h.yaml: windows of 3d every 10m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS compromise_72h (
  actor STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  first_end TIMESTAMP,
  named STRING,
  sure FLOAT64
)
PARTITION BY DATE(event_time)
CLUSTER BY actor
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE compromise_72h AS old
USING (
  WITH
    -- hits(net.beacon, net.beacon.interval, net.beacon.slow, net.bruteforce.success, net.dns.tunnel, net.lateral.fanout, net.polling, net.scan.horizontal, net.scan.slow, net.scan.vertical, net.threat.match): rows of rules that no exception covers.
    compromise_72h__hits AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:110:net.beacon',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.beacon' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.active_minutes AS FLOAT64) / 30.0) > 0.0, LEAST(LEAST(1.0, CAST(t.active_minutes AS FLOAT64) / 30.0), 1.0), 0.0) AS score,
        0.7 AS weight,
        'high' AS severity,
        'always' AS alert,
        t.src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        t.dst_ip AS peer,
        t.subscriber_id AS subscriber_id,
        t.src_ip AS src_ip,
        t.dst_ip AS dst_ip,
        t.dst_port AS dst_port
      FROM rule_net_beacon AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 3 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:119:net.beacon.interval',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.beacon.interval' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, 0.5 + CAST(t.gaps AS FLOAT64) / 100.0) > 0.0, LEAST(LEAST(1.0, 0.5 + CAST(t.gaps AS FLOAT64) / 100.0), 1.0), 0.0) AS score,
        0.6 AS weight,
        'medium' AS severity,
        'always' AS alert,
        t.src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        t.dst_ip AS peer,
        t.subscriber_id AS subscriber_id,
        t.src_ip AS src_ip,
        t.dst_ip AS dst_ip,
        t.dst_port AS dst_port
      FROM rule_net_beacon_interval AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 3 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:115:net.beacon.slow',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.beacon.slow' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.active_hours AS FLOAT64) / 24.0) > 0.0, LEAST(LEAST(1.0, CAST(t.active_hours AS FLOAT64) / 24.0), 1.0), 0.0) AS score,
        0.6 AS weight,
        'medium' AS severity,
        'always' AS alert,
        t.src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        t.dst_ip AS peer,
        t.subscriber_id AS subscriber_id,
        t.src_ip AS src_ip,
        t.dst_ip AS dst_ip,
        t.dst_port AS dst_port
      FROM rule_net_beacon_slow AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 3 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:122:net.bruteforce.success',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.bruteforce.success' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(1.0 > 0.0, LEAST(1.0, 1.0), 0.0) AS score,
        0.6 AS weight,
        'high' AS severity,
        'always' AS alert,
        t.dst_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        t.src_ip AS peer,
        CAST(NULL AS STRING) AS subscriber_id,
        t.src_ip AS src_ip,
        t.dst_ip AS dst_ip,
        t.dst_port AS dst_port
      FROM rule_net_bruteforce_success AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 3 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:114:net.dns.tunnel',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.dns.tunnel' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.tx_bytes AS FLOAT64) / 1000000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.tx_bytes AS FLOAT64) / 1000000.0), 1.0), 0.0) AS score,
        0.75 AS weight,
        'high' AS severity,
        'always' AS alert,
        t.src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        t.dst_ip AS peer,
        t.subscriber_id AS subscriber_id,
        t.src_ip AS src_ip,
        t.dst_ip AS dst_ip,
        CAST(NULL AS INT64) AS dst_port
      FROM rule_net_dns_tunnel AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 3 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:118:net.lateral.fanout',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.lateral.fanout' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.new_hosts AS FLOAT64) / 30.0) > 0.0, LEAST(LEAST(1.0, CAST(t.new_hosts AS FLOAT64) / 30.0), 1.0), 0.0) AS score,
        0.85 AS weight,
        'high' AS severity,
        'always' AS alert,
        t.src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        CAST(NULL AS STRING) AS peer,
        t.subscriber_id AS subscriber_id,
        t.src_ip AS src_ip,
        CAST(NULL AS STRING) AS dst_ip,
        CAST(NULL AS INT64) AS dst_port
      FROM rule_net_lateral_fanout AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 3 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:111:net.polling',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.polling' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.calls AS FLOAT64) / 500.0) > 0.0, LEAST(LEAST(1.0, CAST(t.calls AS FLOAT64) / 500.0), 1.0), 0.0) AS score,
        0.6 AS weight,
        'high' AS severity,
        'always' AS alert,
        t.src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        t.dst_ip AS peer,
        t.subscriber_id AS subscriber_id,
        t.src_ip AS src_ip,
        t.dst_ip AS dst_ip,
        t.dst_port AS dst_port
      FROM rule_net_polling AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 3 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:119:net.scan.horizontal',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.scan.horizontal' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.dead_ips AS FLOAT64) / 500.0) > 0.0, LEAST(LEAST(1.0, CAST(t.dead_ips AS FLOAT64) / 500.0), 1.0), 0.0) AS score,
        0.85 AS weight,
        'medium' AS severity,
        'always' AS alert,
        t.src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        CAST(NULL AS STRING) AS peer,
        t.subscriber_id AS subscriber_id,
        t.src_ip AS src_ip,
        CAST(NULL AS STRING) AS dst_ip,
        t.dst_port AS dst_port
      FROM rule_net_scan_horizontal AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 3 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:113:net.scan.slow',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.scan.slow' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.targets AS FLOAT64) / 100.0) > 0.0, LEAST(LEAST(1.0, CAST(t.targets AS FLOAT64) / 100.0), 1.0), 0.0) AS score,
        0.7 AS weight,
        'medium' AS severity,
        'always' AS alert,
        t.src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        CAST(NULL AS STRING) AS peer,
        t.subscriber_id AS subscriber_id,
        t.src_ip AS src_ip,
        CAST(NULL AS STRING) AS dst_ip,
        CAST(NULL AS INT64) AS dst_port
      FROM rule_net_scan_slow AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 3 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:117:net.scan.vertical',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.scan.vertical' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.dead_ports AS FLOAT64) / 1000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.dead_ports AS FLOAT64) / 1000.0), 1.0), 0.0) AS score,
        0.85 AS weight,
        'medium' AS severity,
        'always' AS alert,
        t.src_ip AS actor,
        t.dst_ip AS victim,
        CAST(NULL AS STRING) AS peer,
        t.subscriber_id AS subscriber_id,
        t.src_ip AS src_ip,
        t.dst_ip AS dst_ip,
        CAST(NULL AS INT64) AS dst_port
      FROM rule_net_scan_vertical AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 3 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:116:net.threat.match',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.branch AS STRING)) AS STRING), ':', CAST(t.branch AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.threat.match' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, t.confidence) > 0.0, LEAST(LEAST(1.0, t.confidence), 1.0), 0.0) AS score,
        0.8 AS weight,
        'high' AS severity,
        'always' AS alert,
        t.host_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        t.threat_ip AS peer,
        t.subscriber_id AS subscriber_id,
        t.src_ip AS src_ip,
        t.dst_ip AS dst_ip,
        CAST(NULL AS INT64) AS dst_port
      FROM rule_net_threat_match AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 3 DAY)
        AND t.event_time < tripline_to
    ),
    -- Rows that count, each with its pane of 10m.
    compromise_72h__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 10 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM compromise_72h__hits
      WHERE actor IS NOT NULL
    ),
    -- Rows by key and window.
    compromise_72h__panes AS (
      SELECT
        actor,
        pane_start,
        MIN(window_end) AS first_end,
        ARRAY_AGG(DISTINCT rule IGNORE NULLS ORDER BY rule LIMIT 10) AS named,
        MAX(score * weight) AS sure
      FROM compromise_72h__rows
      GROUP BY actor, pane_start
    ),
    -- Each pane in every window that holds it.
    compromise_72h__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop * 10 MINUTE) AS window_start
      FROM compromise_72h__panes
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 431)) AS hop
    ),
    -- Panes to windows.
    compromise_72h__windows AS (
      SELECT
        actor,
        window_start,
        MIN(first_end) AS first_end,
        ARRAY_CONCAT_AGG(named) AS named,
        MAX(sure) AS sure
      FROM compromise_72h__hops
      GROUP BY actor, window_start
    )
  SELECT
    actor,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 3 DAY) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 3 DAY), INTERVAL 1 MICROSECOND) AS event_time,
    first_end,
    (SELECT STRING_AGG(DISTINCT element, ', ' ORDER BY element LIMIT 10) FROM UNNEST(named) AS element) AS named,
    sure
  FROM compromise_72h__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 3 DAY) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 3 DAY) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (actor, window_start, window_end, event_time, first_end, named, sure)
  VALUES (actor, window_start, window_end, event_time, first_end, named, sure);
