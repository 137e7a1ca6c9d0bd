-- features/risk_by_rule_24h.yaml: windows of 1d every 15m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS risk_by_rule_24h (
  actor STRING,
  family STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  rule STRING,
  worst FLOAT64
)
PARTITION BY DATE(event_time)
CLUSTER BY actor, family
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE risk_by_rule_24h AS old
USING (
  WITH
    -- hits(net.amplification, net.beacon, net.beacon.interval, net.beacon.slow, net.bruteforce, net.bruteforce.slow, net.bruteforce.success, net.compromise.exfiltration, net.destination.rare, net.dns.tunnel, net.exfiltration, net.flood.distributed, net.flood.syn, net.lateral.fanout, net.long_connection, net.new_country, net.offhours, net.polling, net.scan.horizontal, net.scan.slow, net.scan.vertical, net.service.new, net.silence, net.staging, net.threat.match, net.travel.impossible, net.upload.ratio, net.volume.outlier): rows of rules that no exception covers.
    risk_by_rule_24h__hits AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:117:net.amplification',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.amplification' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.answered_bytes AS FLOAT64) / 500000000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.answered_bytes AS FLOAT64) / 500000000.0), 1.0), 0.0) AS score,
        0.9 AS weight,
        'high' AS severity,
        'always' AS alert,
        t.dst_ip AS actor,
        t.top_victim AS victim,
        CAST(NULL AS STRING) AS peer,
        CAST(NULL AS STRING) AS subscriber_id,
        CAST(NULL AS STRING) AS src_ip,
        t.dst_ip AS dst_ip,
        t.dst_port AS dst_port
      FROM rule_net_amplification AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
      UNION ALL
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
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
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
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
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
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:114:net.bruteforce',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.bruteforce' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.short_sessions AS FLOAT64) / 300.0) > 0.0, LEAST(LEAST(1.0, CAST(t.short_sessions AS FLOAT64) / 300.0), 1.0), 0.0) AS score,
        0.85 AS weight,
        'high' AS severity,
        'always' AS alert,
        t.src_ip AS actor,
        t.dst_ip AS victim,
        CAST(NULL AS STRING) AS peer,
        t.subscriber_id AS subscriber_id,
        t.src_ip AS src_ip,
        t.dst_ip AS dst_ip,
        t.dst_port AS dst_port
      FROM rule_net_bruteforce AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:119:net.bruteforce.slow',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.bruteforce.slow' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.slow_sessions AS FLOAT64) / 1000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.slow_sessions AS FLOAT64) / 1000.0), 1.0), 0.0) AS score,
        0.7 AS weight,
        'medium' AS severity,
        'always' AS alert,
        t.top_source AS actor,
        t.dst_ip AS victim,
        CAST(NULL AS STRING) AS peer,
        CAST(NULL AS STRING) AS subscriber_id,
        CAST(NULL AS STRING) AS src_ip,
        t.dst_ip AS dst_ip,
        t.dst_port AS dst_port
      FROM rule_net_bruteforce_slow AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
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
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:127:net.compromise.exfiltration',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.actor) AS STRING), ':', t.actor), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.peer) AS STRING), ':', t.peer), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.compromise.exfiltration' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, t.together) > 0.0, LEAST(LEAST(1.0, t.together), 1.0), 0.0) AS score,
        1.0 AS weight,
        'high' AS severity,
        'always' AS alert,
        CAST(NULL AS STRING) AS actor,
        t.host AS victim,
        t.peer AS peer,
        CAST(NULL AS STRING) AS subscriber_id,
        CAST(NULL AS STRING) AS src_ip,
        CAST(NULL AS STRING) AS dst_ip,
        CAST(NULL AS INT64) AS dst_port
      FROM rule_net_compromise_exfiltration AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
      UNION ALL
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
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
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
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
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
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:121:net.flood.distributed',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.flood.distributed' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.sources AS FLOAT64) / 5000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.sources AS FLOAT64) / 5000.0), 1.0), 0.0) AS score,
        0.85 AS weight,
        'high' AS severity,
        'always' AS alert,
        CAST(NULL AS STRING) AS actor,
        t.dst_ip AS victim,
        CAST(NULL AS STRING) AS peer,
        CAST(NULL AS STRING) AS subscriber_id,
        CAST(NULL AS STRING) AS src_ip,
        t.dst_ip AS dst_ip,
        CAST(NULL AS INT64) AS dst_port
      FROM rule_net_flood_distributed AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:113:net.flood.syn',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.flood.syn' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.unanswered AS FLOAT64) / 5000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.unanswered AS FLOAT64) / 5000.0), 1.0), 0.0) AS score,
        0.9 AS weight,
        'high' AS severity,
        'always' AS alert,
        CAST(NULL AS STRING) AS actor,
        t.dst_ip AS victim,
        CAST(NULL AS STRING) AS peer,
        CAST(NULL AS STRING) AS subscriber_id,
        CAST(NULL AS STRING) AS src_ip,
        t.dst_ip AS dst_ip,
        t.dst_port AS dst_port
      FROM rule_net_flood_syn AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
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
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:119:net.long_connection',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.long_connection' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(1.0 > 0.0, LEAST(1.0, 1.0), 0.0) AS score,
        0.25 AS weight,
        'low' AS severity,
        'risk' AS alert,
        t.src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        t.dst_ip AS peer,
        t.subscriber_id AS subscriber_id,
        t.src_ip AS src_ip,
        t.dst_ip AS dst_ip,
        t.dst_port AS dst_port
      FROM rule_net_long_connection AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:115:net.new_country',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.geo_country) AS STRING), ':', t.geo_country), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.new_country' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(1.0 > 0.0, LEAST(1.0, 1.0), 0.0) AS score,
        0.3 AS weight,
        'low' AS severity,
        'risk' AS alert,
        t.first_src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        CAST(NULL AS STRING) AS peer,
        t.subscriber_id AS subscriber_id,
        CAST(NULL AS STRING) AS src_ip,
        CAST(NULL AS STRING) AS dst_ip,
        CAST(NULL AS INT64) AS dst_port
      FROM rule_net_new_country AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:112:net.offhours',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.offhours' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(1.0 > 0.0, LEAST(1.0, 1.0), 0.0) AS score,
        0.2 AS weight,
        'low' AS severity,
        'risk' AS alert,
        t.top_src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        t.top_dst_ip AS peer,
        t.subscriber_id AS subscriber_id,
        CAST(NULL AS STRING) AS src_ip,
        CAST(NULL AS STRING) AS dst_ip,
        CAST(NULL AS INT64) AS dst_port
      FROM rule_net_offhours AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
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
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
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
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
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
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
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
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:115:net.service.new',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.service.new' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(1.0 > 0.0, LEAST(1.0, 1.0), 0.0) AS score,
        0.25 AS weight,
        'low' AS severity,
        'risk' AS alert,
        t.dst_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        t.first_client AS peer,
        CAST(NULL AS STRING) AS subscriber_id,
        CAST(NULL AS STRING) AS src_ip,
        t.dst_ip AS dst_ip,
        t.dst_port AS dst_port
      FROM rule_net_service_new AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:111:net.silence',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.silence' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(IF(t.who = t.subscriber_id, 1.0, 0.2) > 0.0, LEAST(IF(t.who = t.subscriber_id, 1.0, 0.2), 1.0), 0.0) AS score,
        0.25 AS weight,
        'low' AS severity,
        'always' AS alert,
        t.last_src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        CAST(NULL AS STRING) AS peer,
        t.subscriber_id AS subscriber_id,
        CAST(NULL AS STRING) AS src_ip,
        CAST(NULL AS STRING) AS dst_ip,
        CAST(NULL AS INT64) AS dst_port
      FROM rule_net_silence AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:111:net.staging',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.staging' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.givers AS FLOAT64) / 10.0) > 0.0, LEAST(LEAST(1.0, CAST(t.givers AS FLOAT64) / 10.0), 1.0), 0.0) AS score,
        0.85 AS weight,
        'high' AS severity,
        'always' AS alert,
        t.src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        t.dst_ip AS peer,
        t.subscriber_id AS subscriber_id,
        t.src_ip AS src_ip,
        t.dst_ip AS dst_ip,
        CAST(NULL AS INT64) AS dst_port
      FROM rule_net_staging AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
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
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:121:net.travel.impossible',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.came_in AS STRING)) AS STRING), ':', CAST(t.came_in AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.travel.impossible' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(LEAST(1.0, CAST(t.beyond_km AS FLOAT64) / 2000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.beyond_km AS FLOAT64) / 2000.0), 1.0), 0.0) AS score,
        0.5 AS weight,
        'medium' AS severity,
        'always' AS alert,
        t.new_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        CAST(NULL AS STRING) AS peer,
        t.subscriber_id AS subscriber_id,
        CAST(NULL AS STRING) AS src_ip,
        CAST(NULL AS STRING) AS dst_ip,
        CAST(NULL AS INT64) AS dst_port
      FROM rule_net_travel_impossible AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
      UNION ALL
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:116:net.upload.ratio',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.upload.ratio' AS rule,
        t.window_start AS window_start,
        t.window_end AS window_end,
        t.event_time AS event_time,
        IF(1.0 > 0.0, LEAST(1.0, 1.0), 0.0) AS score,
        0.15 AS weight,
        'low' AS severity,
        'risk' AS alert,
        t.top_src_ip AS actor,
        CAST(NULL AS STRING) AS victim,
        t.top_dst_ip AS peer,
        t.subscriber_id AS subscriber_id,
        CAST(NULL AS STRING) AS src_ip,
        CAST(NULL AS STRING) AS dst_ip,
        CAST(NULL AS INT64) AS dst_port
      FROM rule_net_upload_ratio AS t
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
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
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
    ),
    -- Columns per row.
    risk_by_rule_24h__row_1 AS (
      SELECT
        *,
        CASE
          WHEN STARTS_WITH(rule, 'net.beacon') THEN 'net.beacon'
          WHEN rule IN ('net.new_country', 'net.travel.impossible') THEN 'net.travel'
          ELSE rule
        END AS family
      FROM risk_by_rule_24h__hits
    ),
    -- Rows that count, each with its pane of 15m.
    risk_by_rule_24h__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 15 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM risk_by_rule_24h__row_1
      WHERE alert != 'never'
        AND actor IS NOT NULL
    ),
    -- Rows by key and window.
    risk_by_rule_24h__panes AS (
      SELECT
        actor,
        family,
        pane_start,
        ARRAY_AGG(IF(rule IS NULL, NULL, STRUCT(rule AS first_value, score * weight AS order_1, rule AS order_2)) IGNORE NULLS ORDER BY score * weight DESC, rule LIMIT 1)[SAFE_OFFSET(0)] AS rule,
        MAX(LEAST(score * weight, 0.999999)) AS worst
      FROM risk_by_rule_24h__rows
      GROUP BY actor, family, pane_start
    ),
    -- Each pane in every window that holds it.
    risk_by_rule_24h__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop * 15 MINUTE) AS window_start
      FROM risk_by_rule_24h__panes
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 95)) AS hop
    ),
    -- Panes to windows.
    risk_by_rule_24h__windows AS (
      SELECT
        actor,
        family,
        window_start,
        ARRAY_AGG(rule IGNORE NULLS ORDER BY rule.order_1 DESC, rule.order_2 LIMIT 1)[SAFE_OFFSET(0)].first_value AS rule,
        MAX(worst) AS worst
      FROM risk_by_rule_24h__hops
      GROUP BY actor, family, window_start
    )
  SELECT
    actor,
    family,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 1 DAY), INTERVAL 1 MICROSECOND) AS event_time,
    rule,
    worst
  FROM risk_by_rule_24h__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (actor, family, window_start, window_end, event_time, rule, worst)
  VALUES (actor, family, window_start, window_end, event_time, rule, worst);
