-- sql/lookups/admin_ports.csv
CREATE OR REPLACE TABLE admin_ports
OPTIONS (labels = [('tripline', 'lookup')]) AS
SELECT * FROM UNNEST(ARRAY<STRUCT<port INT64, service STRING>>[
  (22, 'SSH'),
  (135, 'RPC'),
  (445, 'SMB'),
  (3389, 'RDP'),
  (5900, 'VNC'),
  (5985, 'WinRM'),
  (5986, 'WinRM over TLS')
]);
