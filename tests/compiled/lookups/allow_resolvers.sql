-- sql/lookups/allow_resolvers.csv
CREATE OR REPLACE TABLE allow_resolvers
OPTIONS (labels = [('tripline', 'lookup')]) AS
SELECT * FROM UNNEST(ARRAY<STRUCT<value STRING, reason STRING>>[
  ('10.255.0.53', 'the company\'s resolver')
]);
