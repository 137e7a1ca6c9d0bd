-- features/login_attempts_24h.yaml: windows of 1d every 10m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS login_attempts_24h (
  actor STRING,
  victim STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  first_end TIMESTAMP
)
PARTITION BY DATE(event_time)
CLUSTER BY actor, victim, dst_port
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE login_attempts_24h AS old
USING (
  WITH
    -- hits(net.bruteforce): rows of rules that no exception covers.
    login_attempts_24h__hits AS (
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
    ),
    -- Rows that count, each with its pane of 10m.
    login_attempts_24h__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 10 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM login_attempts_24h__hits
    ),
    -- Rows by key and window.
    login_attempts_24h__panes AS (
      SELECT
        actor,
        victim,
        dst_port,
        pane_start,
        MIN(window_end) AS first_end
      FROM login_attempts_24h__rows
      GROUP BY actor, victim, dst_port, pane_start
    ),
    -- Each pane in every window that holds it.
    login_attempts_24h__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop * 10 MINUTE) AS window_start
      FROM login_attempts_24h__panes
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 143)) AS hop
    ),
    -- Panes to windows.
    login_attempts_24h__windows AS (
      SELECT
        actor,
        victim,
        dst_port,
        window_start,
        MIN(first_end) AS first_end
      FROM login_attempts_24h__hops
      GROUP BY actor, victim, dst_port, window_start
    )
  SELECT
    actor,
    victim,
    dst_port,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 1 DAY), INTERVAL 1 MICROSECOND) AS event_time,
    first_end
  FROM login_attempts_24h__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (actor, victim, dst_port, window_start, window_end, event_time, first_end)
  VALUES (actor, victim, dst_port, window_start, window_end, event_time, first_end);
