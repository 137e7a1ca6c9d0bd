-- Every source's records in one form.
DECLARE tripline_to TIMESTAMP DEFAULT TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY);
DECLARE tripline_from TIMESTAMP DEFAULT TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY);

CREATE TABLE IF NOT EXISTS flows (
  row_id INT64,
  event_time TIMESTAMP,
  start_time TIMESTAMP,
  end_time TIMESTAMP,
  subscriber_id STRING,
  src_ip STRING,
  dst_ip STRING,
  src_port INT64,
  dst_port INT64,
  protocol STRING,
  protocol_number INT64,
  tcp_flags INT64,
  outcome STRING,
  tx_bytes INT64,
  rx_bytes INT64,
  duration_ms INT64,
  sampling INT64,
  geo_country STRING,
  geo_city STRING,
  latitude FLOAT64,
  longitude FLOAT64,
  source STRING,
  admit_watermark TIMESTAMP
)
PARTITION BY DATE(event_time)
CLUSTER BY subscriber_id, src_ip
OPTIONS (labels = [('tripline', 'flows')]);

-- Replaces the rows of these days; it can be run again.
MERGE flows AS old
USING (
  WITH
    -- Normalization of gcp_vpc_flow: sql/gcp_vpc_flow/flows.sql
    flows__gcp_vpc_flow AS (
      SELECT
        FARM_FINGERPRINT(CONCAT(
          '12:gcp_vpc_flow;',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(insert_id) AS STRING), ':', insert_id, ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(logged) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(logged) AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(log_name) AS STRING), ':', log_name, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(reporter) AS STRING), ':', reporter, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(src_ip) AS STRING), ':', src_ip, ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(src_port AS STRING)) AS STRING), ':', CAST(src_port AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(dest_ip) AS STRING), ':', dest_ip, ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(dest_port AS STRING)) AS STRING), ':', CAST(dest_port AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(protocol AS STRING)) AS STRING), ':', CAST(protocol AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(bytes_sent AS STRING)) AS STRING), ':', CAST(bytes_sent AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(packets_sent AS STRING)) AS STRING), ':', CAST(packets_sent AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(start_time) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(start_time) AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(end_time) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(end_time) AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(src_vm) AS STRING), ':', src_vm, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(dest_vm) AS STRING), ':', dest_vm, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(src_gateway) AS STRING), ':', src_gateway, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(src_country) AS STRING), ':', src_country, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(src_city) AS STRING), ':', src_city, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(dest_country) AS STRING), ':', dest_country, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(dest_city) AS STRING), ':', dest_city, ';'), '-;')
        )) AS row_id,
        COALESCE(end_time, logged) AS event_time,
        start_time,
        end_time,
        COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE), dest_ip, src_ip))), IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE), dest_ip, src_ip)) AS subscriber_id,
        COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE), dest_ip, src_ip))), IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE), dest_ip, src_ip)) AS src_ip,
        COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE), src_ip, dest_ip))), IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE), src_ip, dest_ip)) AS dst_ip,
        IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND (IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE), dest_port, src_port) >= 0 AND IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE), dest_port, src_port) <= 65535), IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE), dest_port, src_port), NULL) AS src_port,
        IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND (IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE), src_port, dest_port) >= 0 AND IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE), src_port, dest_port) <= 65535), IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE), src_port, dest_port), NULL) AS dst_port,
        CASE
          WHEN protocol = 1 THEN 'ICMP'
          WHEN protocol = 6 THEN 'TCP'
          WHEN protocol = 17 THEN 'UDP'
          WHEN protocol = 47 THEN 'GRE'
          WHEN protocol = 50 THEN 'ESP'
          WHEN protocol = 58 THEN 'IPV6-ICMP'
          WHEN protocol = 132 THEN 'SCTP'
          ELSE NULL
        END AS protocol,
        IF(protocol >= 0 AND protocol <= 255, protocol, NULL) AS protocol_number,
        0 AS tcp_flags,
        IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE) AND protocol != 6, 'established', 'unknown') AS outcome,
        IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE), NULL, IF(bytes_sent >= 0 AND bytes_sent <= 9007199254740992, bytes_sent, NULL)) AS tx_bytes,
        IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE), IF(bytes_sent >= 0 AND bytes_sent <= 9007199254740992, bytes_sent, NULL), NULL) AS rx_bytes,
        IF(end_time >= start_time, TIMESTAMP_DIFF(end_time, start_time, MILLISECOND), NULL) AS duration_ms,
        1 AS sampling,
        UPPER(IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE), dest_country, src_country)) AS geo_country,
        IF(COALESCE(protocol, -1) IN (6, 17, 33, 132, 136) AND COALESCE(CASE WHEN src_port < 1024 THEN 0 WHEN src_port < 32768 THEN 1 ELSE 2 END < CASE WHEN dest_port < 1024 THEN 0 WHEN dest_port < 32768 THEN 1 ELSE 2 END AND src_port >= 0 AND dest_port >= 0, FALSE), dest_city, src_city) AS geo_city,
        CAST(NULL AS FLOAT64) AS latitude,
        CAST(NULL AS FLOAT64) AS longitude,
        'gcp_vpc_flow' AS source,
        admit_watermark
      FROM gcp_vpc_flow
      WHERE COALESCE(end_time, logged) IS NOT NULL
        AND ENDS_WITH(log_name, 'vpc_flows')
        AND CASE
          WHEN reporter = 'DEST' THEN src_vm IS NULL
          WHEN reporter = 'SRC_GATEWAY' THEN dest_vm IS NULL
          WHEN reporter = 'DEST_GATEWAY' THEN src_vm IS NULL AND src_gateway IS NULL
          ELSE TRUE
        END
        AND COALESCE(end_time, logged) >= tripline_from
        AND COALESCE(end_time, logged) < tripline_to
        AND event_day BETWEEN DATE(tripline_from) AND DATE(TIMESTAMP_SUB(tripline_to, INTERVAL 1 MICROSECOND))
      QUALIFY ROW_NUMBER() OVER (PARTITION BY log_name, logged, insert_id ORDER BY row_id) = 1
    ),
    -- Normalization of netlog: sql/netlog/flows.sql
    flows__netlog AS (
      SELECT
        FARM_FINGERPRINT(CONCAT(
          '6:netlog;',
          COALESCE(CONCAT(CAST(BYTE_LENGTH(subscriberId) AS STRING), ':', subscriberId, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(srcIP) AS STRING), ':', srcIP, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(dstIP) AS STRING), ':', dstIP, ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(srcPort AS STRING)) AS STRING), ':', CAST(srcPort AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(dstPort AS STRING)) AS STRING), ':', CAST(dstPort AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(txBytes AS STRING)) AS STRING), ':', CAST(txBytes AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(rxBytes AS STRING)) AS STRING), ':', CAST(rxBytes AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(tcpFlag AS STRING)) AS STRING), ':', CAST(tcpFlag AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(startTime) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(startTime) AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(endTime) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(endTime) AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(timestamp) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(timestamp) AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(protocolName) AS STRING), ':', protocolName, ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(protocolNumber AS STRING)) AS STRING), ':', CAST(protocolNumber AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(geoCountry) AS STRING), ':', geoCountry, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(geoCity) AS STRING), ':', geoCity, ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(latitude AS STRING)) AS STRING), ':', CAST(latitude AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(longitude AS STRING)) AS STRING), ':', CAST(longitude AS STRING), ';'), '-;')
        )) AS row_id,
        COALESCE(endTime, timestamp, startTime) AS event_time,
        startTime AS start_time,
        endTime AS end_time,
        subscriberId AS subscriber_id,
        COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(srcIP)), srcIP) AS src_ip,
        COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(dstIP)), dstIP) AS dst_ip,
        IF(srcPort >= 0 AND srcPort <= 65535, srcPort, NULL) AS src_port,
        IF(dstPort >= 0 AND dstPort <= 65535, dstPort, NULL) AS dst_port,
        UPPER(protocolName) AS protocol,
        CASE
          WHEN protocolNumber >= 1 AND protocolNumber <= 255 THEN protocolNumber
          WHEN UPPER(protocolName) = 'TCP' THEN 6
          WHEN UPPER(protocolName) = 'UDP' THEN 17
          WHEN UPPER(protocolName) = 'ICMP' THEN 1
          ELSE protocolNumber
        END AS protocol_number,
        tcpFlag AS tcp_flags,
        CASE
          WHEN COALESCE(protocolNumber, 0) != 6 AND COALESCE(UPPER(protocolName), '') != 'TCP' THEN CASE
            WHEN rxBytes > 0 THEN 'established'
            WHEN rxBytes = 0 THEN 'unanswered'
            ELSE 'unknown'
          END
          WHEN COALESCE(tcpFlag, 0) & 4 != 0 AND COALESCE(tcpFlag, 0) & 9 = 0 AND COALESCE(rxBytes, 0) <= 120 THEN 'refused'
          WHEN COALESCE(tcpFlag, 0) & 18 = 2 THEN 'unanswered'
          WHEN COALESCE(tcpFlag, 0) & 16 != 0 AND COALESCE(tcpFlag, 0) & 9 != 0 THEN 'established'
          WHEN rxBytes > 120 THEN 'established'
          WHEN COALESCE(tcpFlag, 0) = 0 AND rxBytes = 0 THEN 'unanswered'
          ELSE 'unknown'
        END AS outcome,
        IF(txBytes >= 0 AND txBytes <= 9007199254740992, txBytes, NULL) AS tx_bytes,
        IF(rxBytes >= 0 AND rxBytes <= 9007199254740992, rxBytes, NULL) AS rx_bytes,
        IF(endTime >= startTime, TIMESTAMP_DIFF(endTime, startTime, MILLISECOND), NULL) AS duration_ms,
        1 AS sampling,
        geoCountry AS geo_country,
        geoCity AS geo_city,
        latitude,
        longitude,
        'netlog' AS source,
        admit_watermark
      FROM netlog
      WHERE COALESCE(endTime, timestamp, startTime) IS NOT NULL
        AND COALESCE(endTime, timestamp, startTime) >= tripline_from
        AND COALESCE(endTime, timestamp, startTime) < tripline_to
        AND event_day BETWEEN DATE(tripline_from) AND DATE(TIMESTAMP_SUB(tripline_to, INTERVAL 1 MICROSECOND))
    ),
    -- Normalization of suricata_flow: sql/suricata_flow/flows.sql
    flows__suricata_flow AS (
      SELECT
        FARM_FINGERPRINT(CONCAT(
          '13:suricata_flow;',
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(logged) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(logged) AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(event_type) AS STRING), ':', event_type, ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(flow_id AS STRING)) AS STRING), ':', CAST(flow_id AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(host) AS STRING), ':', host, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(src_ip) AS STRING), ':', src_ip, ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(src_port AS STRING)) AS STRING), ':', CAST(src_port AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(dest_ip) AS STRING), ':', dest_ip, ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(dest_port AS STRING)) AS STRING), ':', CAST(dest_port AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(transport) AS STRING), ':', transport, ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(icmp_type AS STRING)) AS STRING), ':', CAST(icmp_type AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(icmp_code AS STRING)) AS STRING), ':', CAST(icmp_code AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(start_time) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(start_time) AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(end_time) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(end_time) AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(bytes_toserver AS STRING)) AS STRING), ':', CAST(bytes_toserver AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(bytes_toclient AS STRING)) AS STRING), ':', CAST(bytes_toclient AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(pkts_toserver AS STRING)) AS STRING), ':', CAST(pkts_toserver AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(pkts_toclient AS STRING)) AS STRING), ':', CAST(pkts_toclient AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(flow_state) AS STRING), ':', flow_state, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(flow_reason) AS STRING), ':', flow_reason, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(flow_action) AS STRING), ':', flow_action, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(flags) AS STRING), ':', flags, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(flags_toserver) AS STRING), ':', flags_toserver, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(flags_toclient) AS STRING), ':', flags_toclient, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(tcp_state) AS STRING), ':', tcp_state, ';'), '-;')
        )) AS row_id,
        COALESCE(end_time, logged) AS event_time,
        start_time,
        end_time,
        COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(src_ip)), src_ip) AS subscriber_id,
        COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(src_ip)), src_ip) AS src_ip,
        COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(dest_ip)), dest_ip) AS dst_ip,
        IF(src_port >= 0 AND src_port <= 65535, src_port, NULL) AS src_port,
        IF(dest_port >= 0 AND dest_port <= 65535, dest_port, NULL) AS dst_port,
        IF(SAFE_CAST(transport AS INT64) IS NULL, UPPER(transport), NULL) AS protocol,
        CASE
          WHEN COALESCE(UPPER(transport), '') = 'TCP' THEN 6
          WHEN UPPER(transport) = 'UDP' THEN 17
          WHEN UPPER(transport) = 'ICMP' THEN 1
          WHEN COALESCE(UPPER(transport), '') IN ('ICMP', 'IPV6-ICMP', 'ICMPV6') THEN 58
          WHEN UPPER(transport) = 'SCTP' THEN 132
          WHEN UPPER(transport) = 'IGMP' THEN 2
          WHEN UPPER(transport) = 'GRE' THEN 47
          WHEN UPPER(transport) = 'ESP' THEN 50
          WHEN UPPER(transport) = 'AH' THEN 51
          WHEN SAFE_CAST(transport AS INT64) >= 0 AND SAFE_CAST(transport AS INT64) <= 255 THEN SAFE_CAST(transport AS INT64)
          ELSE NULL
        END AS protocol_number,
        IF(COALESCE(UPPER(transport), '') = 'TCP', COALESCE(SAFE_CAST(CONCAT('0x', flags) AS INT64), 0) & 255, 0) AS tcp_flags,
        CASE
          WHEN COALESCE(UPPER(transport), '') = 'TCP' THEN CASE
            WHEN flow_state = 'established' THEN 'established'
            WHEN tcp_state IN ('established', 'fin_wait1', 'fin_wait2', 'close_wait', 'closing', 'last_ack', 'time_wait') THEN 'established'
            WHEN COALESCE(SAFE_CAST(CONCAT('0x', flags_toserver) AS INT64), 0) & COALESCE(SAFE_CAST(CONCAT('0x', flags_toclient) AS INT64), 0) & 16 != 0 THEN 'established'
            WHEN COALESCE(SAFE_CAST(CONCAT('0x', flags_toserver) AS INT64), 0) & 18 = 2 AND COALESCE(SAFE_CAST(CONCAT('0x', flags_toclient) AS INT64), 0) & 6 = 4 THEN 'refused'
            WHEN COALESCE(SAFE_CAST(CONCAT('0x', flags_toserver) AS INT64), 0) & 18 = 2 AND COALESCE(SAFE_CAST(CONCAT('0x', flags_toclient) AS INT64), 0) = 0 AND pkts_toclient > 0 THEN 'refused'
            WHEN COALESCE(SAFE_CAST(CONCAT('0x', flags_toserver) AS INT64), 0) & 18 = 2 AND COALESCE(SAFE_CAST(CONCAT('0x', flags_toclient) AS INT64), 0) = 0 AND pkts_toclient = 0 THEN 'unanswered'
            ELSE 'unknown'
          END
          WHEN flow_state IN ('established', 'closed') THEN 'established'
          WHEN flow_state = 'bypassed' AND pkts_toclient > 0 THEN 'established'
          WHEN flow_state = 'new' AND pkts_toclient > 0 THEN 'refused'
          WHEN COALESCE(UPPER(transport), '') IN ('ICMP', 'IPV6-ICMP', 'ICMPV6') AND COALESCE(icmp_type, 0) NOT IN (8, 13, 17, 128) THEN 'unknown'
          WHEN pkts_toclient = 0 THEN 'unanswered'
          ELSE 'unknown'
        END AS outcome,
        IF(bytes_toserver >= 0 AND bytes_toserver <= 9007199254740992, bytes_toserver, NULL) AS tx_bytes,
        IF(bytes_toclient >= 0 AND bytes_toclient <= 9007199254740992, bytes_toclient, NULL) AS rx_bytes,
        IF(end_time >= start_time, TIMESTAMP_DIFF(end_time, start_time, MILLISECOND), NULL) AS duration_ms,
        1 AS sampling,
        CAST(NULL AS STRING) AS geo_country,
        CAST(NULL AS STRING) AS geo_city,
        CAST(NULL AS FLOAT64) AS latitude,
        CAST(NULL AS FLOAT64) AS longitude,
        'suricata_flow' AS source,
        admit_watermark
      FROM suricata_flow
      WHERE COALESCE(end_time, logged) IS NOT NULL
        AND event_type = 'flow'
        AND COALESCE(end_time, logged) >= tripline_from
        AND COALESCE(end_time, logged) < tripline_to
        AND event_day BETWEEN DATE(tripline_from) AND DATE(TIMESTAMP_SUB(tripline_to, INTERVAL 1 MICROSECOND))
    ),
    -- Normalization of zeek_conn: sql/zeek_conn/flows.sql
    flows__zeek_conn AS (
      SELECT
        FARM_FINGERPRINT(CONCAT(
          '9:zeek_conn;',
          COALESCE(CONCAT(CAST(LENGTH(CAST(UNIX_MICROS(ts) AS STRING)) AS STRING), ':', CAST(UNIX_MICROS(ts) AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(uid) AS STRING), ':', uid, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(orig_h) AS STRING), ':', orig_h, ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(orig_p AS STRING)) AS STRING), ':', CAST(orig_p AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(resp_h) AS STRING), ':', resp_h, ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(resp_p AS STRING)) AS STRING), ':', CAST(resp_p AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(transport) AS STRING), ':', transport, ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(duration AS STRING)) AS STRING), ':', CAST(duration AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(orig_bytes AS STRING)) AS STRING), ':', CAST(orig_bytes AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(resp_bytes AS STRING)) AS STRING), ':', CAST(resp_bytes AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(orig_ip_bytes AS STRING)) AS STRING), ':', CAST(orig_ip_bytes AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(LENGTH(CAST(resp_ip_bytes AS STRING)) AS STRING), ':', CAST(resp_ip_bytes AS STRING), ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(conn_state) AS STRING), ':', conn_state, ';'), '-;'),
          COALESCE(CONCAT(CAST(BYTE_LENGTH(history) AS STRING), ':', history, ';'), '-;')
        )) AS row_id,
        TIMESTAMP_ADD(ts, INTERVAL CAST(LEAST(GREATEST(COALESCE(duration, 0.0), 0.0), 31536000.0) * 1000000.0 AS INT64) MICROSECOND) AS event_time,
        ts AS start_time,
        TIMESTAMP_ADD(ts, INTERVAL CAST(LEAST(GREATEST(COALESCE(duration, 0.0), 0.0), 31536000.0) * 1000000.0 AS INT64) MICROSECOND) AS end_time,
        COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(orig_h)), orig_h) AS subscriber_id,
        COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(orig_h)), orig_h) AS src_ip,
        COALESCE(NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(resp_h)), resp_h) AS dst_ip,
        IF(COALESCE(LOWER(transport), '') != 'icmp' AND (orig_p >= 0 AND orig_p <= 65535), orig_p, NULL) AS src_port,
        IF(COALESCE(LOWER(transport), '') != 'icmp' AND (resp_p >= 0 AND resp_p <= 65535), resp_p, NULL) AS dst_port,
        UPPER(transport) AS protocol,
        CASE
          WHEN LOWER(transport) = 'tcp' THEN 6
          WHEN LOWER(transport) = 'udp' THEN 17
          WHEN LOWER(transport) = 'icmp' THEN 1
          ELSE NULL
        END AS protocol_number,
        IF(COALESCE(LOWER(transport), '') = 'tcp', IF(REGEXP_CONTAINS(COALESCE(history, ''), '[Ff]'), 1, 0) + IF(REGEXP_CONTAINS(COALESCE(history, ''), '[SsHh]'), 2, 0) + IF(REGEXP_CONTAINS(COALESCE(history, ''), '[Rr]'), 4, 0) + IF(REGEXP_CONTAINS(COALESCE(history, ''), '[AaHh]'), 16, 0), 0) AS tcp_flags,
        CASE
          WHEN conn_state = 'S0' THEN 'unanswered'
          WHEN conn_state IN ('REJ', 'RSTOS0', 'RSTRH') THEN 'refused'
          WHEN conn_state IN ('SF', 'S1', 'S2', 'S3', 'RSTO', 'RSTR') THEN 'established'
          ELSE 'unknown'
        END AS outcome,
        CASE
          WHEN orig_ip_bytes >= 0 AND orig_ip_bytes <= 9007199254740992 THEN orig_ip_bytes
          WHEN orig_bytes >= 0 AND orig_bytes <= 9007199254740992 THEN orig_bytes
          ELSE NULL
        END AS tx_bytes,
        CASE
          WHEN resp_ip_bytes >= 0 AND resp_ip_bytes <= 9007199254740992 THEN resp_ip_bytes
          WHEN resp_bytes >= 0 AND resp_bytes <= 9007199254740992 THEN resp_bytes
          ELSE NULL
        END AS rx_bytes,
        IF(duration >= 0.0 AND duration <= 31536000.0, CAST(duration * 1000.0 AS INT64), NULL) AS duration_ms,
        1 AS sampling,
        CAST(NULL AS STRING) AS geo_country,
        CAST(NULL AS STRING) AS geo_city,
        CAST(NULL AS FLOAT64) AS latitude,
        CAST(NULL AS FLOAT64) AS longitude,
        'zeek_conn' AS source,
        admit_watermark
      FROM zeek_conn
      WHERE TIMESTAMP_ADD(ts, INTERVAL CAST(LEAST(GREATEST(COALESCE(duration, 0.0), 0.0), 31536000.0) * 1000000.0 AS INT64) MICROSECOND) IS NOT NULL
        AND TIMESTAMP_ADD(ts, INTERVAL CAST(LEAST(GREATEST(COALESCE(duration, 0.0), 0.0), 31536000.0) * 1000000.0 AS INT64) MICROSECOND) >= tripline_from
        AND TIMESTAMP_ADD(ts, INTERVAL CAST(LEAST(GREATEST(COALESCE(duration, 0.0), 0.0), 31536000.0) * 1000000.0 AS INT64) MICROSECOND) < tripline_to
        AND event_day BETWEEN DATE(tripline_from) AND DATE(TIMESTAMP_SUB(tripline_to, INTERVAL 1 MICROSECOND))
    )
  SELECT * FROM flows__gcp_vpc_flow
  UNION ALL
  SELECT * FROM flows__netlog
  UNION ALL
  SELECT * FROM flows__suricata_flow
  UNION ALL
  SELECT * FROM flows__zeek_conn
) AS computed
ON FALSE
WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (row_id, event_time, start_time, end_time, subscriber_id, src_ip, dst_ip, src_port, dst_port, protocol, protocol_number, tcp_flags, outcome, tx_bytes, rx_bytes, duration_ms, sampling, geo_country, geo_city, latitude, longitude, source, admit_watermark)
  VALUES (row_id, event_time, start_time, end_time, subscriber_id, src_ip, dst_ip, src_port, dst_port, protocol, protocol_number, tcp_flags, outcome, tx_bytes, rx_bytes, duration_ms, sampling, geo_country, geo_city, latitude, longitude, source, admit_watermark);
