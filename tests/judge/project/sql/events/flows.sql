SELECT
  seen AS start_time,
  CAST(day AS TIMESTAMP) AS end_time,
  who AS subscriber_id,
  address AS src_ip,
  TO_HEX(raw) AS dst_ip,
  port AS dst_port,
  IF(up, 1, NULL) AS src_port,
  n AS tx_bytes,
  small AS rx_bytes,
  ratio AS latitude,
  ratio * 3.0 AS longitude,
  IF(who IN (SELECT name FROM people), 'established', 'unanswered') AS outcome
FROM events
WHERE small IS NULL OR small != 13
