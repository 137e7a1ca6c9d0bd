//! Whom an alert is about, as observables: what to search for elsewhere.

use serde_json::{Value as Json, json};

use crate::alert_format::alert::{shown, text};

/// (our type of an entity, `type_id`, its caption)
const TYPES: [(&str, u32, &str); 11] = [
    ("host", 1, "Hostname"),
    ("hostname", 1, "Hostname"),
    ("ip", 2, "IP Address"),
    ("mac", 3, "MAC Address"),
    ("user", 4, "User Name"),
    ("username", 4, "User Name"),
    ("email", 5, "Email Address"),
    ("url", 6, "URL String"),
    ("process", 9, "Process Name"),
    ("port", 11, "Port"),
    ("subnet", 12, "Subnet"),
];
const OTHER: u32 = 99;

/// An entity without a value is nothing to search for.
pub(super) fn of(entities: &[Json]) -> Vec<Json> {
    let valued = entities.iter().enumerate().filter(|(_, entity)| !entity["value"].is_null());
    valued.map(|(at, entity)| observable(at, entity)).collect()
}

/// Its name is where the value stands in the finding.
fn observable(at: usize, entity: &Json) -> Json {
    let ours = text(entity, "type");
    let known = TYPES.iter().find(|(name, ..)| *name == ours);
    let (type_id, caption) = known.map_or((OTHER, ours), |(_, id, caption)| (*id, caption));
    json!({
        "name": format!("unmapped.entities[{at}].value"),
        "type_id": type_id,
        "type": caption,
        "value": shown(&entity["value"]),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::of;
    use crate::alert_format::tests::alert;

    #[test]
    fn an_entity_is_an_observable_of_its_type() {
        let alert = alert();
        let observables = of(alert["entities"].as_array().expect("entities"));
        assert_eq!(
            observables,
            [
                json!({"name": "unmapped.entities[0].value", "type_id": 2, "type": "IP Address", "value": "10.1.2.3"}),
                json!({"name": "unmapped.entities[1].value", "type_id": 99, "type": "subscriber", "value": "<@U1>`x`"}),
            ]
        );
    }
}
