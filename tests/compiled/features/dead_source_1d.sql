-- features/dead_source_1d.yaml: windows of 1d every 1h.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS dead_source_1d (
  subscriber_id STRING,
  src_ip STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  targets INT64,
  dst_ips INT64,
  dst_ports INT64,
  attempts INT64,
  most_at_once INT64,
  last_end TIMESTAMP
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE dead_source_1d AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    dead_source_1d__joined AS (
      SELECT
        t.*,
        s.window_start AS s__window_start,
        s.window_end AS s__window_end,
        s.event_time AS s__event_time,
        IF(s.window_start IS NULL, 0, s.targets) AS s__targets
      FROM dead_target_5m AS t
      LEFT JOIN dead_source_5m AS s
        ON t.window_start = s.window_start
        AND t.window_end = s.window_end
        AND COALESCE(t.subscriber_id, '') = COALESCE(s.subscriber_id, '')
        AND (t.subscriber_id IS NULL) = (s.subscriber_id IS NULL)
        AND COALESCE(t.src_ip, '') = COALESCE(s.src_ip, '')
        AND (t.src_ip IS NULL) = (s.src_ip IS NULL)
        AND s.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND s.event_time < tripline_to
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
    ),
    -- Rows that count, each with its pane of 1h.
    dead_source_1d__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 HOUR, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM dead_source_1d__joined
    ),
    -- Rows by key and window.
    dead_source_1d__panes AS (
      SELECT
        subscriber_id,
        src_ip,
        pane_start,
        SUM(attempts) AS attempts,
        MAX(s__targets) AS most_at_once,
        MAX(window_end) AS last_end
      FROM dead_source_1d__rows
      GROUP BY subscriber_id, src_ip, pane_start
    ),
    -- Different values of targets, by pane.
    dead_source_1d__values_of_targets AS (
      SELECT DISTINCT
        subscriber_id,
        src_ip,
        pane_start,
        target AS targets
      FROM dead_source_1d__rows
    ),
    -- Different values of dst_ips, by pane.
    dead_source_1d__values_of_dst_ips AS (
      SELECT DISTINCT
        subscriber_id,
        src_ip,
        pane_start,
        dst_ip AS dst_ips
      FROM dead_source_1d__rows
    ),
    -- Different values of dst_ports, by pane.
    dead_source_1d__values_of_dst_ports AS (
      SELECT DISTINCT
        subscriber_id,
        src_ip,
        pane_start,
        dst_port AS dst_ports
      FROM dead_source_1d__rows
    ),
    -- Panes, and the values to be counted.
    dead_source_1d__parts AS (
      SELECT
        subscriber_id,
        src_ip,
        pane_start,
        attempts,
        most_at_once,
        last_end,
        NULL AS targets,
        NULL AS dst_ips,
        NULL AS dst_ports
      FROM dead_source_1d__panes
      UNION ALL
      SELECT
        subscriber_id,
        src_ip,
        pane_start,
        NULL AS attempts,
        NULL AS most_at_once,
        NULL AS last_end,
        targets,
        NULL AS dst_ips,
        NULL AS dst_ports
      FROM dead_source_1d__values_of_targets
      UNION ALL
      SELECT
        subscriber_id,
        src_ip,
        pane_start,
        NULL AS attempts,
        NULL AS most_at_once,
        NULL AS last_end,
        NULL AS targets,
        dst_ips,
        NULL AS dst_ports
      FROM dead_source_1d__values_of_dst_ips
      UNION ALL
      SELECT
        subscriber_id,
        src_ip,
        pane_start,
        NULL AS attempts,
        NULL AS most_at_once,
        NULL AS last_end,
        NULL AS targets,
        NULL AS dst_ips,
        dst_ports
      FROM dead_source_1d__values_of_dst_ports
    ),
    -- Each pane in every window that holds it.
    dead_source_1d__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop HOUR) AS window_start
      FROM dead_source_1d__parts
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 23)) AS hop
    ),
    -- Panes to windows.
    dead_source_1d__windows AS (
      SELECT
        subscriber_id,
        src_ip,
        window_start,
        LEAST(COUNT(DISTINCT targets), 1000000) AS targets,
        LEAST(COUNT(DISTINCT dst_ips), 1000000) AS dst_ips,
        LEAST(COUNT(DISTINCT dst_ports), 1000000) AS dst_ports,
        SUM(attempts) AS attempts,
        MAX(most_at_once) AS most_at_once,
        MAX(last_end) AS last_end
      FROM dead_source_1d__hops
      GROUP BY subscriber_id, src_ip, window_start
    )
  SELECT
    subscriber_id,
    src_ip,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 1 DAY), INTERVAL 1 MICROSECOND) AS event_time,
    targets,
    dst_ips,
    dst_ports,
    attempts,
    most_at_once,
    last_end
  FROM dead_source_1d__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, window_start, window_end, event_time, targets, dst_ips, dst_ports, attempts, most_at_once, last_end)
  VALUES (subscriber_id, src_ip, window_start, window_end, event_time, targets, dst_ips, dst_ports, attempts, most_at_once, last_end);
