//! The protocol's objects, loosely: every member optional, unknown ones kept.

use std::fmt;

use serde::Deserialize;

use serde_json::value::RawValue;

use crate::dialects::DecodeError;
use crate::json::{Num, Raw, Str, TextOrList};
use crate::wire_object;

wire_object! {
    /// The body of a request.
    pub(super) struct RequestWire<'a> {
        model: Str<'a> = "model",
        stream: bool = "stream",
        instructions: Str<'a> = "instructions",
        input: Content<'a> = "input",
        tools: Vec<&'a RawValue> = "tools",
        tool_choice: &'a RawValue = "tool_choice",
        parallel_tool_calls: bool = "parallel_tool_calls",
        temperature: Num<'a> = "temperature",
        top_p: Num<'a> = "top_p",
        max_output_tokens: Num<'a> = "max_output_tokens",
        reasoning: ReasoningWire<'a> = "reasoning",
        text: TextWire<'a> = "text",
        user: Str<'a> = "user",
        safety_identifier: Str<'a> = "safety_identifier",
        service_tier: Str<'a> = "service_tier",
        metadata: Raw<'a> = "metadata",
        prompt_cache_key: Str<'a> = "prompt_cache_key",
        store: bool = "store",
        top_logprobs: Num<'a> = "top_logprobs",
    }
}

wire_object! {
    /// `reasoning`.
    pub(super) struct ReasoningWire<'a> {
        effort: Str<'a> = "effort",
        summary: Str<'a> = "summary",
    }
}

wire_object! {
    /// `text`.
    pub(super) struct TextWire<'a> {
        format: &'a RawValue = "format",
        verbosity: Raw<'a> = "verbosity",
    }
}

wire_object! {
    /// `text.format`.
    pub(super) struct FormatWire<'a> {
        kind: Str<'a> = "type",
        name: Str<'a> = "name",
        description: Str<'a> = "description",
        schema: Raw<'a> = "schema",
        strict: bool = "strict",
    }
}

wire_object! {
    /// A function or custom tool.
    pub(super) struct ToolWire<'a> {
        kind: Str<'a> = "type",
        name: Str<'a> = "name",
        description: Str<'a> = "description",
        strict: bool = "strict",
        parameters: Raw<'a> = "parameters",
        format: Raw<'a> = "format",
        cache_control: Raw<'a> = "cache_control",
    }
}

wire_object! {
    /// An object form of `tool_choice`, or an entry of its `tools`.
    pub(super) struct ChoiceWire<'a> {
        kind: Str<'a> = "type",
        name: Str<'a> = "name",
        mode: Str<'a> = "mode",
        tools: Vec<ChoiceWire<'a>> = "tools",
    }
}

wire_object! {
    /// A message item.
    pub(super) struct MessageWire<'a> {
        kind: Str<'a> = "type",
        role: Str<'a> = "role",
        content: Content<'a> = "content",
    }
}

wire_object! {
    /// `function_call` (with `arguments`) or `custom_tool_call` (with `input`).
    pub(super) struct CallWire<'a> {
        kind: Str<'a> = "type",
        call_id: Str<'a> = "call_id",
        name: Str<'a> = "name",
        arguments: Str<'a> = "arguments",
        input: Str<'a> = "input",
        namespace: Raw<'a> = "namespace",
    }
}

wire_object! {
    /// `function_call_output` or `custom_tool_call_output`.
    pub(super) struct OutputWire<'a> {
        kind: Str<'a> = "type",
        call_id: Str<'a> = "call_id",
        output: Content<'a> = "output",
    }
}

wire_object! {
    /// A reasoning item.
    pub(super) struct ReasoningItem<'a> {
        kind: Str<'a> = "type",
        id: Str<'a> = "id",
        summary: Vec<&'a RawValue> = "summary",
        content: Vec<&'a RawValue> = "content",
        encrypted_content: Str<'a> = "encrypted_content",
    }
}

wire_object! {
    /// A part of a summary or of reasoning content: nothing but a type and a text is expected.
    pub(super) struct TextPart<'a> {
        kind: Str<'a> = "type",
        text: Str<'a> = "text",
    }
}

wire_object! {
    /// A text part of a message.
    pub(super) struct TextWirePart<'a> {
        kind: Str<'a> = "type",
        text: Str<'a> = "text",
        annotations: Raw<'a> = "annotations",
        logprobs: Raw<'a> = "logprobs",
        cache_control: Raw<'a> = "cache_control",
    }
}

