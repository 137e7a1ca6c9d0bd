-- sql/lookups/login_ports.csv
CREATE OR REPLACE TABLE login_ports
OPTIONS (labels = [('tripline', 'lookup')]) AS
SELECT * FROM UNNEST(ARRAY<STRUCT<port INT64, service STRING>>[
  (21, 'FTP'),
  (22, 'SSH'),
  (23, 'Telnet'),
  (3389, 'RDP'),
  (5900, 'VNC')
]);
