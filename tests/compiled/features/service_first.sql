-- features/service_first.yaml: here looks back 28d, host looks back 28d.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS service_first (
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  bytes INT64,
  clients INT64,
  first_client STRING,
  day DATE,
  here_times INT64,
  here_since TIMESTAMP,
  host_days INT64,
  host_ports INT64,
  host_since TIMESTAMP,
  here_history_days INT64,
  host_history_days INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY dst_ip, dst_port
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE service_first AS old
USING (
  WITH
    -- Columns per row.
    service_first__row_1 AS (
      SELECT
        *,
        DATE(window_start) AS day
      FROM service_1h
      WHERE service_1h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 673 HOUR)
        AND service_1h.event_time < tripline_to
    ),
    -- Rows that ended when the row's window began, or before (in microseconds of the ends).
    service_first__frames AS (
      SELECT
        *,
        COUNT(*) OVER here AS aggregate_1,
        MIN(window_start) OVER here AS aggregate_2,
        ARRAY_AGG(day IGNORE NULLS) OVER host AS aggregate_3,
        ARRAY_AGG(dst_port IGNORE NULLS) OVER host AS aggregate_4,
        MIN(window_start) OVER host AS aggregate_5
      FROM service_first__row_1
      WHERE bytes >= 10000
      WINDOW
        here AS (
          PARTITION BY dst_ip, dst_port ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 2422799999999 PRECEDING AND 3600000000 PRECEDING
        ),
        host AS (
          PARTITION BY dst_ip ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 2422799999999 PRECEDING AND 3600000000 PRECEDING
        )
    ),
    -- Rows with their look-backs.
    service_first__outputs AS (
      SELECT
        dst_ip,
        dst_port,
        window_start,
        window_end,
        event_time,
        flows,
        bytes,
        clients,
        first_client,
        day,
        aggregate_1 AS here_times,
        aggregate_2 AS here_since,
        LEAST((SELECT COUNT(DISTINCT v) FROM UNNEST(aggregate_3) AS v), 1000000) AS host_days,
        LEAST((SELECT COUNT(DISTINCT v) FROM UNNEST(aggregate_4) AS v), 1000000) AS host_ports,
        aggregate_5 AS host_since
      FROM service_first__frames
      WHERE event_time >= tripline_from
        AND event_time < tripline_to
    ),
    -- Columns from aggregates.
    service_first__derive_1 AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_DIFF(window_start, here_since, DAY), 0) AS here_history_days,
        COALESCE(TIMESTAMP_DIFF(window_start, host_since, DAY), 0) AS host_history_days
      FROM service_first__outputs
    )
  SELECT
    dst_ip,
    dst_port,
    window_start,
    window_end,
    event_time,
    flows,
    bytes,
    clients,
    first_client,
    day,
    here_times,
    here_since,
    host_days,
    host_ports,
    host_since,
    here_history_days,
    host_history_days
  FROM service_first__derive_1
  WHERE here_times = 0
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, dst_port, window_start, window_end, event_time, flows, bytes, clients, first_client, day, here_times, here_since, host_days, host_ports, host_since, here_history_days, host_history_days)
  VALUES (dst_ip, dst_port, window_start, window_end, event_time, flows, bytes, clients, first_client, day, here_times, here_since, host_days, host_ports, host_since, here_history_days, host_history_days);
