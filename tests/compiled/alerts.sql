-- Incidents: hits of one alert key that are near in time.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS alerts (
  alert_id STRING,
  rule STRING,
  severity STRING,
  event_time TIMESTAMP,
  last_time TIMESTAMP,
  hits INT64,
  score FLOAT64,
  hit_id STRING,
  title STRING,
  values STRING,
  fingerprint STRING
)
PARTITION BY DATE(event_time)
CLUSTER BY rule
OPTIONS (labels = [('tripline', 'alerts')]);

-- Replaces the rows of these days; it can be run again.
MERGE alerts AS old
USING (
  SELECT
    alert_id,
    rule,
    ANY_VALUE(severity) AS severity,
    MIN(event_time) AS event_time,
    MAX(event_time) AS last_time,
    COUNT(*) AS hits,
    MAX(score) AS score,
    ARRAY_AGG(hit_id ORDER BY score DESC, key_order, event_time, hit_id LIMIT 1)[OFFSET(0)] AS hit_id,
    ARRAY_AGG(title ORDER BY score DESC, key_order, event_time, hit_id LIMIT 1)[OFFSET(0)] AS title,
    ARRAY_AGG(`values` ORDER BY score DESC, key_order, event_time, hit_id LIMIT 1)[OFFSET(0)] AS `values`,
    ANY_VALUE(fingerprint) AS fingerprint
  FROM hits
  WHERE disposition IN ('alerted', 'merged')
    AND hits.event_time >= tripline_from
    AND hits.event_time < tripline_to
  GROUP BY alert_id, rule, opened_at
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (alert_id, rule, severity, event_time, last_time, hits, score, hit_id, title, values, fingerprint)
  VALUES (alert_id, rule, severity, event_time, last_time, hits, score, hit_id, title, values, fingerprint);
