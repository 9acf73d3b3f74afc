//! A value that fits a JSON schema; the arguments of simulated calls and structured answers.

use serde_json::{Map, Value, json};

/// Nesting at which only required members are still written.
const DEPTH_FULL: usize = 4;
/// Nesting at which everything becomes `null`-like; recursive schemas end here.
const DEPTH_MAX: usize = 12;
/// Longest string or list that a lower bound can ask for.
const LENGTH_MAX: u64 = 1_000;

/// A value for `schema`. The same schema gives the same value.
pub(crate) fn sample(schema: &Value) -> Value {
    of(schema, schema, "value", 0)
}

/// An object for `schema`: the arguments of a call.
pub(crate) fn arguments(schema: &Value) -> Map<String, Value> {
    match sample(schema) {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn of(schema: &Value, root: &Value, name: &str, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(target) = schema["$ref"].as_str().and_then(|path| root.pointer(path.strip_prefix('#')?)) {
        return of(target, root, name, depth + 1);
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(options) = schema[key].as_array() {
            let chosen = options.iter().find(|option| option["type"] != "null").or(options.first());
            return chosen.map_or(Value::Null, |chosen| of(chosen, root, name, depth + 1));
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut merged = object(schema, root, depth);
        for part in parts {
            match of(part, root, name, depth + 1) {
                Value::Object(members) => merged.extend(members),
                other if merged.is_empty() => return other,
                _ => {}
            }
        }
        return Value::Object(merged);
    }
    match kind(schema).as_str() {
        "object" => Value::Object(object(schema, root, depth)),
        "array" => array(schema, root, name, depth),
        "integer" => number(schema, 7.0).map_or(json!(7), |value| json!(value.ceil() as i64)),
        "number" => json!(number(schema, 7.5).unwrap_or(7.5)),
        "boolean" => Value::Bool(true),
        "null" => Value::Null,
        _ => Value::String(string(schema, name)),
    }
}

/// The first type that is not null; Gemini writes types in capitals.
fn kind(schema: &Value) -> String {
    let stated = match &schema["type"] {
        Value::Array(list) => list.iter().find(|kind| *kind != "null").and_then(Value::as_str),
        other => other.as_str(),
    };
    let implied = if schema["properties"].is_object() { "object" } else { "string" };
    stated.unwrap_or(implied).to_ascii_lowercase()
}

fn object(schema: &Value, root: &Value, depth: usize) -> Map<String, Value> {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut members = Map::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if depth < DEPTH_FULL || required.contains(&name.as_str()) {
            members.insert(name.clone(), of(property, root, name, depth + 1));
        }
    }
    members
}

fn array(schema: &Value, root: &Value, name: &str, depth: usize) -> Value {
    let least = schema["minItems"].as_u64().or_else(|| schema["minItems"].as_str()?.parse().ok()).unwrap_or(1);
    let wanted = if depth >= DEPTH_FULL { least.min(1) } else { least.clamp(1, LENGTH_MAX) };
    if schema["maxItems"] == 0 {
        return json!([]);
    }
    let item = of(&schema["items"], root, name, depth + 1);
    Value::Array(vec![item; wanted as usize])
}

/// The default moved inside the bounds.
fn number(schema: &Value, default: f64) -> Option<f64> {
    let low = schema["minimum"].as_f64().or_else(|| schema["exclusiveMinimum"].as_f64().map(|low| low + 1.0));
    let high = schema["maximum"].as_f64().or_else(|| schema["exclusiveMaximum"].as_f64().map(|high| high - 1.0));
    let value = low.map_or(default, |low| default.max(low));
    Some(high.map_or(value, |high| value.min(high))).filter(|value| value.is_finite())
}

fn string(schema: &Value, name: &str) -> String {
    let text = match schema["format"].as_str() {
        Some("date-time") => "2026-01-02T03:04:05Z".to_owned(),
        Some("date") => "2026-01-02".to_owned(),
        Some("time") => "03:04:05Z".to_owned(),
        Some("email") => "user@example.com".to_owned(),
        Some("uri" | "url") => "https://example.com/".to_owned(),
        Some("uuid") => "00000000-0000-4000-8000-000000000001".to_owned(),
        // Agents run what they are told: a command has to be harmless.
        _ if name == "command" || name == "cmd" => "echo interlingua-mock".to_owned(),
        _ => format!("mock {name}"),
    };
    let least = schema["minLength"].as_u64().unwrap_or(0).min(LENGTH_MAX) as usize;
    let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX) as usize;
    let padding = "x".repeat(least.saturating_sub(text.chars().count()));
    format!("{text}{padding}").chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_gets_a_fitting_value() {
        let schema = json!({"type": "object", "$defs": {"d": {"enum": ["north", "south"]}}, "properties": {
            "city": {"type": "string", "maxLength": 6}, "days": {"type": ["null", "integer"], "maximum": 3},
            "tags": {"type": "ARRAY", "items": {"type": "STRING"}}, "way": {"$ref": "#/$defs/d"},
            "unit": {"anyOf": [{"type": "null"}, {"const": "C"}]}, "deep": {"properties": {"ok": {"type": "boolean"}}},
            "x": {"type": "number", "exclusiveMinimum": 10}, "command": {"type": "string"}}});
        assert_eq!(
            sample(&schema),
            json!({"city": "mock c", "days": 3, "tags": ["mock tags"], "way": "north", "unit": "C", "deep": {"ok": true},
                "x": 11.0, "command": "echo interlingua-mock"})
        );
    }

    #[test]
    fn recursive_schemas_end() {
        let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}, "also": {"$ref": "#"}}, "required": ["next"]});
        assert!(sample(&schema).to_string().len() < 4_000);
        assert_eq!(sample(&json!({"$ref": "#"})), Value::Null);
        assert_eq!(arguments(&json!(true)), Map::new());
    }
}
