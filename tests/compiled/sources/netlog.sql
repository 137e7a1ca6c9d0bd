-- Decoded rows of netlog. Each row has its partition, the watermark before it (NULL where nothing was late)
-- and the ingest that it came with.
CREATE TABLE IF NOT EXISTS netlog (
  subscriberId STRING,
  srcIP STRING,
  dstIP STRING,
  srcPort INT64,
  dstPort INT64,
  txBytes INT64,
  rxBytes INT64,
  tcpFlag INT64,
  startTime TIMESTAMP,
  endTime TIMESTAMP,
  timestamp TIMESTAMP,
  protocolName STRING,
  protocolNumber INT64,
  geoCountry STRING,
  geoCity STRING,
  latitude FLOAT64,
  longitude FLOAT64,
  admit_watermark TIMESTAMP,
  event_day DATE,
  ingest_id STRING
)
PARTITION BY event_day
OPTIONS (labels = [('tripline', 'source')]);
