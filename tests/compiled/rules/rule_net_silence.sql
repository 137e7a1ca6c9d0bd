-- Rule net.silence: A source that never pauses fell silent
-- @min_silent_hours is 5
-- @min_hours is 160
-- @min_flows is 10
-- @max_alone is 3
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_silence (
  subscriber_id STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  last_end TIMESTAMP,
  last_hours INT64,
  last_flows FLOAT64,
  last_src_ip STRING,
  silent_hours INT64,
  who STRING,
  alike INT64,
  others INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_silence AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    rule_net_silence__joined AS (
      SELECT
        t.*,
        a.window_start AS a__window_start,
        a.window_end AS a__window_end,
        a.event_time AS a__event_time,
        IF(a.window_start IS NULL, 1, a.sources) AS a__sources,
        o.window_start AS o__window_start,
        o.window_end AS o__window_end,
        o.event_time AS o__event_time,
        IF(o.window_start IS NULL, 0, o.sources) AS o__sources
      FROM source_silent_1h AS t
      LEFT JOIN source_silent_alike_1h AS a
        ON t.window_start = a.window_start
        AND t.window_end = a.window_end
        AND a.event_time >= tripline_from
        AND a.event_time < tripline_to
      LEFT JOIN source_alive_1h AS o
        ON t.window_start = o.window_start
        AND t.window_end = o.window_end
        AND o.event_time >= tripline_from
        AND o.event_time < tripline_to
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    )
  SELECT
    subscriber_id,
    window_start,
    window_end,
    event_time,
    last_end,
    last_hours,
    last_flows,
    last_src_ip,
    silent_hours,
    IF(a__sources > 3 OR a__sources > o__sources, 'many sources', subscriber_id) AS who,
    a__sources AS alike,
    o__sources AS others
  FROM rule_net_silence__joined
  WHERE silent_hours = 5
    AND last_hours >= 160
    AND last_flows >= 10.0
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, window_start, window_end, event_time, last_end, last_hours, last_flows, last_src_ip, silent_hours, who, alike, others)
  VALUES (subscriber_id, window_start, window_end, event_time, last_end, last_hours, last_flows, last_src_ip, silent_hours, who, alike, others);
