-- sql/lookups/allow_uploads.csv
CREATE OR REPLACE TABLE allow_uploads
OPTIONS (labels = [('tripline', 'lookup')]) AS
SELECT * FROM UNNEST(ARRAY<STRUCT<value STRING, reason STRING>>[
  ('10.255.0.20', 'nightly backup')
]);
