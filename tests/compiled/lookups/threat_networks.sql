-- sql/lookups/threat_networks.csv
CREATE OR REPLACE TABLE threat_networks
OPTIONS (labels = [('tripline', 'lookup')]) AS
SELECT * FROM UNNEST(ARRAY<STRUCT<net STRING, feed STRING, reason STRING, confidence FLOAT64>>[]);
