-- Decoded rows of gcp_vpc_flow. Each row has its partition, the watermark before it (NULL where nothing was late)
-- and the ingest that it came with.
CREATE TABLE IF NOT EXISTS gcp_vpc_flow (
  insert_id STRING,
  logged TIMESTAMP,
  log_name STRING,
  reporter STRING,
  src_ip STRING,
  src_port INT64,
  dest_ip STRING,
  dest_port INT64,
  protocol INT64,
  bytes_sent INT64,
  packets_sent INT64,
  start_time TIMESTAMP,
  end_time TIMESTAMP,
  src_vm STRING,
  dest_vm STRING,
  src_gateway STRING,
  src_country STRING,
  src_city STRING,
  dest_country STRING,
  dest_city STRING,
  admit_watermark TIMESTAMP,
  event_day DATE,
  ingest_id STRING
)
PARTITION BY event_day
OPTIONS (labels = [('tripline', 'source')]);
