//! Files of `tests/mmdb/make.py`.

use std::net::IpAddr;

use super::{Database, Kind, Path, Source, Table};
use crate::record::{Network, Type, Value};

const CITY: &[u8] = include_bytes!("../../tests/mmdb/city.mmdb");
const ASN: &[u8] = include_bytes!("../../tests/mmdb/asn.mmdb");
const WIDE: &[u8] = include_bytes!("../../tests/mmdb/wide.mmdb");

fn table(bytes: &[u8], columns: &[(&str, Type)]) -> Table {
    let source = |path: &str| if path == "net" { Source::Network } else { Source::Record(Path::parse(path).unwrap()) };
    let columns = columns.iter().map(|(path, ty)| (source(path), *ty)).collect();
    Table::new("a.mmdb".into(), columns, Some(Database::open(bytes.to_vec()).unwrap()))
}

fn city() -> Table {
    table(
        CITY,
        &[
            ("net", Type::String),
            ("country.iso_code", Type::String),
            ("city.names.en", Type::String),
            ("location.latitude", Type::Float64),
            ("location.longitude", Type::Float64),
        ],
    )
}

fn asn(bytes: &[u8]) -> Table {
    table(bytes, &[("net", Type::String), ("autonomous_system_number", Type::Int64)])
}

/// A row as a person reads it.
fn shown(table: &Table, address: &str) -> String {
    match table.find(address.parse().unwrap()).unwrap() {
        Some(row) => row.iter().map(Value::display).collect::<Vec<_>>().join(" "),
        None => "-".to_owned(),
    }
}

#[test]
fn an_address_has_the_row_of_its_network() {
    let table = city();
    let cases = [
        ("10.1.2.3", "10.0.0.0/13 ZZ NULL NULL NULL"),
        ("10.9.1.1", "10.9.0.0/21 ZZ Lab 0.5 -0.25"),
        ("10.9.9.9", "10.9.9.9/32 ZZ Desk 0.5 7"),
        ("203.0.113.200", "203.0.113.0/24 DE Berlin 52.5 13.4"),
        ("198.51.100.1", "198.51.100.0/25 US NULL NULL NULL"),
        // Records without values, and with values of other types.
        ("192.0.2.1", "192.0.2.0/25 NULL NULL NULL NULL"),
        ("192.0.2.200", "192.0.2.128/25 NULL  NULL NULL"),
        ("198.51.100.200", "198.51.100.128/25 NULL NULL NULL NULL"),
        ("192.0.3.1", "-"),
        ("2001:db8:8::1", "2001:db8:8::/48 JP Tokyo 35.7 139.7"),
        ("2001:db8:9::1", "2001:db8:9::/126 JP Osaka 34.7 135.5"),
        ("2001:db8:9::7", "2001:db8:9::7/128 JP Kyoto 35 135.8"),
        ("2001:db9::1", "-"),
        // The families do not meet, wherever the tree leads.
        ("::10.9.9.9", "-"),
        ("::ffff:10.9.9.9", "-"),
        ("2002:a09:909::1", "-"),
        ("2001:0:a09:909::1", "-"),
        ("::", "-"),
    ];
    let found: Vec<(&str, String)> = cases.iter().map(|(address, _)| (*address, shown(&table, address))).collect();
    assert_eq!(found, cases.map(|(address, row)| (address, row.to_owned())));
    // The number of 198.51.100.128/25, and its text.
    assert_eq!(table.strange(), [1, 3]);
    let (kind, built) = table.database.as_ref().unwrap().about();
    assert_eq!((kind, built), ("Tripline-City-Test", 1_767_225_600));
}

#[test]
fn trees_of_every_kind_are_read() {
    let (v4, wide) = (asn(ASN), asn(WIDE));
    let cases = [
        (&v4, "203.0.113.1", "203.0.113.0/25 64496"),
        (&v4, "203.0.113.130", "203.0.113.128/26 64497"),
        (&v4, "198.51.100.7", "198.51.100.7/32 4200000000"),
        (&v4, "198.51.100.8", "-"),
        (&v4, "2001:db8::1", "-"),
        (&wide, "2001:db8::1", "2001:db8::/32 3"),
        (&wide, "2a00::1", "2800::/5 2"),
        // It has a network around IPv4's part of the tree: of IPv6.
        (&wide, "::ffff:1.2.3.4", "::/3 1"),
        (&wide, "1.2.3.4", "-"),
    ];
    for (table, address, row) in cases {
        assert_eq!(shown(table, address), row, "{address}");
    }
}

/// The two ways to the rows: whoever has them all finds by the longest prefix what the tree finds.
#[test]
fn rows_are_those_that_are_found() {
    for table in [city(), asn(ASN), asn(WIDE)] {
        let rows: Vec<(Network, Vec<Value>)> = table.rows().unwrap().map(Result::unwrap).collect();
        assert!(rows.len() > 3);
        let mut asked: Vec<IpAddr> = Vec::new();
        for (network, row) in &rows {
            assert_eq!(row[0], Value::String(network.to_string()));
            let near = |address: IpAddr| match address {
                IpAddr::V4(v4) => [-1, 0, 1].map(|by| IpAddr::V4(v4.to_bits().wrapping_add_signed(by).into())),
                IpAddr::V6(v6) => [-1, 0, 1].map(|by| IpAddr::V6(v6.to_bits().wrapping_add_signed(by).into())),
            };
            asked.extend(near(network.base()).into_iter().chain(near(network.last())));
        }
        asked.extend(
            ["::ffff:10.9.9.9", "::10.9.9.9", "2002:a09:909::", "::1"].map(|text| text.parse::<IpAddr>().unwrap()),
        );
        for address in asked {
            let holds = |network: &Network| Network::of(address, network.length()) == Some(*network);
            let holding: Vec<&(Network, Vec<Value>)> = rows.iter().filter(|(network, _)| holds(network)).collect();
            assert!(holding.len() <= 1, "{address}: {holding:?}");
            let longest = holding.first().map(|(_, row)| row.clone());
            let found = table.find(address).unwrap();
            assert_eq!(format!("{found:?}"), format!("{longest:?}"), "{address}");
        }
    }
}

