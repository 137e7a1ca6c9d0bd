-- Rule net.risk: Several rules about one actor
-- @min_risk is 0.7
-- @min_rules is 2
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_risk (
  actor STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  rules INT64,
  risk FLOAT64,
  named STRING,
  risk_before FLOAT64,
  percent INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY actor
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_risk AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    rule_net_risk__joined AS (
      SELECT
        t.*,
        before.window_start AS before__window_start,
        before.window_end AS before__window_end,
        before.event_time AS before__event_time,
        IF(before.window_start IS NULL, 0, before.rules) AS before__rules,
        IF(before.window_start IS NULL, 0.0, before.risk) AS before__risk,
        before.named AS before__named
      FROM risk_24h AS t
      LEFT JOIN risk_24h AS before
        ON before.window_end = TIMESTAMP_BUCKET(t.window_start, INTERVAL 15 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00')
        AND COALESCE(t.actor, '') = COALESCE(before.actor, '')
        AND (t.actor IS NULL) = (before.actor IS NULL)
        AND before.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 30 MINUTE)
        AND before.event_time < tripline_to
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    )
  SELECT
    actor,
    window_start,
    window_end,
    event_time,
    rules,
    risk,
    named,
    before__risk AS risk_before,
    CAST(FLOOR(100.0 * risk) AS INT64) AS percent
  FROM rule_net_risk__joined
  WHERE risk >= 0.7
    AND rules >= 2
    AND (before__risk < 0.7 OR before__rules < 2)
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (actor, window_start, window_end, event_time, rules, risk, named, risk_before, percent)
  VALUES (actor, window_start, window_end, event_time, rules, risk, named, risk_before, percent);
