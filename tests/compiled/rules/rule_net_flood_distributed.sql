-- Rule net.flood.distributed: Many more sources than ever reach one of our hosts
-- @min_sources is 500
-- @min_times is 5
-- @min_days is 1
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_flood_distributed (
  dst_ip STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  sources INT64,
  flows INT64,
  bytes INT64,
  top_port INT64,
  hour INT64,
  same_hour_max_sources INT64,
  same_hour_since TIMESTAMP,
  anybody_rows INT64,
  anybody_since TIMESTAMP,
  same_hour_history_days INT64,
  anybody_history_days INT64,
  usual_max_sources INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY dst_ip
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_flood_distributed AS old
USING (
  SELECT
    dst_ip,
    window_start,
    window_end,
    event_time,
    sources,
    flows,
    bytes,
    top_port,
    hour,
    same_hour_max_sources,
    same_hour_since,
    anybody_rows,
    anybody_since,
    same_hour_history_days,
    anybody_history_days,
    usual_max_sources
  FROM victim_usual
  WHERE sources >= 500
    AND sources >= 5 * usual_max_sources
    AND anybody_history_days >= 1
    AND victim_usual.event_time >= tripline_from
    AND victim_usual.event_time < tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, window_start, window_end, event_time, sources, flows, bytes, top_port, hour, same_hour_max_sources, same_hour_since, anybody_rows, anybody_since, same_hour_history_days, anybody_history_days, usual_max_sources)
  VALUES (dst_ip, window_start, window_end, event_time, sources, flows, bytes, top_port, hour, same_hour_max_sources, same_hour_since, anybody_rows, anybody_since, same_hour_history_days, anybody_history_days, usual_max_sources);
