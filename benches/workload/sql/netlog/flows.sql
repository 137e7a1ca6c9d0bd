SELECT
  subscriberId AS subscriber_id,
  dstIP AS dst_ip,
  dstPort AS dst_port,
  txBytes AS tx_bytes,
  rxBytes AS rx_bytes
FROM netlog
