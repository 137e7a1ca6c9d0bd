-- Zeek's connections to flows. The subscriber is the originating host.
SELECT
  ts AS start_time,
  TIMESTAMP_ADD(ts, INTERVAL CAST(LEAST(GREATEST(COALESCE(duration, 0.0), 0.0), 31536000.0) * 1000000.0 AS INT64) MICROSECOND) AS end_time,
  COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(orig_h)), orig_h) AS subscriber_id,
  COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(orig_h)), orig_h) AS src_ip,
  COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(resp_h)), resp_h) AS dst_ip,
  -- ICMP has types and codes where others have ports.
  IF(COALESCE(LOWER(transport), '') != 'icmp' AND orig_p BETWEEN 0 AND 65535, orig_p, NULL) AS src_port,
  IF(COALESCE(LOWER(transport), '') != 'icmp' AND resp_p BETWEEN 0 AND 65535, resp_p, NULL) AS dst_port,
  UPPER(transport) AS protocol,
  CASE LOWER(transport) WHEN 'tcp' THEN 6 WHEN 'udp' THEN 17 WHEN 'icmp' THEN 1 ELSE NULL END AS protocol_number,
  -- The history's letters as flags: S SYN, H SYN+ACK, A ACK, F FIN, R RST, of either side.
  IF(COALESCE(LOWER(transport), '') = 'tcp',
    IF(REGEXP_CONTAINS(COALESCE(history, ''), '[Ff]'), 1, 0)
    + IF(REGEXP_CONTAINS(COALESCE(history, ''), '[SsHh]'), 2, 0)
    + IF(REGEXP_CONTAINS(COALESCE(history, ''), '[Rr]'), 4, 0)
    + IF(REGEXP_CONTAINS(COALESCE(history, ''), '[AaHh]'), 16, 0),
    0) AS tcp_flags,
  CASE
    WHEN conn_state = 'S0' THEN 'unanswered'
    WHEN conn_state IN ('REJ', 'RSTOS0', 'RSTRH') THEN 'refused'
    WHEN conn_state IN ('SF', 'S1', 'S2', 'S3', 'RSTO', 'RSTR') THEN 'established'
    ELSE 'unknown'
  END AS outcome,
  CASE
    WHEN orig_ip_bytes BETWEEN 0 AND 9007199254740992 THEN orig_ip_bytes
    WHEN orig_bytes BETWEEN 0 AND 9007199254740992 THEN orig_bytes
    ELSE NULL
  END AS tx_bytes,
  CASE
    WHEN resp_ip_bytes BETWEEN 0 AND 9007199254740992 THEN resp_ip_bytes
    WHEN resp_bytes BETWEEN 0 AND 9007199254740992 THEN resp_bytes
    ELSE NULL
  END AS rx_bytes,
  IF(duration BETWEEN 0.0 AND 31536000.0, CAST(duration * 1000.0 AS INT64), NULL) AS duration_ms
FROM zeek_conn
