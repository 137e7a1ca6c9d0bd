-- NetLog to flows. An address is written in its canonical form, so that one address is one text;
-- what is no address stays as it came. Bytes outside of 0 to 2^53 are NULL: sums stay exact.
SELECT
  startTime AS start_time,
  endTime AS end_time,
  subscriberId AS subscriber_id,
  COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(srcIP)), srcIP) AS src_ip,
  COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(dstIP)), dstIP) AS dst_ip,
  IF(srcPort BETWEEN 0 AND 65535, srcPort, NULL) AS src_port,
  IF(dstPort BETWEEN 0 AND 65535, dstPort, NULL) AS dst_port,
  UPPER(protocolName) AS protocol,
  -- Some exporters give 0 for every protocol: the name decides then.
  CASE
    WHEN protocolNumber BETWEEN 1 AND 255 THEN protocolNumber
    WHEN UPPER(protocolName) = 'TCP' THEN 6
    WHEN UPPER(protocolName) = 'UDP' THEN 17
    WHEN UPPER(protocolName) = 'ICMP' THEN 1
    ELSE protocolNumber
  END AS protocol_number,
  tcpFlag AS tcp_flags,
  -- What became of it. Flags are FIN 1, SYN 2, RST 4, PSH 8, ACK 16; many exporters give 0, and
  -- then bytes decide: 120 bytes are at most three packets without data.
  CASE
    -- Without TCP, any answer is one.
    WHEN COALESCE(protocolNumber, 0) != 6 AND COALESCE(UPPER(protocolName), '') != 'TCP' THEN
      CASE WHEN rxBytes > 0 THEN 'established' WHEN rxBytes = 0 THEN 'unanswered' ELSE 'unknown' END
    -- A reset and nothing else.
    WHEN (COALESCE(tcpFlag, 0) & 4) != 0 AND (COALESCE(tcpFlag, 0) & 9) = 0 AND COALESCE(rxBytes, 0) <= 120
      THEN 'refused'
    -- SYN and no ACK from either side.
    WHEN (COALESCE(tcpFlag, 0) & 18) = 2 THEN 'unanswered'
    -- ACK, and PSH or FIN.
    WHEN (COALESCE(tcpFlag, 0) & 16) != 0 AND (COALESCE(tcpFlag, 0) & 9) != 0 THEN 'established'
    WHEN rxBytes > 120 THEN 'established'
    WHEN COALESCE(tcpFlag, 0) = 0 AND rxBytes = 0 THEN 'unanswered'
    ELSE 'unknown'
  END AS outcome,
  IF(txBytes BETWEEN 0 AND 9007199254740992, txBytes, NULL) AS tx_bytes,
  IF(rxBytes BETWEEN 0 AND 9007199254740992, rxBytes, NULL) AS rx_bytes,
  IF(endTime >= startTime, TIMESTAMP_DIFF(endTime, startTime, MILLISECOND), NULL) AS duration_ms,
  geoCountry AS geo_country,
  geoCity AS geo_city,
  latitude,
  longitude
FROM netlog
