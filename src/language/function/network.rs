//! Addresses. `NET.*` as GoogleSQL defines them: an address is BYTES of length 4 or 16.

use super::short::{BYTES, INT, STRING, TO_BYTES, TO_INT, TO_STRING};
use super::{Function, Guard, Id, NullRule, sig};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        Id::IpFromString,
        "NET.IP_FROM_STRING",
        &[sig(&[STRING], TO_BYTES)],
        "an address as bytes; a text that is none fails the row",
    )
    .guard(Guard::Domain)
    .examples(&[("NET.IP_FROM_STRING('10.0.0.1')", "b'\\x0a\\x00\\x00\\x01'")]),
    Function::new(
        Id::SafeIpFromString,
        "NET.SAFE_IP_FROM_STRING",
        &[sig(&[STRING], TO_BYTES)],
        "an address as bytes; NULL for a text that is none",
    )
    .null(NullRule::Nullable)
    .examples(&[("NET.SAFE_IP_FROM_STRING('10.0.0.256')", "NULL")]),
    Function::new(Id::IpToString, "NET.IP_TO_STRING", &[sig(&[BYTES], TO_STRING)], "an address as its canonical text")
        .guard(Guard::Domain)
        .examples(&[("NET.IP_TO_STRING(NET.IP_FROM_STRING('2001:DB8:0::1'))", "'2001:db8::1'")]),
    Function::new(
        Id::IpNetMask,
        "NET.IP_NET_MASK",
        &[sig(&[INT, INT], TO_BYTES)],
        "NET.IP_NET_MASK(4 or 16, prefix length)",
    )
    .guard(Guard::Domain)
    .examples(&[("NET.IP_NET_MASK(4, 8)", "b'\\xff\\x00\\x00\\x00'")]),
    Function::new(
        Id::IpTrunc,
        "NET.IP_TRUNC",
        &[sig(&[BYTES, INT], TO_BYTES)],
        "the network of an address with a prefix length",
    )
    .guard(Guard::Domain)
    .examples(&[("NET.IP_TO_STRING(NET.IP_TRUNC(NET.IP_FROM_STRING('10.1.2.3'), 8))", "'10.0.0.0'")]),
    Function::new(Id::Ipv4ToInt64, "NET.IPV4_TO_INT64", &[sig(&[BYTES], TO_INT)], "an IPv4 address as a number")
        .guard(Guard::Domain)
        .examples(&[("NET.IPV4_TO_INT64(NET.IP_FROM_STRING('0.0.1.0'))", "256")]),
    Function::new(Id::Ipv4FromInt64, "NET.IPV4_FROM_INT64", &[sig(&[INT], TO_BYTES)], "an IPv4 address from a number")
        .guard(Guard::Domain)
        .examples(&[("NET.IP_TO_STRING(NET.IPV4_FROM_INT64(256))", "'0.0.1.0'")]),
];
