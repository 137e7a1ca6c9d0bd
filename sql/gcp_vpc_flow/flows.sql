-- VPC Flow Logs to flows. A record is one direction of a connection during one aggregation interval, told by one end.
WITH once AS (
  SELECT
    *,
    -- TCP, UDP, DCCP, SCTP, UDP-Lite.
    COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AS has_ports
  FROM gcp_vpc_flow
  WHERE ENDS_WITH(log_name, 'vpc_flows')
    -- Both ends of a connection between virtual machines report each direction. The sender's report counts: it has what a
    -- firewall of the receiver drops, which the receiver's has not. The receiver's counts when the sender cannot report,
    -- because it is no virtual machine here. A gateway's counts when neither end can.
    AND CASE reporter
      WHEN 'DEST' THEN src_vm IS NULL
      WHEN 'SRC_GATEWAY' THEN dest_vm IS NULL
      WHEN 'DEST_GATEWAY' THEN src_vm IS NULL AND src_gateway IS NULL
      ELSE TRUE
    END
), turned AS (
  SELECT
    *,
    -- No field says who began, so the ports do: the initiator's is the more ephemeral one. Below 1024 a service's, from 32768
    -- (Linux, Windows 49152) a client's, between them either. On a tie the sender is taken. So this record is an answer:
    has_ports AND COALESCE(
      CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END
      < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END
      AND src_port >= 0 AND dest_port >= 0, FALSE) AS is_answer
  FROM once
), sided AS (
  SELECT
    *,
    IF(is_answer, dest_ip, src_ip) AS initiator,
    IF(is_answer, src_ip, dest_ip) AS responder,
    IF(is_answer, dest_port, src_port) AS initiator_port,
    IF(is_answer, src_port, dest_port) AS responder_port,
    IF(bytes_sent BETWEEN 0 AND 9007199254740992, bytes_sent, NULL) AS bytes
  FROM turned
)
SELECT
  start_time,
  end_time,
  COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(initiator)), initiator) AS subscriber_id,
  COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(initiator)), initiator) AS src_ip,
  COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(responder)), responder) AS dst_ip,
  IF(has_ports AND initiator_port BETWEEN 0 AND 65535, initiator_port, NULL) AS src_port,
  IF(has_ports AND responder_port BETWEEN 0 AND 65535, responder_port, NULL) AS dst_port,
  CASE protocol
    WHEN 1 THEN 'ICMP' WHEN 6 THEN 'TCP' WHEN 17 THEN 'UDP' WHEN 47 THEN 'GRE'
    WHEN 50 THEN 'ESP' WHEN 58 THEN 'IPV6-ICMP' WHEN 132 THEN 'SCTP' ELSE NULL
  END AS protocol,
  IF(protocol BETWEEN 0 AND 255, protocol, NULL) AS protocol_number,
  -- 0: none were recorded. There are no flags in these logs.
  0 AS tcp_flags,
  -- Whether a TCP connection was opened, refused or ignored is not in one direction of it: without flags a SYN, a reset and a lone
  -- ACK are equal, and silence is no record at all. A record that must hold data proves a connection but is a slice of it: a
  -- rule that counts established rows as connections would count one long session once an interval. So TCP is unknown. An
  -- answer without TCP is an answer; that one is missing cannot be seen.
  IF(is_answer AND protocol != 6, 'established', 'unknown') AS outcome,
  -- The other direction is in a record of its own: unknown here, not zero.
  IF(is_answer, NULL, bytes) AS tx_bytes,
  IF(is_answer, bytes, NULL) AS rx_bytes,
  -- Of the interval's part, not of the connection.
  IF(end_time >= start_time, TIMESTAMP_DIFF(end_time, start_time, MILLISECOND), NULL) AS duration_ms,
  -- Packets are sampled, but bytes and packets are scaled up before the record is written: a rate here would scale them twice.
  1 AS sampling,
  UPPER(IF(is_answer, dest_country, src_country)) AS geo_country,
  IF(is_answer, dest_city, src_city) AS geo_city
FROM sided
