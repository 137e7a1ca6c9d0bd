-- features/admin_first_30m.yaml: windows of 30m every 10m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS admin_first_30m (
  subscriber_id STRING,
  src_ip STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  new_hosts INT64,
  sessions INT64,
  min_port INT64,
  max_port INT64,
  history_days INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE admin_first_30m AS old
USING (
  WITH
    -- Rows that count, each with its pane of 10m.
    admin_first_30m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 10 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM admin_first_10m
      WHERE admin_first_10m.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 30 MINUTE)
        AND admin_first_10m.event_time < tripline_to
    ),
    -- Rows by key and window.
    admin_first_30m__panes AS (
      SELECT
        subscriber_id,
        src_ip,
        pane_start,
        SUM(sessions) AS sessions,
        MIN(min_port) AS min_port,
        MAX(max_port) AS max_port,
        MIN(anybody_history_days) AS history_days
      FROM admin_first_30m__rows
      GROUP BY subscriber_id, src_ip, pane_start
    ),
    -- Different values of new_hosts, by pane.
    admin_first_30m__values_of_new_hosts AS (
      SELECT DISTINCT
        subscriber_id,
        src_ip,
        pane_start,
        dst_ip AS new_hosts
      FROM admin_first_30m__rows
    ),
    -- Panes, and the values to be counted.
    admin_first_30m__parts AS (
      SELECT
        subscriber_id,
        src_ip,
        pane_start,
        sessions,
        min_port,
        max_port,
        history_days,
        NULL AS new_hosts
      FROM admin_first_30m__panes
      UNION ALL
      SELECT
        subscriber_id,
        src_ip,
        pane_start,
        NULL AS sessions,
        NULL AS min_port,
        NULL AS max_port,
        NULL AS history_days,
        new_hosts
      FROM admin_first_30m__values_of_new_hosts
    ),
    -- Each pane in every window that holds it.
    admin_first_30m__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop * 10 MINUTE) AS window_start
      FROM admin_first_30m__parts
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 2)) AS hop
    ),
    -- Panes to windows.
    admin_first_30m__windows AS (
      SELECT
        subscriber_id,
        src_ip,
        window_start,
        LEAST(COUNT(DISTINCT new_hosts), 1000000) AS new_hosts,
        SUM(sessions) AS sessions,
        MIN(min_port) AS min_port,
        MAX(max_port) AS max_port,
        MIN(history_days) AS history_days
      FROM admin_first_30m__hops
      GROUP BY subscriber_id, src_ip, window_start
    )
  SELECT
    subscriber_id,
    src_ip,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 30 MINUTE) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 30 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
    new_hosts,
    sessions,
    min_port,
    max_port,
    history_days
  FROM admin_first_30m__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 30 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 30 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, window_start, window_end, event_time, new_hosts, sessions, min_port, max_port, history_days)
  VALUES (subscriber_id, src_ip, window_start, window_end, event_time, new_hosts, sessions, min_port, max_port, history_days);
