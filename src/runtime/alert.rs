//! Alerts as rows of the relation `alerts`.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};

use crate::pipeline::alert::AlertRecord;

/// In the order of [`crate::record::alert::columns_of_a_run`].
pub fn alert_rows(alerts: &[AlertRecord]) -> Vec<ArrayRef> {
    let text = |of: &dyn Fn(&AlertRecord) -> String| -> ArrayRef {
        Arc::new(alerts.iter().map(|alert| Some(of(alert))).collect::<StringArray>())
    };
    let time = |of: &dyn Fn(&AlertRecord) -> i64| -> ArrayRef {
        let times: Vec<i64> = alerts.iter().map(of).collect();
        Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"))
    };
    let hits = alerts.iter().map(|alert| i64::try_from(alert.hits).unwrap_or(i64::MAX));
    vec![
        text(&|alert| alert.alert_id.clone().unwrap_or_default()),
        text(&|alert| alert.rule.clone()),
        text(&|alert| alert.severity.name().to_owned()),
        time(&|alert| alert.first_time_us),
        time(&|alert| alert.last_time_us),
        Arc::new(Int64Array::from_iter_values(hits)),
        Arc::new(alerts.iter().map(|alert| Some(alert.score)).collect::<Float64Array>()),
        text(&|alert| alert.hit_id.clone()),
        text(&|alert| alert.title.clone()),
        text(&|alert| alert.json()["hit"]["values"].to_string()),
        text(&|alert| alert.fingerprint.clone()),
        Arc::new(BooleanArray::from(alerts.iter().map(|alert| alert.partial).collect::<Vec<_>>())),
        text(&|alert| alert.json().to_string()),
    ]
}
