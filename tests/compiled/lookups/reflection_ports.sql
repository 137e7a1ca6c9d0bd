-- sql/lookups/reflection_ports.csv
CREATE OR REPLACE TABLE reflection_ports
OPTIONS (labels = [('tripline', 'lookup')]) AS
SELECT * FROM UNNEST(ARRAY<STRUCT<port INT64, service STRING>>[
  (17, 'QOTD'),
  (19, 'CharGEN'),
  (53, 'DNS'),
  (111, 'portmapper'),
  (123, 'NTP'),
  (137, 'NetBIOS names'),
  (161, 'SNMP'),
  (389, 'CLDAP'),
  (427, 'SLP'),
  (1434, 'SQL Server browser'),
  (1900, 'SSDP'),
  (3283, 'Apple Remote Desktop'),
  (3702, 'WS-Discovery'),
  (5093, 'Sentinel licences'),
  (5353, 'multicast DNS'),
  (10001, 'Ubiquiti discovery'),
  (11211, 'memcached')
]);
