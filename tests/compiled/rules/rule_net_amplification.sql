-- Rule net.amplification: One of our servers amplifies a flood
-- @min_bytes is 50000000
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_amplification (
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  requested_bytes INT64,
  answered_bytes INT64,
  victims INT64,
  top_victim STRING,
  service STRING
)
PARTITION BY DATE(event_time)
CLUSTER BY dst_ip, dst_port
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_amplification AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    rule_net_amplification__joined AS (
      SELECT
        t.*,
        p.port AS p__port,
        IF(p.port IS NULL, '', p.service) AS p__service
      FROM reflector_5m AS t
      LEFT JOIN reflection_ports AS p
        ON t.dst_port = p.port
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    )
  SELECT
    dst_ip,
    dst_port,
    window_start,
    window_end,
    event_time,
    flows,
    requested_bytes,
    answered_bytes,
    victims,
    top_victim,
    p__service AS service
  FROM rule_net_amplification__joined
  WHERE answered_bytes >= 50000000
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (dst_ip, dst_port, window_start, window_end, event_time, flows, requested_bytes, answered_bytes, victims, top_victim, service)
  VALUES (dst_ip, dst_port, window_start, window_end, event_time, flows, requested_bytes, answered_bytes, victims, top_victim, service);
