//! The subset of JSON schema that Gemini's `Schema` message has.

use super::gemini::{payload, snake, unknown_name};
use super::{Verdict, refuse_if};
use crate::mock::refusal::Refusal;
use crate::mock::view::{items, text};
use serde_json::Value;

/// Nesting that Gemini takes.
const DEPTH_MAX: usize = 64;

const MEMBERS: [&str; 22] = [
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "maxItems",
    "minItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
    "items",
    "minimum",
    "maximum",
];

const TYPES: [&str; 8] = ["TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"];

/// Checks a `parameters` or `responseSchema` value.
pub(super) fn check_schema(path: &str, schema: &Value, legacy: bool) -> Verdict {
    check(path, schema, legacy, 0)
}

fn check(path: &str, schema: &Value, legacy: bool, depth: usize) -> Verdict {
    refuse_if(depth > DEPTH_MAX, || {
        Refusal::invalid(format!("The schema at '{path}' exceeds the maximum allowed nesting depth."))
    })?;
    let Some(members) = schema.as_object() else {
        return Err(payload(
            path,
            format!(
                "Invalid value at '{path}' (type.googleapis.com/google.ai.generativelanguage.v1beta.Schema), {schema}"
            ),
        ));
    };
    let unknown = members.keys().find(|name| !MEMBERS.iter().any(|own| name.as_str() == *own || **name == snake(own)));
    unknown.map_or(Ok(()), |name| Err(unknown_name(path, name)))?;
    let kind = check_type(path, &schema["type"])?;
    check_words(path, schema, &kind)?;
    let anything = members.contains_key("anyOf") || members.contains_key("any_of");
    match kind.as_str() {
        "ARRAY" => {
            refuse_if(schema["items"].is_null(), || missing(path, "items", "missing field."))?;
            check(&format!("{path}.items"), &schema["items"], legacy, depth + 1)?;
        }
        "OBJECT" if !anything => check_object(path, schema, legacy, depth)?,
        _ => {}
    }
    for (n, option) in items(&schema["anyOf"]).iter().chain(items(&schema["any_of"])).enumerate() {
        check(&format!("{path}.any_of[{n}]"), option, legacy, depth + 1)?;
    }
    Ok(())
}

fn missing(path: &str, member: &str, why: &str) -> Refusal {
    Refusal::invalid(format!("* GenerateContentRequest.{path}.{member}: {why}\n"))
}

fn check_type(path: &str, kind: &Value) -> Result<String, Refusal> {
    match kind {
        Value::Null => Ok(String::new()),
        Value::String(word) if TYPES.contains(&word.to_ascii_uppercase().as_str()) => Ok(word.to_ascii_uppercase()),
        Value::Array(_) => Err(payload(
            path,
            format!(
                "Invalid JSON payload received. Unknown name \"type\" at '{path}': Proto field is not repeating, cannot start list."
            ),
        )),
        other => Err(payload(
            &format!("{path}.type"),
            format!(
                "Invalid value at '{path}.type' (type.googleapis.com/google.ai.generativelanguage.v1beta.Type), {other}"
            ),
        )),
    }
}

fn check_words(path: &str, schema: &Value, kind: &str) -> Verdict {
    for (n, word) in items(&schema["enum"]).iter().enumerate() {
        refuse_if(!word.is_string(), || {
            let at = format!("{path}.enum[{n}]");
            payload(&at, format!("Invalid value at '{at}' (TYPE_STRING), {word}"))
        })?;
        refuse_if(text(word).is_empty(), || missing(path, &format!("enum[{n}]"), "cannot be empty"))?;
    }
    refuse_if(!items(&schema["enum"]).is_empty() && !["STRING", ""].contains(&kind), || {
        missing(path, "enum", "only allowed for STRING type")
    })?;
    let format = text(&schema["format"]);
    refuse_if(kind == "STRING" && !["", "enum", "date-time"].contains(&format), || {
        missing(path, "format", "only 'enum' and 'date-time' are supported for STRING type")
    })
}

fn check_object(path: &str, schema: &Value, legacy: bool, depth: usize) -> Verdict {
    let none = serde_json::Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    refuse_if(legacy && properties.is_empty(), || missing(path, "properties", "should be non-empty for OBJECT type"))?;
    for (n, name) in items(&schema["required"]).iter().enumerate() {
        refuse_if(!properties.contains_key(text(name)), || {
            missing(path, &format!("required[{n}]"), "property is not defined")
        })?;
    }
    for (name, property) in properties {
        check(&format!("{path}.properties[{name}]"), property, legacy, depth + 1)?;
    }
    Ok(())
}
