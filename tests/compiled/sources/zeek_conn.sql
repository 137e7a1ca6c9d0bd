-- Decoded rows of zeek_conn. Each row has its partition, the watermark before it (NULL where nothing was late)
-- and the ingest that it came with.
CREATE TABLE IF NOT EXISTS zeek_conn (
  ts TIMESTAMP,
  uid STRING,
  orig_h STRING,
  orig_p INT64,
  resp_h STRING,
  resp_p INT64,
  transport STRING,
  duration FLOAT64,
  orig_bytes INT64,
  resp_bytes INT64,
  orig_ip_bytes INT64,
  resp_ip_bytes INT64,
  conn_state STRING,
  history STRING,
  admit_watermark TIMESTAMP,
  event_day DATE,
  ingest_id STRING
)
PARTITION BY event_day
OPTIONS (labels = [('tripline', 'source')]);
