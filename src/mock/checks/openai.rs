//! Rules that Chat Completions and Responses share.

use super::{Verdict, is_name, refuse_if};
use crate::mock::refusal::Refusal;
use crate::mock::view::{items, text};
use serde_json::Value;

/// Nesting that is checked in strict schemas.
const DEPTH_MAX: usize = 16;

/// `Missing required parameter`.
pub(super) fn missing(param: impl Into<String>) -> Refusal {
    let param = param.into();
    Refusal::invalid(format!("Missing required parameter: '{param}'.")).param(param).code("missing_required_parameter")
}

/// `Unsupported parameter` for a model.
pub(super) fn unsupported(param: &str) -> Refusal {
    Refusal::invalid(format!("Unsupported parameter: '{param}' is not supported with this model."))
        .param(param)
        .code("unsupported_parameter")
}

/// `Invalid type`.
pub(super) fn wrong_type(param: impl Into<String>, expected: &str, got: &Value) -> Refusal {
    let param = param.into();
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    Refusal::invalid(format!("Invalid type for '{param}': expected {expected}, but got {got} instead."))
        .param(param)
        .code("invalid_type")
}

/// A string that is too long.
pub(super) fn check_length(param: &str, value: &str, most: usize) -> Verdict {
    let length = value.chars().count();
    refuse_if(length > most, || {
        Refusal::invalid(format!(
            "Invalid '{param}': string too long. Expected a string with maximum length {most}, but got a string with \
             length {length} instead."
        ))
        .param(param)
        .code("string_above_max_length")
    })
}

/// A number outside its bounds; missing numbers are fine.
pub(super) fn check_range(body: &Value, name: &str, low: f64, high: f64) -> Verdict {
    let value = &body[name];
    if value.is_null() {
        return Ok(());
    }
    let Some(number) = value.as_f64() else { return Err(wrong_type(name, "a decimal", value)) };
    let refusal = |side: &str, sign: &str, bound: f64, code| {
        Refusal::invalid(format!(
            "Invalid '{name}': decimal {side} value. Expected a value {sign} {bound}, but got {value} instead."
        ))
        .param(name)
        .code(code)
    };
    if number > high {
        return Err(refusal("above maximum", "<=", high, "decimal_above_max_value"));
    }
    refuse_if(number < low, || refusal("below minimum", ">=", low, "decimal_below_min_value"))
}

/// Top-level members that the API does not know.
pub(super) fn check_known(body: &Value, known: &[&str], refusal: fn(&str) -> Refusal) -> Verdict {
    let unknown = body.as_object().into_iter().flatten().find(|(name, _)| !known.contains(&name.as_str()));
    unknown.map_or(Ok(()), |(name, _)| Err(refusal(name)))
}

