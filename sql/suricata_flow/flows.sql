-- Suricata's flows to flows. The subscriber is the initiating host. There is no sampling: what a sensor loses it does not count.
WITH decoded AS (
  SELECT
    *,
    COALESCE(UPPER(transport), '') = 'TCP' AS is_tcp,
    COALESCE(UPPER(transport), '') IN ('ICMP', 'IPV6-ICMP', 'ICMPV6') AS is_icmp,
    COALESCE(SAFE_CAST(CONCAT('0x', flags_toserver) AS INT64), 0) AS ts,
    COALESCE(SAFE_CAST(CONCAT('0x', flags_toclient) AS INT64), 0) AS tc
  FROM suricata_flow
  WHERE event_type = 'flow'
)
SELECT
  start_time,
  end_time,
  COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(src_ip)), src_ip) AS subscriber_id,
  COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(src_ip)), src_ip) AS src_ip,
  COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(dest_ip)), dest_ip) AS dst_ip,
  IF(src_port BETWEEN 0 AND 65535, src_port, NULL) AS src_port,
  IF(dest_port BETWEEN 0 AND 65535, dest_port, NULL) AS dst_port,
  -- A number is no name: it is the protocol's number alone.
  IF(SAFE_CAST(transport AS INT64) IS NULL, UPPER(transport), NULL) AS protocol,
  CASE
    WHEN is_tcp THEN 6
    WHEN UPPER(transport) = 'UDP' THEN 17
    WHEN UPPER(transport) = 'ICMP' THEN 1
    WHEN is_icmp THEN 58
    WHEN UPPER(transport) = 'SCTP' THEN 132
    WHEN UPPER(transport) = 'IGMP' THEN 2
    WHEN UPPER(transport) = 'GRE' THEN 47
    WHEN UPPER(transport) = 'ESP' THEN 50
    WHEN UPPER(transport) = 'AH' THEN 51
    WHEN SAFE_CAST(transport AS INT64) BETWEEN 0 AND 255 THEN SAFE_CAST(transport AS INT64)
    ELSE NULL
  END AS protocol_number,
  IF(is_tcp, COALESCE(SAFE_CAST(CONCAT('0x', flags) AS INT64), 0) & 255, 0) AS tcp_flags,
  -- What became of it. Flags are FIN 1, SYN 2, RST 4, PSH 8, ACK 16. The reason of the end (flow.reason) does not count: at the
  -- end of a capture file every flow that is left says shutdown. Nor does flow.action: what a rule dropped is as unanswered as
  -- what a firewall dropped.
  CASE
    WHEN is_tcp THEN
      CASE
        -- Suricata saw it open, or took it up in the middle.
        WHEN flow_state = 'established' THEN 'established'
        WHEN tcp_state IN ('established', 'fin_wait1', 'fin_wait2', 'close_wait', 'closing', 'last_ack', 'time_wait') THEN 'established'
        -- Each side has acknowledged the other; a refusal is never acknowledged. This is how a connection that was reset later
        -- (state closed) differs from one that was refused (closed too), and what is known of one that is bypassed.
        WHEN (ts & tc & 16) != 0 THEN 'established'
        -- A SYN, and nothing acknowledged: a reset without a SYN of its own …
        WHEN (ts & 18) = 2 AND (tc & 6) = 4 THEN 'refused'
        -- … or packets that are not TCP: Suricata counts ICMP "unreachable" with the flow that it is about.
        WHEN (ts & 18) = 2 AND tc = 0 AND pkts_toclient > 0 THEN 'refused'
        WHEN (ts & 18) = 2 AND tc = 0 AND pkts_toclient = 0 THEN 'unanswered'
        -- SYN and SYN-ACK without an ACK (half open: somebody listens, nobody came); one side of an asymmetric route; and
        -- connections without a session (flags 00): older than Suricata, or scans that begin without a SYN.
        ELSE 'unknown'
      END
    -- Without TCP, any answer is one: established means packets both ways.
    WHEN flow_state IN ('established', 'closed') THEN 'established'
    WHEN flow_state = 'bypassed' AND pkts_toclient > 0 THEN 'established'
    -- ICMP errors are counted but make nothing established: a packet back in a flow that is still new is "port unreachable".
    -- (IPv4 only: errors of ICMPv6 are flows of their own, and a closed UDP port there is unanswered.)
    WHEN flow_state = 'new' AND pkts_toclient > 0 THEN 'refused'
    -- Of ICMP only requests wait for an answer: echo, timestamp, address mask.
    WHEN is_icmp AND COALESCE(icmp_type, 0) NOT IN (8, 13, 17, 128) THEN 'unknown'
    WHEN pkts_toclient = 0 THEN 'unanswered'
    ELSE 'unknown'
  END AS outcome,
  IF(bytes_toserver BETWEEN 0 AND 9007199254740992, bytes_toserver, NULL) AS tx_bytes,
  IF(bytes_toclient BETWEEN 0 AND 9007199254740992, bytes_toclient, NULL) AS rx_bytes,
  IF(end_time >= start_time, TIMESTAMP_DIFF(end_time, start_time, MILLISECOND), NULL) AS duration_ms
FROM decoded
