//! One row: a flow as the generator knows it, and as a line of NetLog JSON.

use std::io::{self, Write};
use std::net::IpAddr;

use crate::record::EventTime;

use super::place::Place;

pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const PSH: u8 = 8;
pub(super) const ACK: u8 = 16;
/// A SYN that nobody answered.
pub(super) const UNANSWERED: u8 = SYN;
/// A SYN that was answered by a reset.
pub(super) const REFUSED: u8 = SYN | RST | ACK;

/// In the order in which a connection shows them.
const FLAG_NAMES: [(u8, &str); 5] = [(SYN, "SYN"), (ACK, "ACK"), (PSH, "PSH"), (FIN, "FIN"), (RST, "RST")];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Icmp,
    Tcp,
    Udp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flags {
    Null,
    Number(u8),
    Names(u8),
}

#[derive(Debug, Clone)]
pub(super) struct Flow {
    pub subscriber: u32,
    pub src: IpAddr,
    pub dst: IpAddr,
    /// `None` for protocols without ports, and for nulls.
    pub src_port: Option<u16>,
    pub dst_port: Option<u16>,
    pub tx_bytes: u64,
    pub rx_bytes: u64,
    pub flags: Flags,
    pub start: EventTime,
    pub end: EventTime,
    pub timestamp_null: bool,
    pub protocol: Protocol,
    /// Of the source address.
    pub place: Option<&'static Place>,
    /// The attack that it belongs to, as its number among the planned ones.
    pub attack: Option<usize>,
}

/// Writes rows, reusing one buffer.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    line: Vec<u8>,
}

impl Encoder {
    pub(super) fn write(&mut self, flow: &Flow, out: &mut dyn Write) -> io::Result<()> {
        let line = &mut self.line;
        line.clear();
        line.extend_from_slice(b"{\"subscriberId\":\"S");
        digits_padded(line, u64::from(flow.subscriber), 6);
        line.extend_from_slice(b"\",\"srcIP\":\"");
        address(line, flow.src)?;
        line.extend_from_slice(b"\",\"dstIP\":\"");
        address(line, flow.dst)?;
        line.extend_from_slice(b"\",\"srcPort\":");
        number_or_null(line, flow.src_port.map(u64::from));
        line.extend_from_slice(b",\"dstPort\":");
        number_or_null(line, flow.dst_port.map(u64::from));
        line.extend_from_slice(b",\"txBytes\":");
        digits(line, flow.tx_bytes);
        line.extend_from_slice(b",\"rxBytes\":");
        digits(line, flow.rx_bytes);
        line.extend_from_slice(b",\"tcpFlag\":");
        flags(line, flow.flags);
        line.extend_from_slice(b",\"startTime\":");
        time(line, flow.start);
        line.extend_from_slice(b",\"endTime\":");
        time(line, flow.end);
        line.extend_from_slice(b",\"timestamp\":");
        if flow.timestamp_null {
            line.extend_from_slice(b"null");
        } else {
            time(line, flow.end);
        }
        line.extend_from_slice(match flow.protocol {
            Protocol::Icmp => b",\"protocolName\":\"ICMP\",\"protocolNumber\":1".as_slice(),
            Protocol::Tcp => b",\"protocolName\":\"TCP\",\"protocolNumber\":6",
            Protocol::Udp => b",\"protocolName\":\"UDP\",\"protocolNumber\":17",
        });
        place(line, flow.place);
        line.extend_from_slice(b"}\n");
        out.write_all(line)
    }
}

fn place(line: &mut Vec<u8>, place: Option<&Place>) {
    let Some(place) = place else {
        line.extend_from_slice(b",\"geoCountry\":null,\"geoCity\":null,\"latitude\":null,\"longitude\":null");
        return;
    };
    for (head, text) in [
        (",\"geoCountry\":\"", place.country),
        ("\",\"geoCity\":\"", place.city),
        ("\",\"latitude\":", place.latitude),
        (",\"longitude\":", place.longitude),
    ] {
        line.extend_from_slice(head.as_bytes());
        line.extend_from_slice(text.as_bytes());
    }
}

fn flags(line: &mut Vec<u8>, flags: Flags) {
    match flags {
        Flags::Null => line.extend_from_slice(b"null"),
        Flags::Number(bits) => digits(line, u64::from(bits)),
        Flags::Names(bits) => {
            line.push(b'"');
            let mut first = true;
            for (bit, name) in FLAG_NAMES {
                if bits & bit != 0 {
                    if !first {
                        line.push(b'-');
                    }
                    first = false;
                    line.extend_from_slice(name.as_bytes());
                }
            }
            line.push(b'"');
        }
    }
}

fn address(line: &mut Vec<u8>, address: IpAddr) -> io::Result<()> {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            digits(line, u64::from(a));
            for octet in [b, c, d] {
                line.push(b'.');
                digits(line, u64::from(octet));
            }
            Ok(())
        }
        IpAddr::V6(v6) => write!(line, "{v6}"),
    }
}

fn number_or_null(line: &mut Vec<u8>, value: Option<u64>) {
    match value {
        Some(value) => digits(line, value),
        None => line.extend_from_slice(b"null"),
    }
}

fn digits(line: &mut Vec<u8>, value: u64) {
    digits_padded(line, value, 1);
}

fn digits_padded(line: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut text = [b'0'; 20];
    let mut from = text.len();
    while value > 0 && from > 0 {
        from -= 1;
        text[from] = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
    line.extend_from_slice(&text[from.min(text.len().saturating_sub(width))..]);
}

/// A quoted ISO-8601 time in UTC with microseconds. Times are after 1970 and before the year 9000.
fn time(line: &mut Vec<u8>, time: EventTime) {
    let micros = u64::try_from(time.0).unwrap_or(0);
    let seconds = micros / 1_000_000;
    let (year, month, day) = civil(seconds / 86_400);
    line.push(b'"');
    for (value, width, after) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (seconds / 3_600 % 24, 2, b':'),
        (seconds / 60 % 60, 2, b':'),
        (seconds % 60, 2, b'.'),
        (micros % 1_000_000, 6, b'Z'),
    ] {
        digits_padded(line, value, width);
        line.push(after);
    }
    line.push(b'"');
}

/// Year, month and day of a number of days since 1970-01-01, by the proleptic Gregorian calendar
/// with years that begin in March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{EventTime, civil, digits_padded, time};

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_458), (2026, 1, 5));
        let mut line = Vec::new();
        time(&mut line, EventTime(1_767_603_600_000_007));
        assert_eq!(line, b"\"2026-01-05T09:00:00.000007Z\"");
    }

    #[test]
    fn numbers_are_padded_and_never_cut() {
        for (value, width, text) in
            [(0, 1, "0"), (7, 2, "07"), (1_234_567, 6, "1234567"), (u64::MAX, 1, "18446744073709551615")]
        {
            let mut line = Vec::new();
            digits_padded(&mut line, value, width);
            assert_eq!(String::from_utf8(line).unwrap(), text);
        }
    }
}
