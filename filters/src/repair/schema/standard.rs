//! Gemini's own schemas as JSON Schema.

use serde_json::{Map, Value};

use crate::json::Raw;

/// The JSON Schema that a schema in Gemini's words (`STRING`, `nullable`, `"minItems": "1"`) means; `None` when it is
/// JSON Schema already.
pub fn standard(schema: &Raw<'_>) -> Option<Raw<'static>> {
    let mut value = schema.to_value();
    let mut changed = false;
    node(&mut value, &mut changed);
    if changed { Raw::from_value(&value) } else { None }
}

/// Recursion is bounded by the depth that serde_json reads.
fn node(value: &mut Value, changed: &mut bool) {
    let Value::Object(members) = value else { return };
    if let Some(Value::String(kind)) = members.get_mut("type") {
        let lower = kind.to_ascii_lowercase();
        if lower == "type_unspecified" {
            members.shift_remove("type");
            *changed = true;
        } else if lower != *kind {
            *kind = lower;
            *changed = true;
        }
    }
    for key in ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"] {
        // Protobuf JSON writes 64-bit integers as strings.
        let number = members.get(key).and_then(Value::as_str).and_then(|text| text.parse::<u64>().ok());
        if let Some(number) = number {
            members.insert(key.to_owned(), number.into());
            *changed = true;
        }
    }
    if members.get("format").and_then(Value::as_str) == Some("enum") {
        members.shift_remove("format");
        *changed = true;
    }
    *changed |= members.shift_remove("propertyOrdering").is_some();
    nullable(members, changed);
    for key in ["properties", "$defs", "definitions"] {
        if let Some(Value::Object(named)) = members.get_mut(key) {
            named.values_mut().for_each(|value| node(value, changed));
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(value) = members.get_mut(key) {
            node(value, changed);
        }
    }
    for key in ["anyOf", "oneOf", "allOf", "prefixItems"] {
        if let Some(Value::Array(branches)) = members.get_mut(key) {
            for value in branches {
                node(value, changed);
            }
        }
    }
}

fn nullable(members: &mut Map<String, Value>, changed: &mut bool) {
    let Some(nullable) = members.get("nullable").and_then(Value::as_bool) else { return };
    members.shift_remove("nullable");
    *changed = true;
    if !nullable {
        return;
    }
    if let Some(kind) = members.get_mut("type").filter(|kind| kind.is_string()) {
        *kind = Value::Array(vec![kind.take(), "null".into()]);
        if let Some(Value::Array(values)) = members.get_mut("enum") {
            values.push(Value::Null);
        }
    } else if let Some(Value::Array(branches)) = members.get_mut("anyOf") {
        branches.push(serde_json::json!({"type": "null"}));
    }
}
