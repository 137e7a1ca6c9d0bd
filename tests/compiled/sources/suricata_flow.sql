-- Decoded rows of suricata_flow. Each row has its partition, the watermark before it (NULL where nothing was late)
-- and the ingest that it came with.
CREATE TABLE IF NOT EXISTS suricata_flow (
  logged TIMESTAMP,
  event_type STRING,
  flow_id INT64,
  host STRING,
  src_ip STRING,
  src_port INT64,
  dest_ip STRING,
  dest_port INT64,
  transport STRING,
  icmp_type INT64,
  icmp_code INT64,
  start_time TIMESTAMP,
  end_time TIMESTAMP,
  bytes_toserver INT64,
  bytes_toclient INT64,
  pkts_toserver INT64,
  pkts_toclient INT64,
  flow_state STRING,
  flow_reason STRING,
  flow_action STRING,
  flags STRING,
  flags_toserver STRING,
  flags_toclient STRING,
  tcp_state STRING,
  admit_watermark TIMESTAMP,
  event_day DATE,
  ingest_id STRING
)
PARTITION BY event_day
OPTIONS (labels = [('tripline', 'source')]);
