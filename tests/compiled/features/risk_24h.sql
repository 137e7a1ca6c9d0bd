-- features/risk_24h.yaml: windows of 15m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS risk_24h (
  actor STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  rules INT64,
  risk FLOAT64,
  named STRING
)
PARTITION BY DATE(event_time)
CLUSTER BY actor
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE risk_24h AS old
USING (
  WITH
    -- Rows that count, each with its pane of 15m.
    risk_24h__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 15 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM risk_by_rule_24h
      WHERE risk_by_rule_24h.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 15 MINUTE)
        AND risk_by_rule_24h.event_time < tripline_to
    ),
    -- Rows by key and window.
    risk_24h__panes AS (
      SELECT
        actor,
        pane_start,
        COUNT(*) AS rules,
        SUM(LN(1.0 - worst)) AS aggregate_2,
        STRING_AGG(rule, ', ' ORDER BY worst DESC, rule, window_end LIMIT 10) AS named
      FROM risk_24h__rows
      GROUP BY actor, pane_start
    )
  SELECT
    actor,
    pane_start AS window_start,
    TIMESTAMP_ADD(pane_start, INTERVAL 15 MINUTE) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(pane_start, INTERVAL 15 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
    rules,
    1.0 - EXP(aggregate_2) AS risk,
    named
  FROM risk_24h__panes
  WHERE TIMESTAMP_ADD(pane_start, INTERVAL 15 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(pane_start, INTERVAL 15 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (actor, window_start, window_end, event_time, rules, risk, named)
  VALUES (actor, window_start, window_end, event_time, rules, risk, named);
