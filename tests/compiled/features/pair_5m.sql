-- features/pair_5m.yaml: windows of 5m every 1m.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS pair_5m (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  flows INT64,
  dst_ports INT64,
  dead_ports INT64
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE pair_5m AS old
USING (
  WITH
    -- Rows that count, each with its pane of 1m.
    pair_5m__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 1 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM flows
      WHERE flows.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 5 MINUTE)
        AND flows.event_time < tripline_to
    ),
    -- Each row counted once, in its pane.
    pair_5m__panes AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        pane_start,
        IF(admit_watermark >= TIMESTAMP_ADD(pane_start, INTERVAL 1 MINUTE), admit_watermark, NULL) AS late_after,
        COUNT(*) AS flows
      FROM pair_5m__rows
      WHERE (admit_watermark IS NULL OR admit_watermark < TIMESTAMP_ADD(pane_start, INTERVAL 5 MINUTE))
      GROUP BY subscriber_id, src_ip, dst_ip, pane_start, late_after
    ),
    -- Different values of dst_ports, by pane.
    pair_5m__values_of_dst_ports AS (
      SELECT DISTINCT
        subscriber_id,
        src_ip,
        dst_ip,
        pane_start,
        IF(admit_watermark >= TIMESTAMP_ADD(pane_start, INTERVAL 1 MINUTE), admit_watermark, NULL) AS late_after,
        dst_port AS dst_ports
      FROM pair_5m__rows
      WHERE (admit_watermark IS NULL OR admit_watermark < TIMESTAMP_ADD(pane_start, INTERVAL 5 MINUTE))
    ),
    -- Different values of dead_ports, by pane.
    pair_5m__values_of_dead_ports AS (
      SELECT DISTINCT
        subscriber_id,
        src_ip,
        dst_ip,
        pane_start,
        IF(admit_watermark >= TIMESTAMP_ADD(pane_start, INTERVAL 1 MINUTE), admit_watermark, NULL) AS late_after,
        IF(outcome IN ('unanswered', 'refused'), dst_port, NULL) AS dead_ports
      FROM pair_5m__rows
      WHERE (admit_watermark IS NULL OR admit_watermark < TIMESTAMP_ADD(pane_start, INTERVAL 5 MINUTE))
    ),
    -- Panes, and the values to be counted.
    pair_5m__parts AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        pane_start,
        late_after,
        flows,
        NULL AS dst_ports,
        NULL AS dead_ports
      FROM pair_5m__panes
      UNION ALL
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        pane_start,
        late_after,
        NULL AS flows,
        dst_ports,
        NULL AS dead_ports
      FROM pair_5m__values_of_dst_ports
      UNION ALL
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        pane_start,
        late_after,
        NULL AS flows,
        NULL AS dst_ports,
        dead_ports
      FROM pair_5m__values_of_dead_ports
    ),
    -- Each pane in every window that holds it.
    pair_5m__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop MINUTE) AS window_start
      FROM pair_5m__parts
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 4)) AS hop
      WHERE (late_after IS NULL OR late_after < TIMESTAMP_ADD(TIMESTAMP_SUB(pane_start, INTERVAL hop MINUTE), INTERVAL 5 MINUTE))
    ),
    -- Panes to windows.
    pair_5m__windows AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        window_start,
        SUM(flows) AS flows,
        LEAST(COUNT(DISTINCT dst_ports), 1000000) AS dst_ports,
        LEAST(COUNT(DISTINCT dead_ports), 1000000) AS dead_ports
      FROM pair_5m__hops
      GROUP BY subscriber_id, src_ip, dst_ip, window_start
    )
  SELECT
    subscriber_id,
    src_ip,
    dst_ip,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 5 MINUTE) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 5 MINUTE), INTERVAL 1 MICROSECOND) AS event_time,
    flows,
    dst_ports,
    dead_ports
  FROM pair_5m__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 5 MINUTE) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 5 MINUTE) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, flows, dst_ports, dead_ports)
  VALUES (subscriber_id, src_ip, dst_ip, window_start, window_end, event_time, flows, dst_ports, dead_ports);
