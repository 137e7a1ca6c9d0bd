-- Rule net.service.new: A server answers on a port on which it never did
-- @min_days is 14
-- @max_ports is 10
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_service_new (
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
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_service_new AS old
USING (
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
  FROM service_first
  WHERE host_days >= 14
    AND host_ports <= 10
    AND service_first.event_time >= tripline_from
    AND service_first.event_time < tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, dst_port, window_start, window_end, event_time, flows, bytes, clients, first_client, day, here_times, here_since, host_days, host_ports, host_since, here_history_days, host_history_days)
  VALUES (dst_ip, dst_port, window_start, window_end, event_time, flows, bytes, clients, first_client, day, here_times, here_since, host_days, host_ports, host_since, here_history_days, host_history_days);
