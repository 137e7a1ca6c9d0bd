-- features/travel_10m.yaml: windows of 10m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS travel_10m (
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
  to_ip STRING
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, came_in
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE travel_10m AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    travel_10m__joined AS (
      SELECT
        t.*,
        s.net AS s__net,
        IF(s.net IS NULL, FALSE, s.inside) AS s__inside,
        s.reason AS s__reason,
        d.net AS d__net,
        IF(d.net IS NULL, FALSE, d.inside) AS d__inside,
        d.reason AS d__reason
      FROM flows AS t
      LEFT JOIN UNNEST(ARRAY(
        SELECT AS STRUCT l.*
        FROM UNNEST((SELECT ARRAY_AGG(r) FROM networks AS r)) AS l
        WHERE BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.src_ip)) = BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))
          AND NET.IP_TRUNC(NET.SAFE_IP_FROM_STRING(t.src_ip), LEAST(COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))), 8 * BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.src_ip)))) = NET.IP_TRUNC(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]), COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))))
        ORDER BY COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))) DESC
        LIMIT 1
      )) AS s
      LEFT JOIN UNNEST(ARRAY(
        SELECT AS STRUCT l.*
        FROM UNNEST((SELECT ARRAY_AGG(r) FROM networks AS r)) AS l
        WHERE BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.dst_ip)) = BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))
          AND NET.IP_TRUNC(NET.SAFE_IP_FROM_STRING(t.dst_ip), LEAST(COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))), 8 * BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.dst_ip)))) = NET.IP_TRUNC(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]), COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))))
        ORDER BY COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))) DESC
        LIMIT 1
      )) AS d
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1210 MINUTE)
        AND t.event_time < tripline_to
    ),
    -- Columns per row.
    travel_10m__row_1 AS (
      SELECT
        *,
        d__inside AND NOT s__inside AS came_in,
        IF(GREATEST(ABS(latitude), ABS(0.0), ABS(longitude) / 2.0, ABS(0.0) / 2.0) <= 90.0, 12742.02 * ASIN(LEAST(1.0, SQRT(POW(SIN((0.0 - latitude) * 0.008726646259971648), 2.0) + COS(latitude * 0.017453292519943295) * COS(0.0 * 0.017453292519943295) * POW(SIN((0.0 - longitude) * 0.008726646259971648), 2.0)))), NULL) AS from_zero,
        COALESCE(CONCAT(geo_city, ', ', geo_country), geo_country) AS place,
        COALESCE(src_ip, '') AS ip,
        TIMESTAMP_SUB(event_time, INTERVAL COALESCE(duration_ms, 0) MILLISECOND) AS opened
      FROM travel_10m__joined
    ),
    -- Rows that count, each with the key's row before, not longer than 20h before.
    travel_10m__previous AS (
      SELECT
        *,
        IF(TIMESTAMP_DIFF(event_time, LAG(event_time) OVER key_before, MICROSECOND) <= 72000000000, LAG(event_time) OVER key_before, NULL) AS previous_event_time,
        IF(TIMESTAMP_DIFF(event_time, LAG(event_time) OVER key_before, MICROSECOND) <= 72000000000, LAG(duration_ms) OVER key_before, NULL) AS previous_duration_ms,
        IF(TIMESTAMP_DIFF(event_time, LAG(event_time) OVER key_before, MICROSECOND) <= 72000000000, LAG(src_ip) OVER key_before, NULL) AS previous_src_ip,
        IF(TIMESTAMP_DIFF(event_time, LAG(event_time) OVER key_before, MICROSECOND) <= 72000000000, LAG(geo_country) OVER key_before, NULL) AS previous_geo_country,
        IF(TIMESTAMP_DIFF(event_time, LAG(event_time) OVER key_before, MICROSECOND) <= 72000000000, LAG(geo_city) OVER key_before, NULL) AS previous_geo_city,
        IF(TIMESTAMP_DIFF(event_time, LAG(event_time) OVER key_before, MICROSECOND) <= 72000000000, LAG(latitude) OVER key_before, NULL) AS previous_latitude,
        IF(TIMESTAMP_DIFF(event_time, LAG(event_time) OVER key_before, MICROSECOND) <= 72000000000, LAG(longitude) OVER key_before, NULL) AS previous_longitude
      FROM travel_10m__row_1
      WHERE subscriber_id IS NOT NULL
        AND geo_country IS NOT NULL
        AND outcome = 'established'
        AND COALESCE(from_zero, 0.0) > 0.0
        AND (admit_watermark IS NULL OR admit_watermark <= event_time)
      WINDOW key_before AS (
          PARTITION BY subscriber_id, came_in ORDER BY UNIX_MICROS(event_time), row_id
        )
    ),
    -- Columns that need the row before.
    travel_10m__then_1 AS (
      SELECT
        *,
        COALESCE(previous_src_ip, '') AS previous_ip,
        COALESCE(CONCAT(previous_geo_city, ', ', previous_geo_country), previous_geo_country) AS previous_place,
        TIMESTAMP_SUB(previous_event_time, INTERVAL COALESCE(previous_duration_ms, 0) MILLISECOND) AS previous_opened
      FROM travel_10m__previous
    ),
    -- Columns that need the row before.
    travel_10m__then_2 AS (
      SELECT
        *,
        ABS(TIMESTAMP_DIFF(opened, previous_opened, SECOND)) AS apart,
        IF(GREATEST(ABS(latitude), ABS(previous_latitude), ABS(longitude) / 2.0, ABS(previous_longitude) / 2.0) <= 90.0, 12742.02 * ASIN(LEAST(1.0, SQRT(POW(SIN((previous_latitude - latitude) * 0.008726646259971648), 2.0) + COS(latitude * 0.017453292519943295) * COS(previous_latitude * 0.017453292519943295) * POW(SIN((previous_longitude - longitude) * 0.008726646259971648), 2.0)))), NULL) AS distance
      FROM travel_10m__then_1
    ),
    -- Columns that need the row before.
    travel_10m__then_3 AS (
      SELECT
        *,
        CAST(ROUND(distance) AS INT64) AS apart_km
      FROM travel_10m__then_2
    ),
    -- Columns that need the row before.
    travel_10m__then_4 AS (
      SELECT
        *,
        apart_km - IF(geo_city IS NULL OR previous_geo_city IS NULL, 2500, 0) AS sure
      FROM travel_10m__then_3
    ),
    -- Columns that need the row before.
    travel_10m__then_5 AS (
      SELECT
        *,
        IF(COALESCE(geo_country != previous_geo_country, FALSE), sure - DIV(5 * apart, 18), 0) AS beyond,
        CONCAT(LEAST(geo_country, previous_geo_country), ' and ', GREATEST(geo_country, previous_geo_country)) AS pair
      FROM travel_10m__then_4
    ),
    -- Rows that count, each with its pane of 10m.
    travel_10m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 10 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM travel_10m__then_5
    ),
    -- Rows by key and window.
    travel_10m__panes AS (
      SELECT
        subscriber_id,
        came_in,
        pane_start,
        MAX(beyond) AS beyond_km,
        ARRAY_AGG(apart_km IGNORE NULLS ORDER BY beyond DESC, row_id, apart_km LIMIT 1)[SAFE_OFFSET(0)] AS km,
        ARRAY_AGG(sure IGNORE NULLS ORDER BY beyond DESC, row_id, sure LIMIT 1)[SAFE_OFFSET(0)] AS sure_km,
        ARRAY_AGG(apart IGNORE NULLS ORDER BY beyond DESC, row_id, apart LIMIT 1)[SAFE_OFFSET(0)] AS seconds,
        ARRAY_AGG(pair IGNORE NULLS ORDER BY beyond DESC, row_id, pair LIMIT 1)[SAFE_OFFSET(0)] AS countries,
        ARRAY_AGG(previous_geo_country IGNORE NULLS ORDER BY beyond DESC, row_id, previous_geo_country LIMIT 1)[SAFE_OFFSET(0)] AS from_country,
        ARRAY_AGG(previous_place IGNORE NULLS ORDER BY beyond DESC, row_id, previous_place LIMIT 1)[SAFE_OFFSET(0)] AS from_place,
        ARRAY_AGG(previous_ip IGNORE NULLS ORDER BY beyond DESC, row_id, previous_ip LIMIT 1)[SAFE_OFFSET(0)] AS from_ip,
        ARRAY_AGG(geo_country IGNORE NULLS ORDER BY beyond DESC, row_id, geo_country LIMIT 1)[SAFE_OFFSET(0)] AS to_country,
        ARRAY_AGG(place IGNORE NULLS ORDER BY beyond DESC, row_id, place LIMIT 1)[SAFE_OFFSET(0)] AS to_place,
        ARRAY_AGG(ip IGNORE NULLS ORDER BY beyond DESC, row_id, ip LIMIT 1)[SAFE_OFFSET(0)] AS to_ip
      FROM travel_10m__rows
      GROUP BY subscriber_id, came_in, pane_start
    )
  SELECT
    subscriber_id,
    came_in,
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
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
    to_ip
  FROM travel_10m__panes
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 10 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, came_in, window_start, window_end, event_time, beyond_km, km, sure_km, seconds, countries, from_country, from_place, from_ip, to_country, to_place, to_ip)
  VALUES (subscriber_id, came_in, window_start, window_end, event_time, beyond_km, km, sure_km, seconds, countries, from_country, from_place, from_ip, to_country, to_place, to_ip);