wire_object! {
    /// A refusal, image, file or audio part of a message.
    pub(super) struct MediaPart<'a> {
        kind: Str<'a> = "type",
        refusal: Str<'a> = "refusal",
        image_url: Str<'a> = "image_url",
        file_id: Str<'a> = "file_id",
        file_data: Str<'a> = "file_data",
        file_url: Str<'a> = "file_url",
        filename: Str<'a> = "filename",
        input_audio: &'a RawValue = "input_audio",
        cache_control: Raw<'a> = "cache_control",
    }
}

wire_object! {
    /// A picture that the model made.
    pub(super) struct PictureWire<'a> {
        result: Str<'a> = "result",
        output_format: Str<'a> = "output_format",
    }
}

wire_object! {
    /// What lists tools: a `namespace` among the tools, or an item that adds tools to the conversation.
    pub(super) struct ToolsWire<'a> {
        kind: Raw<'a> = "type",
        name: Str<'a> = "name",
        tools: Vec<&'a RawValue> = "tools",
        defer_loading: bool = "defer_loading",
        execution: Raw<'a> = "execution",
    }
}

wire_object! {
    /// `input_audio` of an audio part.
    pub(super) struct AudioWire<'a> {
        data: Str<'a> = "data",
        format: Str<'a> = "format",
    }
}

wire_object! {
    /// A whole answer.
    pub(super) struct ResponseWire<'a> {
        id: Str<'a> = "id",
        model: Str<'a> = "model",
        created_at: Num<'a> = "created_at",
        status: Str<'a> = "status",
        output: Vec<&'a RawValue> = "output",
        usage: &'a RawValue = "usage",
    }
}

/// The members that say what an item or part is.
#[derive(Deserialize)]
pub(super) struct Kind<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) role: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) id: Option<&'a RawValue>,
}

/// A string, or a list of objects: `input`, `content`, `output`.
pub(super) type Content<'a> = TextOrList<'a, &'a RawValue>;

/// The same text as [`Raw`].
pub(super) fn keep(value: &RawValue) -> Raw<'_> {
    Raw::parse(value.get()).unwrap_or(Raw::NULL)
}

/// Reads `text`, which stands at `at` in the body, as a `T`; the error names the member at fault.
pub(super) fn read<'a, T: Deserialize<'a>>(text: &'a str, at: fmt::Arguments<'_>) -> Result<T, DecodeError> {
    serde_json::from_str(text).map_err(|error| {
        let inner = path_at(text, &error);
        let mut path = at.to_string();
        if path.is_empty() {
            path.push_str(inner.strip_prefix('.').unwrap_or(&inner));
        } else {
            path.push_str(&inner);
        }
        let words = error.to_string();
        let reason = words.split(" at line ").next().unwrap_or_default();
        if path.is_empty() {
            DecodeError::new(format!("the body is not what this endpoint takes: {words}"))
        } else {
            let message = format!("`{path}` is not what this endpoint takes: {reason}");
            DecodeError::at(path, message)
        }
    })
}

/// The error for a member that must be there.
pub(super) fn missing(at: fmt::Arguments<'_>, member: &str) -> DecodeError {
    let path = format!("{at}.{member}");
    let message = format!("`{path}` is missing or empty: this kind of item needs it");
    DecodeError::at(path, message)
}

enum Step {
    Key(String),
    Index(usize),
}

/// Where in `text` serde_json found its error, as `.member[3].member`; empty at the top.
fn path_at(text: &str, error: &serde_json::Error) -> String {
    let line_start = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    let end = (line_start + error.column()).min(text.len());
    let bytes = text.as_bytes().get(..end).unwrap_or_default();
    // A bracket or comma at the end was looked at, not read.
    let bytes = match bytes {
        [before @ .., b'{' | b'}' | b'[' | b']' | b','] => before,
        all => all,
    };
    let mut steps: Vec<Step> = Vec::new();
    let mut string = String::new();
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => {
                let mut found = Vec::new();
                while let Some(byte) = rest.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => found.extend(rest.next()),
                        other => found.push(*other),
                    }
                }
                string = String::from_utf8_lossy(&found).into_owned();
            }
            b'{' => steps.push(Step::Key(String::new())),
            b'[' => steps.push(Step::Index(0)),
            b'}' | b']' => drop(steps.pop()),
            b':' => {
                if let Some(Step::Key(key)) = steps.last_mut() {
                    *key = std::mem::take(&mut string);
                }
            }
            b',' => {
                if let Some(Step::Index(index)) = steps.last_mut() {
                    *index += 1;
                }
            }
            _ => {}
        }
    }
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(key) if key.is_empty() => {}
            Step::Key(key) => {
                path.push('.');
                path.push_str(&key);
            }
            Step::Index(index) => {
                path.push('[');
                path.push_str(itoa::Buffer::new().format(index));
                path.push(']');
            }
        }
    }
    path
}
