-- Decoded rows of zeek_conn. Each row has its partition and the watermark before it (NULL where nothing was late).
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
  event_day DATE
)
PARTITION BY event_day
OPTIONS (labels = [('tripline', 'source')]);
