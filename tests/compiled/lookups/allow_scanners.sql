-- sql/lookups/allow_scanners.csv
CREATE OR REPLACE TABLE allow_scanners
OPTIONS (labels = [('tripline', 'lookup')]) AS
SELECT * FROM UNNEST(ARRAY<STRUCT<value STRING, reason STRING>>[
  ('10.255.0.10', 'licensed vulnerability scanner')
]);
