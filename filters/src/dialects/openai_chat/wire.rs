//! The loose shapes of requests and answers, and where in a body an error lies.

use serde::de::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::dialects::DecodeError;
use crate::json::{Extra, Num, Raw, Str, TextOrList};
use crate::wire_object;

/// A value that is looked at later: unlike [`Raw`] it gives its text for as long as the body lives.
pub(super) type Later<'a> = &'a RawValue;

wire_object! {
    pub(super) struct RequestWire<'a> {
        model: Str<'a> = "model",
        messages: Vec<MessageWire<'a>> = "messages",
        stream: bool = "stream",
        tools: Vec<Later<'a>> = "tools",
        functions: Vec<Later<'a>> = "functions",
        tool_choice: Later<'a> = "tool_choice",
        function_call: Later<'a> = "function_call",
        parallel_tool_calls: bool = "parallel_tool_calls",
        temperature: Num<'a> = "temperature",
        top_p: Num<'a> = "top_p",
        top_k: Num<'a> = "top_k",
        presence_penalty: Num<'a> = "presence_penalty",
        frequency_penalty: Num<'a> = "frequency_penalty",
        seed: Num<'a> = "seed",
        max_tokens: Num<'a> = "max_tokens",
        max_completion_tokens: Num<'a> = "max_completion_tokens",
        stop: Texts<'a> = "stop",
        reasoning_effort: Str<'a> = "reasoning_effort",
        response_format: Later<'a> = "response_format",
        n: Num<'a> = "n",
        user: Str<'a> = "user",
        safety_identifier: Str<'a> = "safety_identifier",
        service_tier: Str<'a> = "service_tier",
        metadata: Later<'a> = "metadata",
        prompt_cache_key: Str<'a> = "prompt_cache_key",
        verbosity: Str<'a> = "verbosity",
        store: bool = "store",
        logprobs: bool = "logprobs",
        top_logprobs: Num<'a> = "top_logprobs",
        web_search_options: Later<'a> = "web_search_options",
    }
}

wire_object! {
    pub(super) struct MessageWire<'a> {
        role: Str<'a> = "role",
        content: Content<'a> = "content",
        name: Str<'a> = "name",
        tool_call_id: Str<'a> = "tool_call_id",
        tool_calls: Later<'a> = "tool_calls",
        function_call: Later<'a> = "function_call",
        refusal: Later<'a> = "refusal",
        reasoning_content: Later<'a> = "reasoning_content",
        reasoning: Later<'a> = "reasoning",
        reasoning_details: Later<'a> = "reasoning_details",
        audio: Later<'a> = "audio",
        images: Later<'a> = "images",
        annotations: Later<'a> = "annotations",
        cache_control: Later<'a> = "cache_control",
    }
}

wire_object! {
    pub(super) struct PartWire<'a> {
        kind: Str<'a> = "type",
        text: Str<'a> = "text",
        image_url: Later<'a> = "image_url",
        input_audio: Later<'a> = "input_audio",
        file: Later<'a> = "file",
        refusal: Str<'a> = "refusal",
        thinking: Later<'a> = "thinking",
        document_url: Later<'a> = "document_url",
        document_name: Str<'a> = "document_name",
        video_url: Later<'a> = "video_url",
        cache_control: Raw<'a> = "cache_control",
    }
}

wire_object! {
    pub(super) struct ImageUrlWire<'a> {
        url: Str<'a> = "url",
    }
}

wire_object! {
    pub(super) struct SaidAudioWire<'a> {
        data: Str<'a> = "data",
        transcript: Str<'a> = "transcript",
    }
}

wire_object! {
    pub(super) struct AudioWire<'a> {
        data: Str<'a> = "data",
        format: Str<'a> = "format",
    }
}

wire_object! {
    pub(super) struct FileWire<'a> {
        file_data: Str<'a> = "file_data",
        file_id: Str<'a> = "file_id",
        filename: Str<'a> = "filename",
    }
}

wire_object! {
    pub(super) struct CallWire<'a> {
        id: Str<'a> = "id",
        kind: Str<'a> = "type",
        function: Later<'a> = "function",
        custom: Later<'a> = "custom",
    }
}

wire_object! {
    pub(super) struct CalledFunctionWire<'a> {
        name: Str<'a> = "name",
        arguments: Later<'a> = "arguments",
    }
}

wire_object! {
    pub(super) struct CalledCustomWire<'a> {
        name: Str<'a> = "name",
        input: Str<'a> = "input",
    }
}

wire_object! {
    pub(super) struct ToolWire<'a> {
        kind: Str<'a> = "type",
        function: Later<'a> = "function",
        custom: Later<'a> = "custom",
        cache_control: Raw<'a> = "cache_control",
    }
}

wire_object! {
    pub(super) struct FunctionWire<'a> {
        name: Str<'a> = "name",
        description: Str<'a> = "description",
        parameters: Raw<'a> = "parameters",
        strict: bool = "strict",
    }
}

wire_object! {
    pub(super) struct CustomWire<'a> {
        name: Str<'a> = "name",
        description: Str<'a> = "description",
        format: Raw<'a> = "format",
    }
}

wire_object! {
    pub(super) struct ChoiceNameWire<'a> {
        kind: Str<'a> = "type",
        name: Str<'a> = "name",
        function: Later<'a> = "function",
        custom: Later<'a> = "custom",
        allowed_tools: Later<'a> = "allowed_tools",
    }
}

wire_object! {
    pub(super) struct AllowedToolsWire<'a> {
        mode: Str<'a> = "mode",
        tools: Vec<Later<'a>> = "tools",
    }
}

wire_object! {
    pub(super) struct FormatWire<'a> {
        kind: Str<'a> = "type",
        json_schema: Later<'a> = "json_schema",
    }
}

