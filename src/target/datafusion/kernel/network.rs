//! Addresses as bytes and as text.

use std::borrow::Cow;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use datafusion::arrow::array::{Array, BinaryArray, Int64Array, StringArray, StringBuilder};

use crate::language::function::{Id, SERVICES};
use crate::record::{Network, network};
use crate::target::datafusion::input::Inputs;
use crate::target::datafusion::kernel_expr::Kernel;

use super::{Computed, kernel};

pub(super) fn of(id: Id) -> Option<Kernel> {
    match id {
        Id::IpFromString | Id::SafeIpFromString => kernel(move |inputs| {
            inputs.unary::<StringArray, Vec<u8>, BinaryArray>(|s| match s.parse::<IpAddr>() {
                Ok(address) => Ok(Some(bytes(address))),
                Err(_) if id == Id::SafeIpFromString => Ok(None),
                Err(_) => Err(not_address(s)),
            })
        }),
        Id::IpToString => {
            kernel(|inputs| inputs.unary::<BinaryArray, String, StringArray>(|b| Ok(Some(address_text(address(b)?)))))
        }
        Id::IpNetMask => kernel(|inputs| {
            inputs.binary::<Int64Array, Int64Array, Vec<u8>, BinaryArray>(|size, prefix| {
                let ones = match size {
                    4 => IpAddr::V4(Ipv4Addr::BROADCAST),
                    16 => IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
                    _ => return Err("the first argument is 4 or 16".to_owned()),
                };
                Ok(Some(truncated(ones, prefix)?))
            })
        }),
        Id::IpTrunc => kernel(|inputs| {
            inputs.binary::<BinaryArray, Int64Array, Vec<u8>, BinaryArray>(|b, prefix| {
                Ok(Some(truncated(address(b)?, prefix)?))
            })
        }),
        Id::Ipv4ToInt64 => kernel(|inputs| {
            inputs.unary::<BinaryArray, i64, Int64Array>(|b| {
                let octets = <[u8; 4]>::try_from(b).map_err(|_| format!("{} bytes are no IPv4 address", b.len()))?;
                Ok(Some(i64::from(u32::from_be_bytes(octets))))
            })
        }),
        _ => kernel(|inputs| {
            inputs.unary::<Int64Array, Vec<u8>, BinaryArray>(|i| {
                // A negative number is the two's complement of 32 bits.
                let number = u32::try_from(i).ok().or_else(|| i32::try_from(i).ok().map(i32::cast_unsigned));
                let number = number.ok_or_else(|| format!("{i} is no IPv4 address"))?;
                Ok(Some(number.to_be_bytes().to_vec()))
            })
        }),
    }
}

/// SERVICES are in the order of their ports.
pub(super) fn port_service(inputs: &Inputs) -> Computed {
    inputs.unary::<Int64Array, &str, StringArray>(|port| {
        let found = SERVICES.binary_search_by_key(&port, |(port, _)| i64::from(*port)).ok();
        Ok(found.and_then(|at| SERVICES.get(at)).map(|(_, name)| *name))
    })
}

fn not_address(s: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 64;
    let shown: String = s.chars().take(SHOWN_CHARS_MAX).collect();
    format!("'{shown}' is no address")
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn address(bytes: &[u8]) -> Result<IpAddr, String> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Ok(IpAddr::V4(Ipv4Addr::from(octets)));
    }
    let octets = <[u8; 16]>::try_from(bytes).map_err(|_| format!("{} bytes are no address", bytes.len()))?;
    Ok(IpAddr::V6(Ipv6Addr::from(octets)))
}

/// An IPv6 address that only extends an IPv4 one ends in its dotted form, as C's `inet_ntop` prints it.
fn address_text(address: IpAddr) -> String {
    if let IpAddr::V6(v6) = address
        && let [0, 0, 0, 0, 0, 0, high, _] = v6.segments()
        && high != 0
        && let [.., a, b, c, d] = v6.octets()
    {
        return format!("::{}", Ipv4Addr::new(a, b, c, d));
    }
    address.to_string()
}

/// The bytes of an address whose bits behind the prefix are 0.
fn truncated(address: IpAddr, prefix: i64) -> Result<Vec<u8>, String> {
    let network = u32::try_from(prefix).ok().and_then(|length| Network::of(address, length));
    let network = network.ok_or_else(|| format!("the prefix length is not from 0 to {}", network::bits(address)))?;
    Ok(bytes(network.base()))
}

/// The canonical text of an address given as text: the array itself when all are canonical already.
pub(in crate::target::datafusion) fn canonical_address(safe: bool) -> Kernel {
    Arc::new(move |inputs| canonical(inputs, safe))
}

fn canonical(inputs: &Inputs, safe: bool) -> Computed {
    let input = inputs.input(0)?;
    let array = input.array.as_any().downcast_ref::<StringArray>().ok_or("not STRING")?;
    let all = array.iter().flatten().all(is_canonical);
    if all && (!input.scalar || inputs.rows == 1) {
        return Ok(Arc::clone(&input.array));
    }
    let mut out = StringBuilder::with_capacity(array.len(), array.value_data().len());
    for text in array {
        match text.map(canonical_text) {
            None => out.append_null(),
            Some(Some(text)) => out.append_value(text),
            Some(None) if safe => out.append_null(),
            Some(None) => return Err(not_address(text.unwrap_or_default())),
        }
    }
    let array = Arc::new(out.finish());
    crate::target::datafusion::input::Input { array, scalar: input.scalar }.expanded(inputs.rows)
}

fn canonical_text(text: &str) -> Option<Cow<'_, str>> {
    if is_canonical(text) {
        return Some(Cow::Borrowed(text));
    }
    let address: IpAddr = text.parse().ok()?;
    Some(Cow::Owned(address_text(address)))
}

fn is_canonical(text: &str) -> bool {
    is_canonical_v4(text) || is_canonical_v6(text)
}

/// The longest text of an IPv6 address.
const V6_TEXT_BYTES_MAX: usize = 45;

/// Prints the address beside the text rather than into a new one.
fn is_canonical_v6(text: &str) -> bool {
    let Ok(address) = text.parse::<Ipv6Addr>() else { return false };
    if let [0, 0, 0, 0, 0, 0, high, _] = address.segments()
        && high != 0
    {
        return address_text(IpAddr::V6(address)) == text;
    }
    let mut printed = [0u8; V6_TEXT_BYTES_MAX];
    let mut rest = &mut printed[..];
    let room = rest.len();
    if write!(rest, "{address}").is_err() {
        return false;
    }
    let length = room - rest.len();
    printed[..length] == *text.as_bytes()
}

/// Four numbers up to 255 without leading zeros: such a text is its own canonical form.
fn is_canonical_v4(text: &str) -> bool {
    let (mut octets, mut value, mut digits) = (0, 0u32, 0);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => {
                if digits > 0 && value == 0 {
                    return false;
                }
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return false;
                }
            }
            b'.' if digits > 0 => {
                octets += 1;
                (value, digits) = (0, 0);
            }
            _ => return false,
        }
    }
    octets == 3 && digits > 0
}
