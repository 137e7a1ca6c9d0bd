-- Rule net.compromise.exfiltration: Signs of a compromise, then an upload to a new receiver
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS rule_net_compromise_exfiltration (
  actor STRING,
  peer STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  begin TIMESTAMP,
  named STRING,
  sure FLOAT64,
  before_begin TIMESTAMP,
  before_since TIMESTAMP,
  before_history_days INT64,
  first_begin TIMESTAMP,
  host STRING,
  signs STRING,
  signs_since TIMESTAMP,
  together FLOAT64
)
PARTITION BY DATE(event_time)
CLUSTER BY actor, peer
OPTIONS (labels = [('tripline', 'rule')]);

-- Replaces the rows of these days; it can be run again.
MERGE rule_net_compromise_exfiltration AS old
USING (
  WITH
    -- Each row beside what is joined to it.
    rule_net_compromise_exfiltration__joined AS (
      SELECT
        t.*,
        c.window_start AS c__window_start,
        c.window_end AS c__window_end,
        c.event_time AS c__event_time,
        c.first_end AS c__first_end,
        c.named AS c__named,
        c.sure AS c__sure
      FROM upload_told_since AS t
      LEFT JOIN compromise_72h AS c
        ON c.window_end = TIMESTAMP_BUCKET(t.window_start, INTERVAL 10 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00')
        AND COALESCE(t.actor, '') = COALESCE(c.actor, '')
        AND (t.actor IS NULL) = (c.actor IS NULL)
        AND c.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 20 MINUTE)
        AND c.event_time < tripline_to
      WHERE t.event_time >= tripline_from
        AND t.event_time < tripline_to
    )
  SELECT
    actor,
    peer,
    window_start,
    window_end,
    event_time,
    begin,
    named,
    sure,
    before_begin,
    before_since,
    before_history_days,
    first_begin,
    actor AS host,
    c__named AS signs,
    c__first_end AS signs_since,
    1.0 - (1.0 - COALESCE(c__sure, 0.0)) * (1.0 - sure) AS together
  FROM rule_net_compromise_exfiltration__joined
  WHERE COALESCE(c__first_end <= first_begin, FALSE)
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (actor, peer, window_start, window_end, event_time, begin, named, sure, before_begin, before_since, before_history_days, first_begin, host, signs, signs_since, together)
  VALUES (actor, peer, window_start, window_end, event_time, begin, named, sure, before_begin, before_since, before_history_days, first_begin, host, signs, signs_since, together);
