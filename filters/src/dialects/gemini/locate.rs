//! Which member of a body has a wrong type.

use serde_json::Value;

use crate::dialects::DecodeError;

#[derive(Clone, Copy)]
enum Kind {
    Str,
    Bool,
    Num,
    Object,
    /// An array, or one object in its place.
    Many,
    Array,
}

use Kind::{Array, Bool, Many, Num, Object, Str};

/// Types of the known members; `[]` goes through arrays. Parents come before their children.
const TYPES: [(&str, Kind); 53] = [
    ("contents", Many),
    ("contents[]", Object),
    ("contents[].role", Str),
    ("contents[].parts", Many),
    ("contents[].parts[]", Object),
    ("contents[].parts[].text", Str),
    ("contents[].parts[].thought", Bool),
    ("contents[].parts[].thoughtSignature", Str),
    ("contents[].parts[].inlineData", Object),
    ("contents[].parts[].inlineData.mimeType", Str),
    ("contents[].parts[].inlineData.data", Str),
    ("contents[].parts[].fileData", Object),
    ("contents[].parts[].fileData.mimeType", Str),
    ("contents[].parts[].fileData.fileUri", Str),
    ("contents[].parts[].functionCall", Object),
    ("contents[].parts[].functionCall.id", Str),
    ("contents[].parts[].functionCall.name", Str),
    ("contents[].parts[].functionCall.args", Object),
    ("contents[].parts[].functionResponse", Object),
    ("contents[].parts[].functionResponse.id", Str),
    ("contents[].parts[].functionResponse.name", Str),
    ("contents[].parts[].functionResponse.response", Object),
    ("contents[].parts[].functionResponse.parts", Array),
    ("systemInstruction", Object),
    ("systemInstruction.role", Str),
    ("systemInstruction.parts", Many),
    ("systemInstruction.parts[]", Object),
    ("systemInstruction.parts[].text", Str),
    ("tools", Many),
    ("tools[]", Object),
    ("tools[].functionDeclarations", Many),
    ("tools[].functionDeclarations[]", Object),
    ("tools[].functionDeclarations[].name", Str),
    ("tools[].functionDeclarations[].description", Str),
    ("toolConfig", Object),
    ("generationConfig", Object),
    ("generationConfig.temperature", Num),
    ("generationConfig.topP", Num),
    ("generationConfig.topK", Num),
    ("generationConfig.seed", Num),
    ("generationConfig.candidateCount", Num),
    ("generationConfig.maxOutputTokens", Num),
    ("generationConfig.presencePenalty", Num),
    ("generationConfig.frequencyPenalty", Num),
    ("generationConfig.responseLogprobs", Bool),
    ("generationConfig.logprobs", Num),
    ("generationConfig.stopSequences", Array),
    ("generationConfig.stopSequences[]", Str),
    ("generationConfig.responseMimeType", Str),
    ("generationConfig.thinkingConfig", Object),
    ("generationConfig.thinkingConfig.thinkingBudget", Num),
    ("generationConfig.thinkingConfig.thinkingLevel", Str),
    ("generationConfig.thinkingConfig.includeThoughts", Bool),
];

/// The error of a body that the wire structs refused, with the member at fault where it can be found.
pub(super) fn explain(body: &[u8], error: &serde_json::Error) -> DecodeError {
    let found = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|body| TYPES.iter().find_map(|(path, kind)| wrong(&body, path, *kind, String::new())));
    match found {
        Some((param, kind)) => {
            let wants = match kind {
                Str => "a string",
                Bool => "true or false",
                Num => "a number",
                Object => "an object",
                Many | Array => "an array",
            };
            DecodeError::at(param.clone(), format!("{param} must be {wants}"))
        }
        None => DecodeError::new(format!("the body is not what this endpoint takes: {error}")),
    }
}

/// Walks `path` below `value`, whose own path is `so_far`, to the first value that is not a `kind`.
fn wrong(value: &Value, path: &str, kind: Kind, so_far: String) -> Option<(String, Kind)> {
    if value.is_null() {
        return None;
    }
    if let Some(rest) = path.strip_prefix("[]") {
        let rest = rest.strip_prefix('.').unwrap_or(rest);
        let Some(items) = value.as_array() else { return wrong(value, rest, kind, so_far) };
        return items.iter().enumerate().find_map(|(index, item)| {
            let here = format!("{so_far}[{index}]");
            if item.is_null() && rest.is_empty() { Some((here, kind)) } else { wrong(item, rest, kind, here) }
        });
    }
    if path.is_empty() {
        return (!fits(value, kind)).then_some((so_far, kind));
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (key, rest) = path.split_at(end);
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    let snake = snake(key);
    let (key, member) =
        value.get(key).map(|member| (key, member)).or_else(|| value.get(&snake).map(|member| (&*snake, member)))?;
    let dot = if so_far.is_empty() { "" } else { "." };
    wrong(member, rest, kind, format!("{so_far}{dot}{key}"))
}

fn fits(value: &Value, kind: Kind) -> bool {
    match kind {
        Str => value.is_string(),
        Bool => value.is_boolean(),
        Num => value.is_number(),
        Object => value.is_object(),
        Many => value.is_array() || value.is_object(),
        Array => value.is_array(),
    }
}

fn snake(camel: &str) -> String {
    let mut text = String::with_capacity(camel.len() + 4);
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}
