//! A row of the table `alerts` as protobuf, with a message type that is made of its columns.

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::ProtoSchema;
use prost_types::field_descriptor_proto::{Label, Type as Wire};
use prost_types::{DescriptorProto, FieldDescriptorProto};
use serde_json::Value as Json;

use crate::alert_format::row;
use crate::record::alert::columns;
use crate::record::{Type, Value};

/// Fields have the numbers of their columns, from 1.
pub fn schema() -> ProtoSchema {
    let field = |(number, column): (i32, crate::record::Column)| FieldDescriptorProto {
        name: Some(column.name),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(wire(column.ty).into()),
        ..FieldDescriptorProto::default()
    };
    let descriptor = DescriptorProto {
        name: Some("Alert".to_owned()),
        field: (1..).zip(columns()).map(field).collect(),
        ..DescriptorProto::default()
    };
    ProtoSchema { proto_descriptor: Some(descriptor) }
}

/// A TIMESTAMP goes as microseconds since 1970.
fn wire(ty: Type) -> Wire {
    match ty {
        Type::Bool => Wire::Bool,
        Type::Int64 | Type::Timestamp => Wire::Int64,
        Type::Float64 => Wire::Double,
        _ => Wire::String,
    }
}

/// NULL is not written.
pub fn bytes(alert: &Json) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, value) in (1..).zip(row::row(alert)) {
        match value {
            Value::Bool(value) => prost::encoding::bool::encode(number, &value, &mut bytes),
            Value::Int64(value) | Value::Timestamp(value) => prost::encoding::int64::encode(number, &value, &mut bytes),
            Value::Float64(value) => prost::encoding::double::encode(number, &value, &mut bytes),
            Value::String(value) => prost::encoding::string::encode(number, &value, &mut bytes),
            _ => {}
        }
    }
    bytes
}