wire_object! {
    pub(super) struct JsonSchemaWire<'a> {
        name: Str<'a> = "name",
        description: Str<'a> = "description",
        schema: Raw<'a> = "schema",
        strict: bool = "strict",
    }
}

wire_object! {
    pub(super) struct ResponseWire<'a> {
        id: Str<'a> = "id",
        object: Str<'a> = "object",
        created: Num<'a> = "created",
        model: Str<'a> = "model",
        choices: Vec<ChoiceWire<'a>> = "choices",
        usage: Later<'a> = "usage",
    }
}

wire_object! {
    pub(super) struct ChoiceWire<'a> {
        index: Num<'a> = "index",
        message: MessageWire<'a> = "message",
        finish_reason: Str<'a> = "finish_reason",
    }
}

/// A message's `content`.
pub(super) type Content<'a> = TextOrList<'a, Later<'a>>;

/// `stop`: a string or a list of strings.
pub(super) type Texts<'a> = TextOrList<'a, Str<'a>>;

/// Reads a whole body; the error names the member that has the wrong shape.
pub(super) fn read_body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(body).map_err(|error| located("", body, &error))
}

/// Reads a value that was put off; `path` says where it stands.
pub(super) fn read<'a, T: Deserialize<'a>>(value: Later<'a>, path: impl FnOnce() -> String) -> Result<T, DecodeError> {
    serde_json::from_str(value.get()).map_err(|error| located(&path(), value.get().as_bytes(), &error))
}

/// The string that `value` is, if it is one.
pub(super) fn string(value: Later<'_>) -> Option<Str<'_>> {
    serde_json::from_str(value.get()).ok()
}

/// The value as the IR keeps it.
pub(super) fn raw(value: Later<'_>) -> Raw<'_> {
    Raw::parse(value.get()).unwrap_or(Raw::NULL)
}

/// Moves what a nested object has left over to the `extra` around it, its path before each name.
pub(super) fn nest<'a>(prefix: &str, rest: Extra<'a>, extra: &mut Extra<'a>) {
    for (key, value) in rest.0 {
        extra.push(format!("{prefix}{key}"), value);
    }
}

fn located(path: &str, text: &[u8], error: &serde_json::Error) -> DecodeError {
    if error.classify() != Category::Data {
        return DecodeError::new(format!("the body is not valid JSON: {error}"));
    }
    let line_start: usize =
        text.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    let inner = path_at(text.get(..line_start + error.column()).unwrap_or(text));
    let dot = if path.is_empty() || inner.is_empty() || inner.starts_with('[') { "" } else { "." };
    let param = format!("{path}{dot}{inner}");
    if param.is_empty() {
        return DecodeError::new(format!("the body must be a JSON object: {error}"));
    }
    DecodeError::at(param.as_str(), format!("`{param}` has the wrong type: {error}"))
}

/// The member that valid JSON cut off behind it ends in, as `messages[2].content`.
fn path_at(text: &[u8]) -> String {
    /// A container that is open: its key or position.
    enum Level<'t> {
        Object { key: Option<&'t [u8]>, at_key: bool },
        Array(usize),
    }
    // The bracket of a container that stands where something else should is not a level yet.
    // One that has just been closed is still the place of an error in its last member.
    let text = match text {
        [head @ .., b'{' | b'[' | b'}' | b']'] => head,
        whole => whole,
    };
    let mut levels: Vec<Level<'_>> = Vec::new();
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'"' => {
                let mut escaped = false;
                let end = tail.iter().position(|byte| {
                    let ends = *byte == b'"' && !escaped;
                    escaped = *byte == b'\\' && !escaped;
                    ends
                });
                let (inside, behind) = tail.split_at(end.unwrap_or(tail.len()));
                rest = behind.get(1..).unwrap_or_default();
                if let Some(Level::Object { key, at_key: true }) = levels.last_mut() {
                    *key = Some(inside);
                }
            }
            b'{' => levels.push(Level::Object { key: None, at_key: true }),
            b'[' => levels.push(Level::Array(0)),
            b'}' | b']' => drop(levels.pop()),
            b':' => {
                if let Some(Level::Object { at_key, .. }) = levels.last_mut() {
                    *at_key = false;
                }
            }
            b',' => match levels.last_mut() {
                Some(Level::Object { at_key, .. }) => *at_key = true,
                Some(Level::Array(at)) => *at += 1,
                None => {}
            },
            _ => {}
        }
    }
    let mut path = String::new();
    for level in levels {
        match level {
            Level::Object { key: Some(key), .. } => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&String::from_utf8_lossy(key));
            }
            Level::Object { key: None, .. } => {}
            Level::Array(at) => {
                path.push('[');
                path.push_str(itoa::Buffer::new().format(at));
                path.push(']');
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_member_at_fault() {
        for (body, param) in [
            (r#"{"model":"m","temperature":"hot"}"#, "temperature"),
            (r#"{"model":["m"],"n":1}"#, "model"),
            ("{\"model\":\"m\",\n \"messages\":[{\"role\":\"user\"},{\"role\":{}}]}", "messages[1].role"),
            (r#"{"messages":[{"role":"user","content":5}]}"#, "messages[0].content"),
            (r#"{"a":"\"{[,","stream":"yes"}"#, "stream"),
        ] {
            let error = read_body::<RequestWire<'_>>(body.as_bytes()).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(param), "{error}");
        }
        assert_eq!(read_body::<RequestWire<'_>>(b"[]").unwrap_err().param, None);
        assert_eq!(read_body::<RequestWire<'_>>(b"{\"model\":").unwrap_err().param, None);
    }
}