#[test]
fn values_have_the_type_of_their_column_or_are_null() {
    let cases = [
        ("country.geoname_id", Type::Int64, "203.0.113.1", "1000137"),
        ("country.geoname_id", Type::Float64, "203.0.113.1", "1000137"),
        ("country.geoname_id", Type::String, "203.0.113.1", "NULL"),
        ("country", Type::String, "203.0.113.1", "NULL"),
        ("subdivisions.0.iso_code", Type::String, "203.0.113.1", "BE"),
        ("subdivisions.1.iso_code", Type::String, "203.0.113.1", "X"),
        ("subdivisions.2.iso_code", Type::String, "203.0.113.1", "NULL"),
        ("subdivisions.iso_code", Type::String, "203.0.113.1", "NULL"),
        ("traits.is_anycast", Type::Bool, "198.51.100.1", "true"),
        ("traits.is_anycast", Type::Bool, "203.0.113.1", "NULL"),
        ("asn", Type::Int64, "2001:db8::1", "-5"),
        // Beyond INT64.
        ("asn", Type::Int64, "2001:db8:9::1", "NULL"),
        ("asn", Type::Int64, "2001:db8:9::7", "NULL"),
    ];
    for (path, ty, address, value) in cases {
        assert_eq!(shown(&table(CITY, &[(path, ty)]), address), value, "{path} {ty} {address}");
    }
}

#[test]
fn what_records_lack_is_seen_before_it_is_looked_up() {
    let table = table(CITY, &[("city.names.de", Type::String), ("country", Type::String), ("asn", Type::Int64)]);
    let survey = table.glance().unwrap();
    let seen: Vec<(u64, u64)> = survey.columns.iter().map(|seen| (seen.values, seen.strange)).collect();
    assert_eq!(seen, [(0, 0), (1, 9), (1, 2)]);
    assert!(survey.columns[1].kinds.contains(&Kind::Map));
    assert_eq!((survey.records, survey.parts["location.longitude"]), (11, Kind::Float));
}

#[test]
fn paths_are_names_and_numbers_between_dots() {
    for text in ["country", "country.iso_code", "city.names.pt-BR", "subdivisions.0.names.en"] {
        assert_eq!(Path::parse(text).unwrap().to_string(), text);
    }
    let deep = vec!["a"; 33].join(".");
    for text in ["", ".", "a..b", ".a", "a.", "99999999999999999999999", &deep] {
        assert!(Path::parse(text).is_none(), "{text}");
    }
}

#[test]
fn damage_is_said() {
    let damaged = include_bytes!("../../tests/mmdb/bad_record.mmdb");
    let table = asn(damaged);
    assert_eq!(shown(&table, "203.0.113.1"), "203.0.113.0/24 64496");
    let error = table.find("198.51.100.1".parse().unwrap()).unwrap_err().to_string();
    assert!(error.starts_with("a.mmdb is damaged: "), "{error}");
    assert!(table.glance().is_err() && table.rows().unwrap().any(|row| row.is_err()));
    let table = asn(include_bytes!("../../tests/mmdb/circle.mmdb"));
    assert!(table.find("1.2.3.4".parse().unwrap()).unwrap().is_none());
    assert!(table.rows().unwrap().any(|row| row.is_err()) && table.glance().is_err());
    assert!(Database::open(include_bytes!("../../tests/mmdb/cut.mmdb").to_vec()).is_err());
    assert!(Database::open(Vec::new()).is_err());
}

/// Any byte may be another one: nothing fails the program, and nothing goes on for ever.
#[test]
fn no_damage_panics() {
    let table = |bytes: Vec<u8>| {
        let columns = city().columns;
        Database::open(bytes).ok().map(|database| Table::new("a.mmdb".into(), columns, Some(database)))
    };
    for at in (0..CITY.len()).step_by(3) {
        for bits in [0xff, 0x01, 0x80] {
            let mut bytes = CITY.to_vec();
            bytes[at] ^= bits;
            let Some(table) = table(bytes) else { continue };
            for address in ["10.9.9.9", "203.0.113.1", "2001:db8:9::7", "::ffff:1.2.3.4"] {
                let _ = table.find(address.parse().unwrap());
            }
            if at % 17 == 0 {
                let _ = (table.rows().map(Iterator::count), table.glance());
            }
        }
    }
    for at in (0..CITY.len()).step_by(11) {
        assert!(
            table(CITY[at..].to_vec()).is_none_or(|table| table.find("10.9.9.9".parse().unwrap()).is_ok()) || at > 0
        );
        let _ = table(CITY[..at].to_vec());
    }
}
