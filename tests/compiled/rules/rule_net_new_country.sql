-- Rule net.new_country: A subscriber in a country that is new for it
-- @min_days is 7
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_new_country (
  subscriber_id STRING,
  geo_country STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  first_src_ip STRING,
  day DATE,
  here_times INT64,
  here_since TIMESTAMP,
  known_days INT64,
  known_since TIMESTAMP,
  here_history_days INT64,
  known_history_days INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, geo_country
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_new_country AS old
USING (
  SELECT
    subscriber_id,
    geo_country,
    window_start,
    window_end,
    event_time,
    flows,
    first_src_ip,
    day,
    here_times,
    here_since,
    known_days,
    known_since,
    here_history_days,
    known_history_days
  FROM country_first
  WHERE known_days >= 7
    AND country_first.event_time >= tripline_from
    AND country_first.event_time < tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, geo_country, window_start, window_end, event_time, flows, first_src_ip, day, here_times, here_since, known_days, known_since, here_history_days, known_history_days)
  VALUES (subscriber_id, geo_country, window_start, window_end, event_time, flows, first_src_ip, day, here_times, here_since, known_days, known_since, here_history_days, known_history_days);
