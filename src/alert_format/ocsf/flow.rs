//! A flow as evidence of a finding: its two ends, its protocol, and all that it is.

use serde_json::{Map, Value as Json, json};

/// Who began is not who is inside.
const DIRECTION_UNKNOWN: u32 = 0;
const PORT_MAX: i64 = 65_535;

pub(super) fn evidence(flow: &Json) -> Json {
    let mut evidence = Map::new();
    evidence.insert("data".to_owned(), flow.clone());
    evidence.extend(endpoint(flow, "src_ip", "src_port").map(|end| ("src_endpoint".to_owned(), end)));
    evidence.extend(endpoint(flow, "dst_ip", "dst_port").map(|end| ("dst_endpoint".to_owned(), end)));
    let mut connection = Map::from_iter([("direction_id".to_owned(), json!(DIRECTION_UNKNOWN))]);
    let protocol = flow["protocol"].as_str().map(|name| ("protocol_name".to_owned(), json!(name.to_lowercase())));
    connection.extend(protocol);
    connection.extend(flow["protocol_number"].as_i64().map(|number| ("protocol_num".to_owned(), json!(number))));
    if connection.len() > 1 {
        evidence.insert("connection_info".to_owned(), Json::Object(connection));
    }
    Json::Object(evidence)
}

/// An end is known by its address.
fn endpoint(flow: &Json, ip: &str, port: &str) -> Option<Json> {
    let mut end = Map::from_iter([("ip".to_owned(), json!(flow[ip].as_str()?))]);
    let port = flow[port].as_i64().filter(|port| (0..=PORT_MAX).contains(port));
    end.extend(port.map(|port| ("port".to_owned(), json!(port))));
    Some(Json::Object(end))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::evidence;
    use crate::alert_format::tests::alert;

    #[test]
    fn a_flow_has_two_ends() {
        let alert = alert();
        let evidence = evidence(&alert["evidence"][0]);
        assert_eq!(evidence["src_endpoint"], json!({"ip": "10.1.2.3", "port": 50_000}));
        assert_eq!(evidence["dst_endpoint"], json!({"ip": "192.0.2.7", "port": 22}));
        assert_eq!(evidence["connection_info"], json!({"direction_id": 0, "protocol_name": "tcp", "protocol_num": 6}));
        assert_eq!(evidence["data"], alert["evidence"][0]);
    }

    #[test]
    fn what_a_flow_has_not_is_not_told() {
        let alert = alert();
        assert_eq!(evidence(&alert["evidence"][1]), json!({"data": alert["evidence"][1]}));
    }
}
