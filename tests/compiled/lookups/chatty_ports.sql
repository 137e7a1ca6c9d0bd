-- sql/lookups/chatty_ports.csv
CREATE OR REPLACE TABLE chatty_ports
OPTIONS (labels = [('tripline', 'lookup')]) AS
SELECT * FROM UNNEST(ARRAY<STRUCT<port INT64, service STRING>>[
  (53, 'DNS'),
  (123, 'NTP'),
  (137, 'NetBIOS names'),
  (138, 'NetBIOS datagrams'),
  (161, 'SNMP'),
  (514, 'syslog'),
  (1900, 'SSDP'),
  (5223, 'push notifications'),
  (5228, 'push notifications'),
  (5353, 'multicast DNS')
]);
