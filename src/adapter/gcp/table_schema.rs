//! Whether a table takes rows of alerts.

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::TableSchema;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::table_field_schema::{Mode, Type as Field};

use crate::record::Type;
use crate::record::alert::columns;

/// Why it does not.
pub fn mismatch(table: &TableSchema) -> Option<String> {
    let columns = columns();
    for column in &columns {
        let Some(field) = table.fields.iter().find(|field| field.name.eq_ignore_ascii_case(&column.name)) else {
            return Some(format!("the table has no column `{}`, a {}", column.name, column.ty));
        };
        if field.r#type != i32::from(field_type(column.ty)) || field.mode == i32::from(Mode::Repeated) {
            return Some(format!("the column `{}` of the table is not {}", column.name, column.ty));
        }
    }
    let strange = table.fields.iter().find(|field| {
        let own = columns.iter().any(|column| column.name.eq_ignore_ascii_case(&field.name));
        !own && field.mode == i32::from(Mode::Required)
    });
    strange.map(|field| format!("the table requires a value of the column `{}`, which alerts do not have", field.name))
}

fn field_type(ty: Type) -> Field {
    match ty {
        Type::Bool => Field::Bool,
        Type::Int64 => Field::Int64,
        Type::Float64 => Field::Double,
        Type::Timestamp => Field::Timestamp,
        _ => Field::String,
    }
}

#[cfg(test)]
mod tests {
    use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{TableFieldSchema, TableSchema};

    use super::{Field, Mode, columns, field_type, mismatch};

    fn table() -> TableSchema {
        let field =
            |name: String, ty: Field| TableFieldSchema { name, r#type: ty.into(), ..TableFieldSchema::default() };
        TableSchema { fields: columns().into_iter().map(|column| field(column.name, field_type(column.ty))).collect() }
    }

    #[test]
    fn a_table_has_the_columns_of_alerts_and_may_have_others() {
        assert_eq!(mismatch(&table()), None);
        let said = |change: &dyn Fn(&mut Vec<TableFieldSchema>)| {
            let mut table = table();
            change(&mut table.fields);
            mismatch(&table).unwrap_or_default()
        };
        assert!(said(&|fields| fields.truncate(10)).contains("has no column `fingerprint`, a STRING"));
        assert!(said(&|fields| fields[3].r#type = Field::String.into()).contains("`event_time` of the table is not"));
        assert!(said(&|fields| fields[0].mode = Mode::Repeated.into()).contains("`alert_id`"));
        let other = |mode: Mode| {
            move |fields: &mut Vec<TableFieldSchema>| {
                fields.push(TableFieldSchema {
                    name: "note".to_owned(),
                    mode: mode.into(),
                    ..TableFieldSchema::default()
                });
            }
        };
        assert_eq!(said(&other(Mode::Nullable)), "");
        assert!(said(&other(Mode::Required)).contains("`note`"));
        assert_eq!(said(&|fields| fields[0].name = "ALERT_ID".to_owned()), "");
    }
}
