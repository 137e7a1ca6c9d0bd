SELECT time AS end_time, src AS src_ip, port AS dst_port, tx AS tx_bytes
FROM log
