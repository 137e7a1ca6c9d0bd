-- features/contact_gap_24h.yaml: windows of 1d every 6h.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS contact_gap_24h (
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  dst_port INT64,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  event_time TIMESTAMP,
  gaps INT64,
  gap_low INT64,
  gap_median INT64,
  gap_high INT64,
  tx_low INT64,
  tx_median INT64,
  tx_high INT64,
  first_call TIMESTAMP,
  last_call TIMESTAMP
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip, dst_ip, dst_port
OPTIONS (labels = [('tripline', 'feature')]);

-- Replaces the rows of these days; it can be run again.
MERGE contact_gap_24h AS old
USING (
  WITH
    -- When the next window of the key ends.
    contact_gap_24h__as_of_before_ends AS (
      SELECT
        *,
        LEAD(window_end) OVER (PARTITION BY subscriber_id, src_ip, dst_ip, dst_port ORDER BY window_end) AS next_end
      FROM contact_1m
      WHERE contact_1m.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1621 MINUTE)
        AND contact_1m.event_time < tripline_to
    ),
    -- For 3h after its end, each window is the last of its key until the next ends.
    contact_gap_24h__as_of_before AS (
      SELECT
        *,
        TIMESTAMP_ADD(window_end, INTERVAL age MINUTE) AS as_of
      FROM contact_gap_24h__as_of_before_ends
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, LEAST(179, COALESCE(DIV(TIMESTAMP_DIFF(next_end, window_end, MICROSECOND), 60000000) - 1, 179)))) AS age
    ),
    -- Each row beside what is joined to it.
    contact_gap_24h__joined AS (
      SELECT
        t.*,
        before.window_start AS before__window_start,
        before.window_end AS before__window_end,
        before.event_time AS before__event_time,
        before.flows AS before__flows,
        before.tx_bytes AS before__tx_bytes,
        n.net AS n__net,
        IF(n.net IS NULL, FALSE, n.inside) AS n__inside,
        n.reason AS n__reason
      FROM contact_1m AS t
      LEFT JOIN contact_gap_24h__as_of_before AS before
        ON before.as_of = TIMESTAMP_BUCKET(t.window_start, INTERVAL 1 MINUTE, TIMESTAMP '1970-01-01 00:00:00+00')
        AND COALESCE(t.subscriber_id, '') = COALESCE(before.subscriber_id, '')
        AND (t.subscriber_id IS NULL) = (before.subscriber_id IS NULL)
        AND COALESCE(t.src_ip, '') = COALESCE(before.src_ip, '')
        AND (t.src_ip IS NULL) = (before.src_ip IS NULL)
        AND COALESCE(t.dst_ip, '') = COALESCE(before.dst_ip, '')
        AND (t.dst_ip IS NULL) = (before.dst_ip IS NULL)
        AND COALESCE(t.dst_port, 0) = COALESCE(before.dst_port, 0)
        AND (t.dst_port IS NULL) = (before.dst_port IS NULL)
      LEFT JOIN UNNEST(ARRAY(
        SELECT AS STRUCT l.*
        FROM UNNEST((SELECT ARRAY_AGG(r) FROM networks AS r)) AS l
        WHERE BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.dst_ip)) = BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))
          AND NET.IP_TRUNC(NET.SAFE_IP_FROM_STRING(t.dst_ip), LEAST(COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))), 8 * BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(t.dst_ip)))) = NET.IP_TRUNC(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]), COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))))
        ORDER BY COALESCE(CAST(SPLIT(l.net, '/')[SAFE_OFFSET(1)] AS INT64), 8 * BYTE_LENGTH(NET.IP_FROM_STRING(SPLIT(l.net, '/')[SAFE_OFFSET(0)]))) DESC
        LIMIT 1
      )) AS n
      WHERE t.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 DAY)
        AND t.event_time < tripline_to
    ),
    -- Columns per row.
    contact_gap_24h__row_1 AS (
      SELECT
        *,
        COALESCE(TIMESTAMP_DIFF(window_start, before__window_start, MINUTE), 0) AS gap
      FROM contact_gap_24h__joined
    ),
    -- Rows that count, each with its pane of 6h.
    contact_gap_24h__rows AS (
      SELECT
        *,
        TIMESTAMP_BUCKET(event_time, INTERVAL 6 HOUR, TIMESTAMP '1970-01-01 00:00:00+00') AS pane_start
      FROM contact_gap_24h__row_1
      WHERE gap > 0
        AND NOT n__inside
        AND COALESCE(dst_port, 0) NOT IN (SELECT port FROM chatty_ports)
    ),
    -- Rows by key and window.
    contact_gap_24h__panes AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        dst_port,
        pane_start,
        COUNT(*) AS gaps,
        ARRAY_AGG(gap IGNORE NULLS) AS gap_low,
        ARRAY_AGG(gap IGNORE NULLS) AS gap_median,
        ARRAY_AGG(gap IGNORE NULLS) AS gap_high,
        ARRAY_AGG(tx_bytes IGNORE NULLS) AS tx_low,
        ARRAY_AGG(tx_bytes IGNORE NULLS) AS tx_median,
        ARRAY_AGG(tx_bytes IGNORE NULLS) AS tx_high,
        MIN(window_start) AS first_call,
        MAX(window_start) AS last_call
      FROM contact_gap_24h__rows
      GROUP BY subscriber_id, src_ip, dst_ip, dst_port, pane_start
    ),
    -- Each pane in every window that holds it.
    contact_gap_24h__hops AS (
      SELECT
        *,
        TIMESTAMP_SUB(pane_start, INTERVAL hop * 6 HOUR) AS window_start
      FROM contact_gap_24h__panes
      CROSS JOIN UNNEST(GENERATE_ARRAY(0, 3)) AS hop
    ),
    -- Panes to windows.
    contact_gap_24h__windows AS (
      SELECT
        subscriber_id,
        src_ip,
        dst_ip,
        dst_port,
        window_start,
        SUM(gaps) AS gaps,
        ARRAY_CONCAT_AGG(gap_low) AS gap_low,
        ARRAY_CONCAT_AGG(gap_median) AS gap_median,
        ARRAY_CONCAT_AGG(gap_high) AS gap_high,
        ARRAY_CONCAT_AGG(tx_low) AS tx_low,
        ARRAY_CONCAT_AGG(tx_median) AS tx_median,
        ARRAY_CONCAT_AGG(tx_high) AS tx_high,
        MIN(first_call) AS first_call,
        MAX(last_call) AS last_call
      FROM contact_gap_24h__hops
      GROUP BY subscriber_id, src_ip, dst_ip, dst_port, window_start
    )
  SELECT
    subscriber_id,
    src_ip,
    dst_ip,
    dst_port,
    window_start,
    TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) AS window_end,
    TIMESTAMP_SUB(TIMESTAMP_ADD(window_start, INTERVAL 1 DAY), INTERVAL 1 MICROSECOND) AS event_time,
    gaps,
    ARRAY(SELECT v FROM UNNEST(gap_low) AS v ORDER BY v)[SAFE_OFFSET(DIV(ARRAY_LENGTH(gap_low) * 1 + 3, 4) - 1)] AS gap_low,
    ARRAY(SELECT v FROM UNNEST(gap_median) AS v ORDER BY v)[SAFE_OFFSET(DIV(ARRAY_LENGTH(gap_median) * 2 + 3, 4) - 1)] AS gap_median,
    ARRAY(SELECT v FROM UNNEST(gap_high) AS v ORDER BY v)[SAFE_OFFSET(DIV(ARRAY_LENGTH(gap_high) * 3 + 3, 4) - 1)] AS gap_high,
    ARRAY(SELECT v FROM UNNEST(tx_low) AS v ORDER BY v)[SAFE_OFFSET(DIV(ARRAY_LENGTH(tx_low) * 1 + 3, 4) - 1)] AS tx_low,
    ARRAY(SELECT v FROM UNNEST(tx_median) AS v ORDER BY v)[SAFE_OFFSET(DIV(ARRAY_LENGTH(tx_median) * 2 + 3, 4) - 1)] AS tx_median,
    ARRAY(SELECT v FROM UNNEST(tx_high) AS v ORDER BY v)[SAFE_OFFSET(DIV(ARRAY_LENGTH(tx_high) * 3 + 3, 4) - 1)] AS tx_high,
    first_call,
    last_call
  FROM contact_gap_24h__windows
  WHERE TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) > tripline_from
    AND TIMESTAMP_ADD(window_start, INTERVAL 1 DAY) <= tripline_to
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, gaps, gap_low, gap_median, gap_high, tx_low, tx_median, tx_high, first_call, last_call)
  VALUES (subscriber_id, src_ip, dst_ip, dst_port, window_start, window_end, event_time, gaps, gap_low, gap_median, gap_high, tx_low, tx_median, tx_high, first_call, last_call);