/// A function's name, and the schema of its parameters.
pub(super) fn check_function(param: &str, function: &Value) -> Verdict {
    let Some(name) = function["name"].as_str() else { return Err(missing(format!("{param}.name"))) };
    let at = format!("{param}.name");
    check_length(&at, name, 64)?;
    refuse_if(!is_name(name, "_-"), || {
        Refusal::invalid(format!(
            "Invalid '{at}': string does not match pattern. Expected a string that matches the pattern \
             '^[a-zA-Z0-9_-]+$'."
        ))
        .param(at)
        .code("invalid_value")
    })?;
    let parameters = &function["parameters"];
    if parameters.is_null() {
        return Ok(());
    }
    let wrong = |why: String| {
        Refusal::invalid(format!("Invalid schema for function '{name}': {why}"))
            .param(format!("{param}.parameters"))
            .code("invalid_function_parameters")
    };
    if !parameters.is_object() {
        return Err(wrong_type(format!("{param}.parameters"), "an object", parameters));
    }
    let kind = &parameters["type"];
    refuse_if(kind != "object" && !parameters.as_object().is_some_and(serde_json::Map::is_empty), || {
        let got = if kind.is_null() { "\"None\"".to_owned() } else { kind.to_string() };
        wrong(format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: {got}'."))
    })?;
    array_without_items(parameters, 0)
        .map_or(Ok(()), |at| Err(wrong(format!("In context={at}, array schema missing items."))))?;
    if function["strict"] == true {
        strict_mistake(parameters, "()", 0).map_or(Ok(()), |why| Err(wrong(why)))?;
    }
    Ok(())
}

fn array_without_items(schema: &Value, depth: usize) -> Option<String> {
    if depth > DEPTH_MAX {
        return None;
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if property["type"] == "array" && property["items"].is_null() {
            return Some(format!("('properties', '{name}')"));
        }
        if let Some(found) = array_without_items(property, depth + 1) {
            return Some(found);
        }
    }
    None
}

/// What strict mode demands of every object: no additional properties, and all of them required.
pub(super) fn strict_mistake(schema: &Value, context: &str, depth: usize) -> Option<String> {
    if depth > DEPTH_MAX {
        return None;
    }
    if let Some(properties) = schema["properties"].as_object() {
        if schema["additionalProperties"] != false {
            return Some(format!(
                "In context={context}, 'additionalProperties' is required to be supplied and to be false."
            ));
        }
        let required = items(&schema["required"]);
        if let Some((missing, _)) = properties.iter().find(|(name, _)| !required.iter().any(|own| own == name.as_str()))
        {
            return Some(format!(
                "In context={context}, 'required' is required to be supplied and to be an array including every key in \
                 properties. Missing '{missing}'."
            ));
        }
        for (name, property) in properties {
            if let Some(found) = strict_mistake(property, &format!("('properties', '{name}')"), depth + 1) {
                return Some(found);
            }
        }
    }
    if let Some(found) = Some(&schema["items"]).filter(|items| items.is_object()) {
        return strict_mistake(found, "('items',)", depth + 1);
    }
    None
}

/// A named JSON schema of a structured answer.
pub(super) fn check_format(param: &str, format: &Value) -> Verdict {
    match text(&format["type"]) {
        "json_schema" => {}
        "text" | "json_object" | "" => return Ok(()),
        other => {
            return Err(Refusal::invalid(format!(
                "Invalid value: '{other}'. Supported values are: 'json_object', 'json_schema', and 'text'."
            ))
            .param(format!("{param}.type"))
            .code("invalid_value"));
        }
    }
    // Chat nests the schema once more.
    let nested = &format["json_schema"];
    let (at, schema) =
        if nested.is_object() { (format!("{param}.json_schema"), nested) } else { (param.to_owned(), format) };
    let Some(name) = schema["name"].as_str() else { return Err(missing(format!("{at}.name"))) };
    let name_at = format!("{at}.name");
    check_length(&name_at, name, 64)?;
    refuse_if(!is_name(name, "_-"), || {
        Refusal::invalid(format!(
            "Invalid '{name_at}': string does not match pattern. Expected a string that matches the pattern \
             '^[a-zA-Z0-9_-]+$'."
        ))
        .param(&name_at)
        .code("invalid_value")
    })?;
    let wrong =
        |why: String| Refusal::invalid(format!("Invalid schema for response_format '{name}': {why}")).param(param);
    refuse_if(schema["strict"] == true && schema["schema"]["type"] != "object", || {
        wrong(format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: {}'.", schema["schema"]["type"]))
    })?;
    if schema["strict"] == true {
        strict_mistake(&schema["schema"], "()", 0).map_or(Ok(()), |why| Err(wrong(why)))?;
    }
    Ok(())
}

/// Models of the reasoning kind, which refuse sampling parameters.
pub(super) fn reasons(model: &str) -> bool {
    let bare = model.rsplit('/').next().unwrap_or(model);
    let o_series = bare.strip_prefix('o').is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()));
    (bare.starts_with("gpt-5") && !bare.contains("chat")) || o_series
}
