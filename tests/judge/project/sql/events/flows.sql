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
  -- And where an address is, roughly.
  CONCAT(COALESCE(alias, '-'), ' ', COALESCE(NET.IP_TO_STRING(NET.IP_TRUNC(
    IF(
      STARTS_WITH(NET.SAFE_IP_FROM_STRING(address), b'\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff'),
      SUBSTR(NET.SAFE_IP_FROM_STRING(address), 13),
      NET.SAFE_IP_FROM_STRING(address)),
    CASE
      WHEN BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(address)) = 4 THEN 24
      WHEN STARTS_WITH(NET.SAFE_IP_FROM_STRING(address), b'\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff') THEN 24
      WHEN STARTS_WITH(NET.SAFE_IP_FROM_STRING(address), b'\x20\x02') THEN 40
      ELSE 48
    END)), '-')) AS protocol,
  -- Under a key that is longer than a block of the hash, and one that is shorter.
  pseudonymize(who, 'second') AS geo_country,
  COALESCE(pseudonymize(raw, 'first'), 'none') AS geo_city,
  ratio AS latitude,
  ratio * 3.0 AS longitude,
  IF(who IN (SELECT name FROM people), 'established', 'unanswered') AS outcome
FROM events
WHERE small IS NULL OR small != 13
