-- Rule net.travel.impossible: One subscriber in two places that no journey joins
-- @min_km is 500
-- @max_kmh is 1000
-- @min_days is 7
-- @max_pairs is 3
-- @max_alike is 3
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_travel_impossible (
  subscriber_id STRING,
  came_in BOOL,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  beyond_km INT64,
  km INT64,
  sure_km INT64,
  seconds INT64,
  countries STRING,
  from_country STRING,
  from_place STRING,
  from_ip STRING,
  to_country STRING,
  to_place STRING,
  to_ip STRING,
  same_beyond_km INT64,
  same_since TIMESTAMP,
  other_pairs INT64,
  other_since TIMESTAMP,
  same_history_days INT64,
  other_history_days INT64,
  new_ip STRING,
  usual_ip STRING,
  new_place STRING,
  usual_place STRING,
  who STRING,
  alike INT64,
  minutes INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, came_in
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_travel_impossible AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    rule_net_travel_impossible__joined AS (
      SELECT
        t_.*,
        f.window_start AS f__window_start,
        f.window_end AS f__window_end,
        f.event_time AS f__event_time,
        IF(f.window_start IS NULL, 0, f.days) AS f__days,
        t.window_start AS t__window_start,
        t.window_end AS t__window_end,
        t.event_time AS t__event_time,
        IF(t.window_start IS NULL, 0, t.days) AS t__days,
        a.window_start AS a__window_start,
        a.window_end AS a__window_end,
        a.event_time AS a__event_time,
        IF(a.window_start IS NULL, 1, a.subscribers) AS a__subscribers
      FROM travel_first AS t_
      LEFT JOIN country_28d AS f
        ON f.window_end = TIMESTAMP_BUCKET(t_.window_start, INTERVAL 1 DAY, TIMESTAMP '1970-01-01 00:00:00+00')
        AND COALESCE(t_.subscriber_id, '') = COALESCE(f.subscriber_id, '')
        AND (t_.subscriber_id IS NULL) = (f.subscriber_id IS NULL)
        AND COALESCE(t_.from_country, '') = COALESCE(f.geo_country, '')
        AND (t_.from_country IS NULL) = (f.geo_country IS NULL)
        AND f.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1450 MINUTE)
        AND f.event_time < tripline_to
      LEFT JOIN country_28d AS t
        ON t.window_end = TIMESTAMP_BUCKET(t_.window_start, INTERVAL 1 DAY, TIMESTAMP '1970-01-01 00:00:00+00')
        AND COALESCE(t_.subscriber_id, '') = COALESCE(t.subscriber_id, '')
        AND (t_.subscriber_id IS NULL) = (t.subscriber_id IS NULL)
        AND COALESCE(t_.to_country, '') = COALESCE(t.geo_country, '')
        AND (t_.to_country IS NULL) = (t.geo_country IS NULL)
        AND t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1450 MINUTE)
        AND t.event_time < tripline_to
      LEFT JOIN travel_alike_24h AS a
        ON a.window_end = TIMESTAMP_BUCKET(t_.window_end, INTERVAL 10 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00')
        AND COALESCE(t_.countries, '') = COALESCE(a.countries, '')
        AND (t_.countries IS NULL) = (a.countries IS NULL)
        AND a.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 10 MINUTE)
        AND a.event_time < tripline_to
      WHERE t_.event_time >= tripline_from
        AND t_.event_time < tripline_to
    )
  SELECT
    subscriber_id,
    came_in,
    window_start,
    window_end,
    event_time,
    beyond_km,
    km,
    sure_km,
    seconds,
    countries,
    from_country,
    from_place,
    from_ip,
    to_country,
    to_place,
    to_ip,
    same_beyond_km,
    same_since,
    other_pairs,
    other_since,
    same_history_days,
    other_history_days,
    IF(t__days >= 7, from_ip, to_ip) AS new_ip,
    IF(t__days >= 7, to_ip, from_ip) AS usual_ip,
    IF(t__days >= 7, from_place, to_place) AS new_place,
    IF(t__days >= 7, to_place, from_place) AS usual_place,
    IF(a__subscribers > 3, 'many subscribers', subscriber_id) AS who,
    a__subscribers AS alike,
    DIV(seconds, 60) AS minutes
  FROM rule_net_travel_impossible__joined
  WHERE COALESCE(sure_km - DIV(1000 * seconds, 3600), 0) >= 500
    AND GREATEST(f__days, t__days) >= 7
    AND LEAST(f__days, t__days) < 7
    AND other_pairs <= 3
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, came_in, window_start, window_end, event_time, beyond_km, km, sure_km, seconds, countries, from_country, from_place, from_ip, to_country, to_place, to_ip, same_beyond_km, same_since, other_pairs, other_since, same_history_days, other_history_days, new_ip, usual_ip, new_place, usual_place, who, alike, minutes)
  VALUES (subscriber_id, came_in, window_start, window_end, event_time, beyond_km, km, sure_km, seconds, countries, from_country, from_place, from_ip, to_country, to_place, to_ip, same_beyond_km, same_since, other_pairs, other_since, same_history_days, other_history_days, new_ip, usual_ip, new_place, usual_place, who, alike, minutes);
