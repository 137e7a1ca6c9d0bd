//! What flows of a service look like: ports, sizes, lengths, flags.

use std::net::IpAddr;

use crate::record::EventTime;

use super::flow::{ACK, FIN, Flags, Flow, PSH, Protocol, REFUSED, RST, SYN, UNANSWERED};
use super::random::{Random, whole};

/// Medians and log-normal spreads. Spreads are bounded (at most e^(3.5 sigma) times the median).
#[derive(Debug)]
pub(super) struct Service {
    pub port: u16,
    pub protocol: Protocol,
    pub tx: (f64, f64),
    pub rx: (f64, f64),
    pub millis: (f64, f64),
    /// Is it also offered over IPv6?
    pub v6: bool,
}

const fn service(
    port: u16,
    protocol: Protocol,
    tx: (f64, f64),
    rx: (f64, f64),
    millis: (f64, f64),
    v6: bool,
) -> Service {
    Service { port, protocol, tx, rx, millis, v6 }
}

pub(super) static HTTPS: Service = service(443, Protocol::Tcp, (2_200.0, 0.9), (15_000.0, 1.4), (900.0, 1.4), true);
pub(super) static QUIC: Service = service(443, Protocol::Udp, (3_000.0, 0.9), (40_000.0, 1.4), (2_500.0, 1.3), true);
pub(super) static HTTP: Service = service(80, Protocol::Tcp, (700.0, 0.6), (6_000.0, 1.2), (300.0, 1.2), true);
pub(super) static DNS: Service = service(53, Protocol::Udp, (68.0, 0.12), (150.0, 0.4), (18.0, 0.8), true);
pub(super) static MAIL: Service = service(993, Protocol::Tcp, (1_800.0, 0.8), (9_000.0, 1.2), (1_500.0, 1.0), true);
pub(super) static MAIL_OUT: Service =
    service(587, Protocol::Tcp, (12_000.0, 1.1), (1_500.0, 0.4), (1_200.0, 0.8), true);
pub(super) static SMB: Service = service(445, Protocol::Tcp, (6_000.0, 1.2), (20_000.0, 1.5), (4_000.0, 1.2), false);
pub(super) static SSH: Service = service(22, Protocol::Tcp, (30_000.0, 1.0), (90_000.0, 1.0), (400_000.0, 0.7), false);
pub(super) static UPLOAD: Service = service(443, Protocol::Tcp, (600_000.0, 1.0), (9_000.0, 0.6), (9_000.0, 0.8), true);
pub(super) static PING: Service = service(0, Protocol::Icmp, (336.0, 0.2), (336.0, 0.2), (4_000.0, 0.1), false);
pub(super) static NTP: Service = service(123, Protocol::Udp, (76.0, 0.0), (76.0, 0.0), (25.0, 0.6), true);
pub(super) static PUSH: Service = service(5228, Protocol::Tcp, (132.0, 0.1), (118.0, 0.1), (180.0, 0.5), true);
pub(super) static NIGHTLY: Service =
    service(873, Protocol::Tcp, (45_000_000.0, 0.5), (200_000.0, 0.4), (60_000.0, 0.3), false);
pub(super) static UPDATE: Service =
    service(443, Protocol::Tcp, (90_000.0, 0.4), (30_000_000.0, 0.8), (25_000.0, 0.6), true);

/// A flow that was served. It ends at `end`.
pub(super) fn served(
    service: &Service,
    subscriber: u32,
    src: IpAddr,
    dst: IpAddr,
    end: EventTime,
    random: &mut Random,
) -> Flow {
    let micros = whole(random.log_normal(service.millis.0, service.millis.1) * 1000.0);
    let tx_bytes = whole(random.log_normal(service.tx.0, service.tx.1)).max(40);
    let rx_bytes = whole(random.log_normal(service.rx.0, service.rx.1)).max(40);
    let draw = random.below(100);
    let flags = match service.protocol {
        Protocol::Tcp => match draw {
            0..60 => SYN | ACK | PSH | FIN,
            60..86 => SYN | ACK | PSH | FIN | RST,
            86..93 => SYN | ACK | PSH | RST,
            93..97 => SYN | ACK | PSH,
            _ => ACK | PSH | FIN,
        },
        Protocol::Icmp | Protocol::Udp => 0,
    };
    let mut flow = bare(service.protocol, service.port, subscriber, src, dst, end, random);
    flow.start = EventTime(end.0.saturating_sub(i64::try_from(micros).unwrap_or(0)).max(0));
    flow.tx_bytes = tx_bytes;
    flow.rx_bytes = rx_bytes;
    flow.flags = Flags::Number(flags);
    flow
}

/// A connection that came to nothing: refused by a reset, or never answered.
pub(super) fn failed(
    protocol: Protocol,
    port: u16,
    refused: bool,
    (subscriber, src, dst, end): (u32, IpAddr, IpAddr, EventTime),
    random: &mut Random,
) -> Flow {
    let mut flow = bare(protocol, port, subscriber, src, dst, end, random);
    // An unanswered SYN is sent two or three times before the sender gives up.
    let sent = if refused { 1 } else { 1 + random.below(3) };
    let micros = if refused { 200 + random.below(90_000) } else { (sent - 1) * 1_000_000 + random.below(9_000) };
    flow.start = EventTime(end.0.saturating_sub(i64::try_from(micros).unwrap_or(0)).max(0));
    flow.tx_bytes = 60 * sent;
    flow.rx_bytes = if refused { 40 } else { 0 };
    flow.flags = Flags::Number(match protocol {
        Protocol::Tcp if refused => REFUSED,
        Protocol::Tcp => UNANSWERED,
        Protocol::Icmp | Protocol::Udp => 0,
    });
    flow
}

fn bare(
    protocol: Protocol,
    port: u16,
    subscriber: u32,
    src: IpAddr,
    dst: IpAddr,
    end: EventTime,
    random: &mut Random,
) -> Flow {
    let ports = protocol != Protocol::Icmp;
    let src_port = u16::try_from(32_768 + random.below(28_232)).unwrap_or(32_768);
    Flow {
        subscriber,
        src,
        dst,
        src_port: ports.then_some(src_port),
        dst_port: ports.then_some(port),
        tx_bytes: 0,
        rx_bytes: 0,
        flags: Flags::Number(0),
        start: end,
        end,
        timestamp_null: false,
        protocol,
        place: None,
        attack: None,
    }
}
