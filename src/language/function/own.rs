//! Tripline's own functions. Each has a definition in GoogleSQL, which is what runs and what is printed.

use super::short::{BYTES, FLOAT, INT, STRING, TO_BOOL, TO_FLOAT, TO_STRING};
use super::{Class, Function, Guard, Id, NullRule, sig};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        Id::GeoKm,
        "geo_km",
        &[sig(&[FLOAT, FLOAT, FLOAT, FLOAT], TO_FLOAT)],
        "geo_km(lat1, lon1, lat2, lon2): kilometres between two places in degrees, over a sphere of radius 6371.010 km; NULL \
         for a latitude beyond 90 or a longitude beyond 180",
    )
    .null(NullRule::Nullable)
    .class(Class::FloatOrder)
    .examples(&[("ROUND(geo_km(52.52, 13.405, 48.8566, 2.3522))", "877.0"), ("geo_km(91, 0, 0, 0)", "NULL")]),
    Function::new(
        Id::InCidr,
        "in_cidr",
        &[sig(&[STRING, STRING], TO_BOOL)],
        "in_cidr(ip, 'network'): does the constant network hold an address; FALSE for one of the other family, NULL for a text \
         that is none",
    )
    .null(NullRule::Nullable)
    .guard(Guard::ConstantNetwork)
    .examples(&[("in_cidr('10.1.2.3', '10.0.0.0/8')", "TRUE"), ("in_cidr('::1', '10.0.0.0/8')", "FALSE")]),
    Function::new(
        Id::PortService,
        "port_service",
        &[sig(&[INT], TO_STRING)],
        "name of the service that a well-known port has, such as 'ssh'; NULL for others",
    )
    .null(NullRule::Nullable)
    .examples(&[("port_service(22)", "'ssh'"), ("port_service(4711)", "NULL")]),
    Function::new(
        Id::Pseudonymize,
        "pseudonymize",
        &[sig(&[STRING, STRING], TO_STRING), sig(&[BYTES, STRING], TO_STRING)],
        "pseudonymize(value, 'key'): the value's pseudonym under a key of `pseudonym_keys`, which is the key's id, `_` and the \
         first 128 bits of HMAC-SHA-256 as hexadecimal digits; stands in a source's `flows.sql` alone",
    )
    .guard(Guard::ConstantKey),
    Function::new(
        Id::Entropy,
        "entropy",
        &[sig(&[STRING], TO_FLOAT)],
        "Shannon entropy of a text, bits per character; 0 for ''",
    )
    .class(Class::FloatOrder)
    .examples(&[("entropy('aabb')", "1.0"), ("entropy('')", "0.0")]),
];

/// Is it one of ours?
pub(super) fn is_own(id: Id) -> bool {
    matches!(id, Id::GeoKm | Id::InCidr | Id::PortService | Id::Pseudonymize | Id::Entropy)
}

/// The services that `port_service` names.
pub const SERVICES: &[(u16, &str)] = &[
    (20, "ftp-data"),
    (21, "ftp"),
    (22, "ssh"),
    (23, "telnet"),
    (25, "smtp"),
    (53, "dns"),
    (67, "dhcp"),
    (68, "dhcp"),
    (69, "tftp"),
    (80, "http"),
    (88, "kerberos"),
    (110, "pop3"),
    (111, "rpcbind"),
    (123, "ntp"),
    (135, "msrpc"),
    (137, "netbios-ns"),
    (138, "netbios-dgm"),
    (139, "netbios-ssn"),
    (143, "imap"),
    (161, "snmp"),
    (162, "snmp-trap"),
    (179, "bgp"),
    (389, "ldap"),
    (443, "https"),
    (445, "smb"),
    (465, "smtps"),
    (500, "ike"),
    (514, "syslog"),
    (587, "submission"),
    (636, "ldaps"),
    (853, "dns-over-tls"),
    (993, "imaps"),
    (995, "pop3s"),
    (1194, "openvpn"),
    (1433, "mssql"),
    (1521, "oracle"),
    (1883, "mqtt"),
    (2049, "nfs"),
    (3306, "mysql"),
    (3389, "rdp"),
    (5060, "sip"),
    (5222, "xmpp"),
    (5432, "postgresql"),
    (5900, "vnc"),
    (6379, "redis"),
    (8080, "http-alt"),
    (9200, "elasticsearch"),
    (27017, "mongodb"),
];
