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
  anybody_rows INT64,
  anybody_since TIMESTAMP,
  anybody_history_days INT64,
  usual_max_sources INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY dst_ip
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_flood_distributed AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    rule_net_flood_distributed__joined AS (
      SELECT
        t.*,
        usual.window_start AS usual__window_start,
        usual.window_end AS usual__window_end,
        usual.event_time AS usual__event_time,
        IF(usual.window_start IS NULL, 0, usual.max_sources) AS usual__max_sources
      FROM victim_usual AS t
      LEFT JOIN victim_hour_8d AS usual
        ON usual.window_end = TIMESTAMP_BUCKET(t.window_start, INTERVAL 1 DAY, TIMESTAMP '1970-01-01 00:00:00+00')
        AND COALESCE(t.dst_ip, '') = COALESCE(usual.dst_ip, '')
        AND (t.dst_ip IS NULL) = (usual.dst_ip IS NULL)
        AND t.hour = usual.hour
        AND usual.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1445 MINUTE)
        AND usual.event_time < tripline_to
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    )
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
    anybody_rows,
    anybody_since,
    anybody_history_days,
    usual__max_sources AS usual_max_sources
  FROM rule_net_flood_distributed__joined
  WHERE sources >= 500
    AND sources >= 5 * usual__max_sources
    AND anybody_history_days >= 1
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, window_start, window_end, event_time, sources, flows, bytes, top_port, hour, anybody_rows, anybody_since, anybody_history_days, usual_max_sources)
  VALUES (dst_ip, window_start, window_end, event_time, sources, flows, bytes, top_port, hour, anybody_rows, anybody_since, anybody_history_days, usual_max_sources);
