-- sql/lookups/networks.csv
CREATE OR REPLACE TABLE networks
OPTIONS (labels = [('tripline', 'lookup')]) AS
SELECT * FROM UNNEST(ARRAY<STRUCT<net STRING, inside BOOL, reason STRING>>[
  ('10.0.0.0/8', TRUE, 'private (RFC 1918)'),
  ('172.16.0.0/12', TRUE, 'private (RFC 1918)'),
  ('192.168.0.0/16', TRUE, 'private (RFC 1918)'),
  ('100.64.0.0/10', TRUE, 'behind a carrier\'s NAT (RFC 6598)'),
  ('169.254.0.0/16', TRUE, 'link-local (RFC 3927)'),
  ('fc00::/7', TRUE, 'private (RFC 4193)'),
  ('fe80::/10', TRUE, 'link-local (RFC 4291)')
]);
