-- Every row of every rule, with its id, its score and what became of it.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS hits (
  hit_id STRING,
  rule STRING,
  event_time TIMESTAMP,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  score FLOAT64,
  key_order INT64,
  alert_key STRING,
  title STRING,
  values STRING,
  disposition STRING,
  alert_id STRING,
  opened_at TIMESTAMP,
  fingerprint STRING,
  severity STRING
)
PARTITION BY DATE(event_time)
CLUSTER BY rule
OPTIONS (labels = [('tripline', 'hits')]);

-- Replaces the rows of these days; it can be run again.
MERGE hits AS old
USING (
  WITH
    -- Hits of net.amplification.
    hits__rule_net_amplification__rows AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:117:net.amplification',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.amplification' AS rule,
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.answered_bytes AS FLOAT64) / 500000000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.answered_bytes AS FLOAT64) / 500000000.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.dst_ip, t.dst_port) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.dst_ip, 'NULL'), ' answered ', COALESCE(CAST(t.requested_bytes AS STRING), 'NULL'), ' bytes of ', COALESCE(t.service, 'NULL'), ' requests with ', COALESCE(CAST(t.answered_bytes AS STRING), 'NULL'), ' bytes, to ', COALESCE(CAST(t.victims AS STRING), 'NULL'), ' addresses') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_amplification AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 1h, within one UTC day.
    hits__rule_net_amplification__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 1 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_amplification__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_amplification AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        'dee868b6cbcee7e4' AS fingerprint,
        'high' AS severity
      FROM hits__rule_net_amplification__gaps
    ),
    -- Hits of net.beacon.
    hits__rule_net_beacon__rows AS (
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
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.active_minutes AS FLOAT64) / 30.0) > 0.0, LEAST(LEAST(1.0, CAST(t.active_minutes AS FLOAT64) / 30.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.src_ip, t.dst_ip, t.dst_port) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.src_ip, 'NULL'), ' called ', COALESCE(t.dst_ip, 'NULL'), ' port ', COALESCE(CAST(t.dst_port AS STRING), 'NULL'), ' in ', COALESCE(CAST(t.active_minutes AS STRING), 'NULL'), ' of 30 minutes') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_beacon AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 2h, within one UTC day.
    hits__rule_net_beacon__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 2 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_beacon__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_beacon AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        'a3e05fca2b4dbf30' AS fingerprint,
        'high' AS severity
      FROM hits__rule_net_beacon__gaps
    ),
    -- Hits of net.beacon.interval.
    hits__rule_net_beacon_interval__rows AS (
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
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, 0.5 + CAST(t.gaps AS FLOAT64) / 100.0) > 0.0, LEAST(LEAST(1.0, 0.5 + CAST(t.gaps AS FLOAT64) / 100.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.src_ip, t.dst_ip, t.dst_port) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.src_ip, 'NULL'), ' called ', COALESCE(t.dst_ip, 'NULL'), ' port ', COALESCE(CAST(t.dst_port AS STRING), 'NULL'), ' every ', COALESCE(CAST(t.gap_median AS STRING), 'NULL'), ' minutes, ', COALESCE(CAST(t.gaps AS STRING), 'NULL'), ' times') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_beacon_interval AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 1d, within one UTC day.
    hits__rule_net_beacon_interval__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 1 DAY) < event_time, TRUE) AS opens
      FROM hits__rule_net_beacon_interval__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_beacon_interval AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        '4ee5c65193fcbcf7' AS fingerprint,
        'medium' AS severity
      FROM hits__rule_net_beacon_interval__gaps
    ),
    -- Hits of net.beacon.slow.
    hits__rule_net_beacon_slow__rows AS (
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
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.active_hours AS FLOAT64) / 24.0) > 0.0, LEAST(LEAST(1.0, CAST(t.active_hours AS FLOAT64) / 24.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.src_ip, t.dst_ip, t.dst_port) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.src_ip, 'NULL'), ' called ', COALESCE(t.dst_ip, 'NULL'), ' port ', COALESCE(CAST(t.dst_port AS STRING), 'NULL'), ' ', COALESCE(CAST(t.calls AS STRING), 'NULL'), ' times in ', COALESCE(CAST(t.active_hours AS STRING), 'NULL'), ' of ', COALESCE(CAST(t.span_hours AS STRING), 'NULL'), ' hours with much the same bytes') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_beacon_slow AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 1d, within one UTC day.
    hits__rule_net_beacon_slow__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 1 DAY) < event_time, TRUE) AS opens
      FROM hits__rule_net_beacon_slow__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_beacon_slow AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        '715af2bcb0e38e97' AS fingerprint,
        'medium' AS severity
      FROM hits__rule_net_beacon_slow__gaps
    ),
    -- Hits of net.bruteforce.
    hits__rule_net_bruteforce__rows AS (
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
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.short_sessions AS FLOAT64) / 300.0) > 0.0, LEAST(LEAST(1.0, CAST(t.short_sessions AS FLOAT64) / 300.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.src_ip, t.dst_ip, t.dst_port) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.src_ip, 'NULL'), ' opened ', COALESCE(CAST(t.short_sessions AS STRING), 'NULL'), ' short sessions to ', COALESCE(t.dst_ip, 'NULL'), ' port ', COALESCE(CAST(t.dst_port AS STRING), 'NULL')) AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_bruteforce AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 1h, within one UTC day.
    hits__rule_net_bruteforce__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 1 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_bruteforce__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_bruteforce AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        'c2a81cf0a2fc829a' AS fingerprint,
        'high' AS severity
      FROM hits__rule_net_bruteforce__gaps
    ),
    -- Hits of net.bruteforce.slow.
    hits__rule_net_bruteforce_slow__rows AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:119:net.bruteforce.slow',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.bruteforce.slow' AS rule,
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.slow_sessions AS FLOAT64) / 1000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.slow_sessions AS FLOAT64) / 1000.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.dst_ip, t.dst_port) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(CAST(t.sources AS STRING), 'NULL'), ' sources opened ', COALESCE(CAST(t.slow_sessions AS STRING), 'NULL'), ' short sessions to ', COALESCE(t.dst_ip, 'NULL'), ' port ', COALESCE(CAST(t.dst_port AS STRING), 'NULL'), ' within six hours; at most ', COALESCE(CAST(t.usual_max_sessions AS STRING), 'NULL'), ' before') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_bruteforce_slow AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 6h, within one UTC day.
    hits__rule_net_bruteforce_slow__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 6 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_bruteforce_slow__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_bruteforce_slow AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        '42545b1ba3c2ecf4' AS fingerprint,
        'medium' AS severity
      FROM hits__rule_net_bruteforce_slow__gaps
    ),
    -- Hits of net.bruteforce.success.
    hits__rule_net_bruteforce_success__rows AS (
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
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(1.0 > 0.0, LEAST(1.0, 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.src_ip, t.dst_ip, t.dst_port) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.src_ip, 'NULL'), ' was let in at ', COALESCE(t.dst_ip, 'NULL'), ' port ', COALESCE(CAST(t.dst_port AS STRING), 'NULL'), ' after many attempts') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_bruteforce_success AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 6h, within one UTC day.
    hits__rule_net_bruteforce_success__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 6 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_bruteforce_success__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_bruteforce_success AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        'b19d62bad3fa3449' AS fingerprint,
        'high' AS severity
      FROM hits__rule_net_bruteforce_success__gaps
    ),
    -- Hits of net.compromise.exfiltration.
    hits__rule_net_compromise_exfiltration__rows AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:127:net.compromise.exfiltration',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.actor) AS STRING), ':', t.actor), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.peer) AS STRING), ':', t.peer), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.compromise.exfiltration' AS rule,
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, t.together) > 0.0, LEAST(LEAST(1.0, t.together), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.actor, t.peer) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.host) AS STRING), ':', t.host), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.host, 'NULL'), ' showed ', COALESCE(t.signs, 'NULL'), ' and then sent much to ', COALESCE(t.peer, 'NULL'), ' (', COALESCE(t.named, 'NULL'), ')') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_compromise_exfiltration AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 1d, within one UTC day.
    hits__rule_net_compromise_exfiltration__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 1 DAY) < event_time, TRUE) AS opens
      FROM hits__rule_net_compromise_exfiltration__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_compromise_exfiltration AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        '50094236e6f15281' AS fingerprint,
        'high' AS severity
      FROM hits__rule_net_compromise_exfiltration__gaps
    ),
    -- Hits of net.destination.rare.
    hits__rule_net_destination_rare__rows AS (
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
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(1.0 > 0.0, LEAST(1.0, 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.src_ip, t.dst_ip) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.src_ip, 'NULL'), ' sent ', COALESCE(CAST(t.tx_bytes AS STRING), 'NULL'), ' bytes to ', COALESCE(t.dst_ip, 'NULL'), ', which nobody else uses') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_destination_rare AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 3h, within one UTC day.
    hits__rule_net_destination_rare__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 3 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_destination_rare__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_destination_rare AS (
      SELECT
        * EXCEPT (excepted, opens),
        IF(excepted, 'excepted', 'signal') AS disposition,
        CAST(NULL AS STRING) AS alert_id,
        CAST(NULL AS TIMESTAMP) AS opened_at,
        '2e5831ae9ed84f03' AS fingerprint,
        'low' AS severity
      FROM hits__rule_net_destination_rare__gaps
    ),
    -- Hits of net.dns.tunnel.
    hits__rule_net_dns_tunnel__rows AS (
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
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.tx_bytes AS FLOAT64) / 1000000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.tx_bytes AS FLOAT64) / 1000000.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.src_ip, t.dst_ip) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.src_ip, 'NULL'), ' sent ', COALESCE(CAST(t.tx_bytes AS STRING), 'NULL'), ' bytes in ', COALESCE(CAST(t.queries AS STRING), 'NULL'), ' DNS queries to ', COALESCE(t.dst_ip, 'NULL'), ', ', COALESCE(CAST(t.long_bytes AS STRING), 'NULL'), ' of them in ', COALESCE(CAST(t.long_queries AS STRING), 'NULL'), ' long ones') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_dns_tunnel AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 1h, within one UTC day.
    hits__rule_net_dns_tunnel__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 1 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_dns_tunnel__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_dns_tunnel AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        'a2770cb29266cfef' AS fingerprint,
        'high' AS severity
      FROM hits__rule_net_dns_tunnel__gaps
    ),
    -- Hits of net.exfiltration.
    hits__rule_net_exfiltration__rows AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:116:net.exfiltration',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.exfiltration' AS rule,
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.tx_bytes AS FLOAT64) / 2000000000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.tx_bytes AS FLOAT64) / 2000000000.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.subscriber_id, 'NULL'), ' sent ', COALESCE(CAST(t.tx_bytes AS STRING), 'NULL'), ' bytes out in an hour, most to ', COALESCE(t.top_dst_ip, 'NULL'), '; at most ', COALESCE(CAST(t.usual_max_bytes AS STRING), 'NULL'), ' before at this hour') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_exfiltration AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 3h, within one UTC day.
    hits__rule_net_exfiltration__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 3 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_exfiltration__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_exfiltration AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        'b611f8c5db3cc148' AS fingerprint,
        'high' AS severity
      FROM hits__rule_net_exfiltration__gaps
    ),
    -- Hits of net.flood.distributed.
    hits__rule_net_flood_distributed__rows AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:121:net.flood.distributed',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.flood.distributed' AS rule,
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.sources AS FLOAT64) / 5000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.sources AS FLOAT64) / 5000.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.dst_ip) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(CAST(t.sources AS STRING), 'NULL'), ' sources reached ', COALESCE(t.dst_ip, 'NULL'), ' in five minutes, mostly port ', COALESCE(CAST(t.top_port AS STRING), 'NULL'), '; at most ', COALESCE(CAST(t.usual_max_sources AS STRING), 'NULL'), ' at this hour before') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_flood_distributed AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 1h, within one UTC day.
    hits__rule_net_flood_distributed__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 1 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_flood_distributed__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_flood_distributed AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        '67855b78a5115589' AS fingerprint,
        'high' AS severity
      FROM hits__rule_net_flood_distributed__gaps
    ),
    -- Hits of net.flood.syn.
    hits__rule_net_flood_syn__rows AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:113:net.flood.syn',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.flood.syn' AS rule,
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.unanswered AS FLOAT64) / 5000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.unanswered AS FLOAT64) / 5000.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.dst_ip, t.dst_port) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(CAST(t.unanswered AS STRING), 'NULL'), ' unanswered connections to ', COALESCE(t.dst_ip, 'NULL'), ' port ', COALESCE(CAST(t.dst_port AS STRING), 'NULL'), ' from ', COALESCE(CAST(t.sources AS STRING), 'NULL'), ' sources') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_flood_syn AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 30m, within one UTC day.
    hits__rule_net_flood_syn__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 30 MINUTE) < event_time, TRUE) AS opens
      FROM hits__rule_net_flood_syn__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_flood_syn AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        'c9feae0184642417' AS fingerprint,
        'high' AS severity
      FROM hits__rule_net_flood_syn__gaps
    ),
    -- Hits of net.lateral.fanout.
    hits__rule_net_lateral_fanout__rows AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:118:net.lateral.fanout',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.lateral.fanout' AS rule,
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.new_hosts AS FLOAT64) / 30.0) > 0.0, LEAST(LEAST(1.0, CAST(t.new_hosts AS FLOAT64) / 30.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.src_ip) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.src_ip, 'NULL'), ' opened ', COALESCE(CAST(t.sessions AS STRING), 'NULL'), ' sessions of administration to ', COALESCE(CAST(t.new_hosts AS STRING), 'NULL'), ' hosts that are new for it, ports ', COALESCE(CAST(t.min_port AS STRING), 'NULL'), ' to ', COALESCE(CAST(t.max_port AS STRING), 'NULL')) AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_lateral_fanout AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 2h, within one UTC day.
    hits__rule_net_lateral_fanout__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 2 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_lateral_fanout__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_lateral_fanout AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        '8c0239cc18faacdb' AS fingerprint,
        'high' AS severity
      FROM hits__rule_net_lateral_fanout__gaps
    ),
    -- Hits of net.long_connection.
    hits__rule_net_long_connection__rows AS (
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
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(1.0 > 0.0, LEAST(1.0, 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.src_ip, t.dst_ip, t.dst_port) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.src_ip, 'NULL'), ' was connected to ', COALESCE(t.dst_ip, 'NULL'), ' port ', COALESCE(CAST(t.dst_port AS STRING), 'NULL'), ' for ', COALESCE(CAST(t.hours AS STRING), 'NULL'), ' hours') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_long_connection AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 3h, within one UTC day.
    hits__rule_net_long_connection__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 3 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_long_connection__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_long_connection AS (
      SELECT
        * EXCEPT (excepted, opens),
        IF(excepted, 'excepted', 'signal') AS disposition,
        CAST(NULL AS STRING) AS alert_id,
        CAST(NULL AS TIMESTAMP) AS opened_at,
        '93b756ce8882ccca' AS fingerprint,
        'low' AS severity
      FROM hits__rule_net_long_connection__gaps
    ),
    -- Hits of net.new_country.
    hits__rule_net_new_country__rows AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:115:net.new_country',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.geo_country) AS STRING), ':', t.geo_country), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.new_country' AS rule,
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(1.0 > 0.0, LEAST(1.0, 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.geo_country) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.subscriber_id, 'NULL'), ' is active from ', COALESCE(t.geo_country, 'NULL'), ' for the first time, as ', COALESCE(t.first_src_ip, 'NULL')) AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_new_country AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 1d, within one UTC day.
    hits__rule_net_new_country__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 1 DAY) < event_time, TRUE) AS opens
      FROM hits__rule_net_new_country__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_new_country AS (
      SELECT
        * EXCEPT (excepted, opens),
        IF(excepted, 'excepted', 'signal') AS disposition,
        CAST(NULL AS STRING) AS alert_id,
        CAST(NULL AS TIMESTAMP) AS opened_at,
        'c69b290afd8898a5' AS fingerprint,
        'low' AS severity
      FROM hits__rule_net_new_country__gaps
    ),
    -- Hits of net.offhours.
    hits__rule_net_offhours__rows AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:112:net.offhours',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.offhours' AS rule,
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(1.0 > 0.0, LEAST(1.0, 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.subscriber_id, 'NULL'), ' made ', COALESCE(CAST(t.flows AS STRING), 'NULL'), ' calls at an hour at which it never did, most as ', COALESCE(t.top_src_ip, 'NULL')) AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_offhours AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 1d, within one UTC day.
    hits__rule_net_offhours__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 1 DAY) < event_time, TRUE) AS opens
      FROM hits__rule_net_offhours__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_offhours AS (
      SELECT
        * EXCEPT (excepted, opens),
        IF(excepted, 'excepted', 'signal') AS disposition,
        CAST(NULL AS STRING) AS alert_id,
        CAST(NULL AS TIMESTAMP) AS opened_at,
        '5aca1c073ebf2dcf' AS fingerprint,
        'low' AS severity
      FROM hits__rule_net_offhours__gaps
    ),
    -- Hits of net.polling.
    hits__rule_net_polling__rows AS (
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
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.calls AS FLOAT64) / 500.0) > 0.0, LEAST(LEAST(1.0, CAST(t.calls AS FLOAT64) / 500.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.src_ip, t.dst_ip, t.dst_port) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.src_ip, 'NULL'), ' called ', COALESCE(t.dst_ip, 'NULL'), ' port ', COALESCE(CAST(t.dst_port AS STRING), 'NULL'), ' ', COALESCE(CAST(t.calls AS STRING), 'NULL'), ' times in five minutes without a pause') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_polling AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 1h, within one UTC day.
    hits__rule_net_polling__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 1 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_polling__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_polling AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        'bf96fb841844af29' AS fingerprint,
        'high' AS severity
      FROM hits__rule_net_polling__gaps
    ),
    -- Hits of net.risk.
    hits__rule_net_risk__rows AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:18:net.risk',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.actor) AS STRING), ':', t.actor), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.risk' AS rule,
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, t.risk) > 0.0, LEAST(LEAST(1.0, t.risk), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.actor) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.actor) AS STRING), ':', t.actor), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.actor, 'NULL'), ': risk of ', COALESCE(CAST(t.percent AS STRING), 'NULL'), ' % by ', COALESCE(CAST(t.rules AS STRING), 'NULL'), ' rules: ', COALESCE(t.named, 'NULL')) AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_risk AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 1d, within one UTC day.
    hits__rule_net_risk__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 1 DAY) < event_time, TRUE) AS opens
      FROM hits__rule_net_risk__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_risk AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        '827a99440787f8bf' AS fingerprint,
        'high' AS severity
      FROM hits__rule_net_risk__gaps
    ),
    -- Hits of net.scan.horizontal.
    hits__rule_net_scan_horizontal__rows AS (
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
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.dead_ips AS FLOAT64) / 500.0) > 0.0, LEAST(LEAST(1.0, CAST(t.dead_ips AS FLOAT64) / 500.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.src_ip, t.dst_port) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.src_ip, 'NULL'), ' tried port ', COALESCE(CAST(t.dst_port AS STRING), 'NULL'), ' of ', COALESCE(CAST(t.dead_ips AS STRING), 'NULL'), ' destinations that do not answer') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_scan_horizontal AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 1h, within one UTC day.
    hits__rule_net_scan_horizontal__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 1 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_scan_horizontal__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_scan_horizontal AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        'edff647af892d202' AS fingerprint,
        'medium' AS severity
      FROM hits__rule_net_scan_horizontal__gaps
    ),
    -- Hits of net.scan.slow.
    hits__rule_net_scan_slow__rows AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:113:net.scan.slow',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.scan.slow' AS rule,
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.targets AS FLOAT64) / 100.0) > 0.0, LEAST(LEAST(1.0, CAST(t.targets AS FLOAT64) / 100.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.src_ip) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.src_ip, 'NULL'), ' tried ', COALESCE(CAST(t.targets AS STRING), 'NULL'), ' dead services of ', COALESCE(CAST(t.dst_ips AS STRING), 'NULL'), ' hosts within a day, at most ', COALESCE(CAST(t.most_at_once AS STRING), 'NULL'), ' in five minutes') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_scan_slow AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 6h, within one UTC day.
    hits__rule_net_scan_slow__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 6 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_scan_slow__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_scan_slow AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        '19ad2d5e600784c6' AS fingerprint,
        'medium' AS severity
      FROM hits__rule_net_scan_slow__gaps
    ),
    -- Hits of net.scan.vertical.
    hits__rule_net_scan_vertical__rows AS (
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
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.dead_ports AS FLOAT64) / 1000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.dead_ports AS FLOAT64) / 1000.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.src_ip, t.dst_ip) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.src_ip, 'NULL'), ' tried ', COALESCE(CAST(t.dead_ports AS STRING), 'NULL'), ' closed ports of ', COALESCE(t.dst_ip, 'NULL')) AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_scan_vertical AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 1h, within one UTC day.
    hits__rule_net_scan_vertical__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 1 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_scan_vertical__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_scan_vertical AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        'ab156b54f9435e0c' AS fingerprint,
        'medium' AS severity
      FROM hits__rule_net_scan_vertical__gaps
    ),
    -- Hits of net.service.new.
    hits__rule_net_service_new__rows AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:115:net.service.new',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.service.new' AS rule,
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(1.0 > 0.0, LEAST(1.0, 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.dst_ip, t.dst_port) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.dst_port AS STRING)) AS STRING), ':', CAST(t.dst_port AS STRING)), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.dst_ip, 'NULL'), ' answered ', COALESCE(CAST(t.clients AS STRING), 'NULL'), ' clients on port ', COALESCE(CAST(t.dst_port AS STRING), 'NULL'), ' for the first time, ', COALESCE(t.first_client, 'NULL'), ' first') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_service_new AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 1d, within one UTC day.
    hits__rule_net_service_new__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 1 DAY) < event_time, TRUE) AS opens
      FROM hits__rule_net_service_new__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_service_new AS (
      SELECT
        * EXCEPT (excepted, opens),
        IF(excepted, 'excepted', 'signal') AS disposition,
        CAST(NULL AS STRING) AS alert_id,
        CAST(NULL AS TIMESTAMP) AS opened_at,
        '2792ccfd02de464f' AS fingerprint,
        'low' AS severity
      FROM hits__rule_net_service_new__gaps
    ),
    -- Hits of net.silence.
    hits__rule_net_silence__rows AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:111:net.silence',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.silence' AS rule,
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(IF(t.who = t.subscriber_id, 1.0, 0.2) > 0.0, LEAST(IF(t.who = t.subscriber_id, 1.0, 0.2), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.who) AS STRING), ':', t.who), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.who, 'NULL'), ': silent for ', COALESCE(CAST(t.silent_hours AS STRING), 'NULL'), ' hours after a week with flows in ', COALESCE(CAST(t.last_hours AS STRING), 'NULL'), ' of 168; ', COALESCE(CAST(t.alike AS STRING), 'NULL'), ' that never pause are silent, ', COALESCE(CAST(t.others AS STRING), 'NULL'), ' others are not') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_silence AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 12h, within one UTC day.
    hits__rule_net_silence__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 12 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_silence__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_silence AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        'f7eaacf4ad99bbb0' AS fingerprint,
        'low' AS severity
      FROM hits__rule_net_silence__gaps
    ),
    -- Hits of net.staging.
    hits__rule_net_staging__rows AS (
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
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.givers AS FLOAT64) / 10.0) > 0.0, LEAST(LEAST(1.0, CAST(t.givers AS FLOAT64) / 10.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.src_ip, t.dst_ip) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.src_ip, 'NULL'), ' took in ', COALESCE(CAST(t.taken_bytes AS STRING), 'NULL'), ' bytes from ', COALESCE(CAST(t.givers AS STRING), 'NULL'), ' hosts that are new for it, then sent ', COALESCE(CAST(t.tx_bytes AS STRING), 'NULL'), ' to ', COALESCE(t.dst_ip, 'NULL')) AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_staging AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 6h, within one UTC day.
    hits__rule_net_staging__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 6 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_staging__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_staging AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        'dd4965bcbf297b6f' AS fingerprint,
        'high' AS severity
      FROM hits__rule_net_staging__gaps
    ),
    -- Hits of net.threat.match.
    hits__rule_net_threat_match__rows AS (
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
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, t.confidence) > 0.0, LEAST(LEAST(1.0, t.confidence), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.src_ip, t.dst_ip, t.branch) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.host_ip) AS STRING), ':', t.host_ip), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.host_ip, 'NULL'), ' talked to ', COALESCE(t.threat_ip, 'NULL'), ': ', COALESCE(t.reason, 'NULL'), ' (', COALESCE(t.feed, 'NULL'), ')') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_threat_match AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 6h, within one UTC day.
    hits__rule_net_threat_match__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 6 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_threat_match__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_threat_match AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        'df2e43872620a85d' AS fingerprint,
        'high' AS severity
      FROM hits__rule_net_threat_match__gaps
    ),
    -- Hits of net.travel.impossible.
    hits__rule_net_travel_impossible__rows AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:121:net.travel.impossible',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(t.came_in AS STRING)) AS STRING), ':', CAST(t.came_in AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.travel.impossible' AS rule,
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.beyond_km AS FLOAT64) / 2000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.beyond_km AS FLOAT64) / 2000.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.came_in) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.who) AS STRING), ':', t.who), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.countries) AS STRING), ':', t.countries), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.who, 'NULL'), ': in ', COALESCE(t.usual_place, 'NULL'), ' and in ', COALESCE(t.new_place, 'NULL'), ', ', COALESCE(CAST(t.km AS STRING), 'NULL'), ' km apart, within ', COALESCE(CAST(t.minutes AS STRING), 'NULL'), ' minutes') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_travel_impossible AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 1d, within one UTC day.
    hits__rule_net_travel_impossible__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 1 DAY) < event_time, TRUE) AS opens
      FROM hits__rule_net_travel_impossible__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_travel_impossible AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        'aeeb4cfbfe249fe7' AS fingerprint,
        'medium' AS severity
      FROM hits__rule_net_travel_impossible__gaps
    ),
    -- Hits of net.upload.ratio.
    hits__rule_net_upload_ratio__rows AS (
      SELECT
        SUBSTR(TO_HEX(SHA256(CONCAT(
          '1:116:net.upload.ratio',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_start) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_start) AS STRING)), '-1:'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(t.window_end) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(t.window_end) AS STRING)), '-1:')
        ))), 1, 32) AS hit_id,
        'net.upload.ratio' AS rule,
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(1.0 > 0.0, LEAST(1.0, 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.subscriber_id, 'NULL'), ' sent ', COALESCE(CAST(t.tx_bytes AS STRING), 'NULL'), ' bytes out and received ', COALESCE(CAST(t.rx_bytes AS STRING), 'NULL'), ', most as ', COALESCE(t.top_src_ip, 'NULL'), ' to ', COALESCE(t.top_dst_ip, 'NULL'), '; usually it receives') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_upload_ratio AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 3h, within one UTC day.
    hits__rule_net_upload_ratio__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 3 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_upload_ratio__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_upload_ratio AS (
      SELECT
        * EXCEPT (excepted, opens),
        IF(excepted, 'excepted', 'signal') AS disposition,
        CAST(NULL AS STRING) AS alert_id,
        CAST(NULL AS TIMESTAMP) AS opened_at,
        '91b190b4bdcfdf3e' AS fingerprint,
        'low' AS severity
      FROM hits__rule_net_upload_ratio__gaps
    ),
    -- Hits of net.volume.outlier.
    hits__rule_net_volume_outlier__rows AS (
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
        t.event_time AS event_time,
        t.window_start AS window_start,
        t.window_end AS window_end,
        IF(LEAST(1.0, CAST(t.tx_bytes AS FLOAT64) / 1000000000.0) > 0.0, LEAST(LEAST(1.0, CAST(t.tx_bytes AS FLOAT64) / 1000000000.0), 1.0), 0.0) AS score,
        FALSE AS excepted,
        DENSE_RANK() OVER (ORDER BY t.subscriber_id, t.src_ip, t.dst_ip) AS key_order,
        CONCAT(
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.subscriber_id) AS STRING), ':', t.subscriber_id), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.src_ip) AS STRING), ':', t.src_ip), '-1:'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(t.dst_ip) AS STRING), ':', t.dst_ip), '-1:')
        ) AS alert_key,
        CONCAT(COALESCE(t.src_ip, 'NULL'), ' sent ', COALESCE(CAST(t.tx_bytes AS STRING), 'NULL'), ' bytes to ', COALESCE(t.dst_ip, 'NULL'), ' in ten minutes, far more than anybody') AS title,
        TO_JSON_STRING(t) AS `values`
      FROM rule_net_volume_outlier AS t
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    ),
    -- One incident while gaps are at most 1h, within one UTC day.
    hits__rule_net_volume_outlier__gaps AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_ADD(LAG(event_time) OVER (PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order), INTERVAL 1 HOUR) < event_time, TRUE) AS opens
      FROM hits__rule_net_volume_outlier__rows
    ),
    -- The first hit of an incident opens it, and names its alert.
    hits__rule_net_volume_outlier AS (
      SELECT
        * EXCEPT (excepted, opens),
        CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END AS disposition,
        IF(excepted, NULL, LAST_VALUE(IF(opens, hit_id, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS alert_id,
        IF(excepted, NULL, LAST_VALUE(IF(opens, event_time, NULL) IGNORE NULLS) OVER (
          PARTITION BY alert_key, DATE(event_time), excepted ORDER BY event_time, key_order, opens DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS opened_at,
        'cf08ceebc5d2bef5' AS fingerprint,
        'high' AS severity
      FROM hits__rule_net_volume_outlier__gaps
    )
  SELECT * FROM hits__rule_net_amplification
  UNION ALL
  SELECT * FROM hits__rule_net_beacon
  UNION ALL
  SELECT * FROM hits__rule_net_beacon_interval
  UNION ALL
  SELECT * FROM hits__rule_net_beacon_slow
  UNION ALL
  SELECT * FROM hits__rule_net_bruteforce
  UNION ALL
  SELECT * FROM hits__rule_net_bruteforce_slow
  UNION ALL
  SELECT * FROM hits__rule_net_bruteforce_success
  UNION ALL
  SELECT * FROM hits__rule_net_compromise_exfiltration
  UNION ALL
  SELECT * FROM hits__rule_net_destination_rare
  UNION ALL
  SELECT * FROM hits__rule_net_dns_tunnel
  UNION ALL
  SELECT * FROM hits__rule_net_exfiltration
  UNION ALL
  SELECT * FROM hits__rule_net_flood_distributed
  UNION ALL
  SELECT * FROM hits__rule_net_flood_syn
  UNION ALL
  SELECT * FROM hits__rule_net_lateral_fanout
  UNION ALL
  SELECT * FROM hits__rule_net_long_connection
  UNION ALL
  SELECT * FROM hits__rule_net_new_country
  UNION ALL
  SELECT * FROM hits__rule_net_offhours
  UNION ALL
  SELECT * FROM hits__rule_net_polling
  UNION ALL
  SELECT * FROM hits__rule_net_risk
  UNION ALL
  SELECT * FROM hits__rule_net_scan_horizontal
  UNION ALL
  SELECT * FROM hits__rule_net_scan_slow
  UNION ALL
  SELECT * FROM hits__rule_net_scan_vertical
  UNION ALL
  SELECT * FROM hits__rule_net_service_new
  UNION ALL
  SELECT * FROM hits__rule_net_silence
  UNION ALL
  SELECT * FROM hits__rule_net_staging
  UNION ALL
  SELECT * FROM hits__rule_net_threat_match
  UNION ALL
  SELECT * FROM hits__rule_net_travel_impossible
  UNION ALL
  SELECT * FROM hits__rule_net_upload_ratio
  UNION ALL
  SELECT * FROM hits__rule_net_volume_outlier
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (hit_id, rule, event_time, window_start, window_end, score, key_order, alert_key, title, values, disposition, alert_id, opened_at, fingerprint, severity)
  VALUES (hit_id, rule, event_time, window_start, window_end, score, key_order, alert_key, title, values, disposition, alert_id, opened_at, fingerprint, severity);
