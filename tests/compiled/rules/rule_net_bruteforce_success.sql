-- Rule net.bruteforce.success: Let in after many attempts to log in
-- @min_bytes is 30000
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_bruteforce_success (
  src_ip STRING,
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  sessions INT64,
  bytes INT64,
  last_begin TIMESTAMP,
  attempts_since TIMESTAMP
)
PARTITION BY DATE(event_time)
CLUSTER BY src_ip, dst_ip, dst_port
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_bruteforce_success AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    rule_net_bruteforce_success__joined AS (
      SELECT
        t.*,
        a.window_start AS a__window_start,
        a.window_end AS a__window_end,
        a.event_time AS a__event_time,
        a.first_end AS a__first_end
      FROM login_session_10m AS t
      LEFT JOIN login_attempts_24h AS a
        ON a.window_end = TIMESTAMP_BUCKET(t.window_end, INTERVAL 10 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00')
        AND COALESCE(t.src_ip, '') = COALESCE(a.actor, '')
        AND (t.src_ip IS NULL) = (a.actor IS NULL)
        AND COALESCE(t.dst_ip, '') = COALESCE(a.victim, '')
        AND (t.dst_ip IS NULL) = (a.victim IS NULL)
        AND COALESCE(t.dst_port, 0) = COALESCE(a.dst_port, 0)
        AND (t.dst_port IS NULL) = (a.dst_port IS NULL)
        AND a.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 10 MINUTE)
        AND a.event_time < tripline_to
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    )
  SELECT
    src_ip,
    dst_ip,
    dst_port,
    window_start,
    window_end,
    event_time,
    sessions,
    bytes,
    last_begin,
    a__first_end AS attempts_since
  FROM rule_net_bruteforce_success__joined
  WHERE bytes >= 30000
    AND COALESCE(a__first_end <= last_begin, FALSE)
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (src_ip, dst_ip, dst_port, window_start, window_end, event_time, sessions, bytes, last_begin, attempts_since)
  VALUES (src_ip, dst_ip, dst_port, window_start, window_end, event_time, sessions, bytes, last_begin, attempts_since);
