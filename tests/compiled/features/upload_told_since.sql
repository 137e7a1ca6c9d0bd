-- features/upload_told_since.yaml: before looks back 28d.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS upload_told_since (
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
  first_begin TIMESTAMP
)
PARTITION BY DATE(event_time)
CLUSTER BY actor, peer
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE upload_told_since AS old
USING (
  WITH
    -- Rows that ended when the row's window began, or before (in microseconds of the ends).
    upload_told_since__frames AS (
      SELECT
        *,
        MIN(begin) OVER before AS aggregate_1,
        MIN(window_start) OVER before AS aggregate_2
      FROM upload_told_10m
      WHERE upload_told_10m.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 40330 MINUTE)
        AND upload_told_10m.event_time < tripline_to
      WINDOW
        before AS (
          PARTITION BY actor, peer ORDER BY UNIX_MICROS(window_end)
          RANGE BETWEEN 2419799999999 PRECEDING AND 600000000 PRECEDING
        )
    ),
    -- Rows with their look-backs.
    upload_told_since__outputs AS (
      SELECT
        actor,
        peer,
        window_start,
        window_end,
        event_time,
        begin,
        named,
        sure,
        aggregate_1 AS before_begin,
        aggregate_2 AS before_since
      FROM upload_told_since__frames
      WHERE event_time >= tripline_from
        AND event_time < tripline_to
    ),
    -- Columns from aggregates.
    upload_told_since__derive_1 AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_DIFF(window_start, before_since, DAY), 0) AS before_history_days,
        COALESCE(before_begin, begin) AS first_begin
      FROM upload_told_since__outputs
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
    first_begin
  FROM upload_told_since__derive_1
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (actor, peer, window_start, window_end, event_time, begin, named, sure, before_begin, before_since, before_history_days, first_begin)
  VALUES (actor, peer, window_start, window_end, event_time, begin, named, sure, before_begin, before_since, before_history_days, first_begin);
