-- features/login_victim_6h.yaml: windows of 6h every 1h.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS login_victim_6h (
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  slow_sessions INT64,
  sources INT64,
  top_source STRING
)
PARTITION BY DATE(event_time)
CLUSTER BY dst_ip, dst_port
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE login_victim_6h AS old
USING (
  WITH
    -- Rows that count, each with its pane of 1h.
    login_victim_6h__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 HOUR, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM login_pair_5m
      WHERE login_pair_5m.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 6 HOUR)
        AND login_pair_5m.event_time < tripline_to
    ),
    -- Rows by key and window.
    login_victim_6h__panes AS (
      SELECT
        dst_ip,
        dst_port,
        pane_start,
        SUM(LEAST(short_sessions, 10)) AS slow_sessions,
        ARRAY_AGG(IF(src_ip IS NULL, NULL, STRUCT(src_ip AS first_value, short_sessions AS order_1, window_start AS order_2, src_ip AS order_3, dst_ip AS order_4, dst_port AS order_5)) IGNORE NULLS ORDER BY short_sessions DESC, window_start, src_ip, dst_ip, dst_port LIMIT 1)[SAFE_OFFSET(0)] AS top_source
      FROM login_victim_6h__rows
      GROUP BY dst_ip, dst_port, pane_start
    ),
    -- Different values of sources, by pane.
    login_victim_6h__values_of_sources AS (
      SELECT DISTINCT
        dst_ip,
        dst_port,
        pane_start,
        src_ip AS sources
      FROM login_victim_6h__rows
    ),
    -- Panes, and the values to be counted.
    login_victim_6h__parts AS (
      SELECT
        dst_ip,
        dst_port,
        pane_start,
        slow_sessions,
        top_source,
        NULL AS sources
      FROM login_victim_6h__panes
      UNION ALL
      SELECT
        dst_ip,
        dst_port,
        pane_start,
        NULL AS slow_sessions,
        NULL AS top_source,
        sources
      FROM login_victim_6h__values_of_sources
    ),
    -- Each pane in every window that holds it.
    login_victim_6h__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop HOUR) AS window_start
      FROM login_victim_6h__parts
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 5)) AS hop
    ),
    -- Panes to windows.
    login_victim_6h__windows AS (
      SELECT
        dst_ip,
        dst_port,
        window_start,
        SUM(slow_sessions) AS slow_sessions,
        LEAST(COUNT(DISTINCT sources), 1000000) AS sources,
        ARRAY_AGG(top_source IGNORE NULLS ORDER BY top_source.order_1 DESC, top_source.order_2, top_source.order_3, top_source.order_4, top_source.order_5 LIMIT 1)[SAFE_OFFSET(0)].first_value AS top_source
      FROM login_victim_6h__hops
      GROUP BY dst_ip, dst_port, window_start
    )
  SELECT
    dst_ip,
    dst_port,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 6 HOUR) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 6 HOUR), INTERVAL 1 MICROSECOND) AS event_time,
    slow_sessions,
    sources,
    top_source
  FROM login_victim_6h__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 6 HOUR) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 6 HOUR) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, dst_port, window_start, window_end, event_time, slow_sessions, sources, top_source)
  VALUES (dst_ip, dst_port, window_start, window_end, event_time, slow_sessions, sources, top_source);
