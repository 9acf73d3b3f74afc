//! The protocol's objects, loosely: every member optional, unknown ones kept.
//!
//! Members that need a path in their error are kept as [`RawValue`] and read one by one with [`read`].

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialects::DecodeError;
use crate::json::{Extra, Num, Raw, Str, Writer};
use crate::wire_object;

/// Private member of a block: the block as it came, where its fields say only what other dialects can take of it.
pub(super) const WHOLE: &str = "\0whole";

/// Spelling bits of [`Request::form`](crate::ir::Request::form).
pub(super) mod request_form {
    /// `stream` was written.
    pub(in super::super) const STREAM: u32 = 1;
    /// `stop_sequences` was an empty list.
    pub(in super::super) const NO_STOPS: u32 = 1 << 1;
    /// `tools` was an empty list.
    pub(in super::super) const NO_TOOLS: u32 = 1 << 2;
    /// The greatest effort was spelled `xhigh`, not `max`.
    pub(in super::super) const XHIGH: u32 = 1 << 3;
    /// The output format stood in `output_format`, not in `output_config.format`.
    pub(in super::super) const TOP_FORMAT: u32 = 1 << 4;
}

/// Spelling bits of [`Turn::form`](crate::ir::Turn::form).
pub(super) mod turn_form {
    /// The content was a string, not a list of blocks.
    pub(in super::super) const STRING: u8 = 1;
    /// A system turn that stood in `messages`, not in `system`.
    pub(in super::super) const MESSAGE: u8 = 1 << 1;
}

/// Spelling bits of [`Block::form`](crate::ir::Block::form).
pub(super) mod block_form {
    /// The content of a tool result was a string.
    pub(in super::super) const STRING: u8 = 1;
    /// A tool result had no content.
    pub(in super::super) const NO_CONTENT: u8 = 1 << 1;
    /// The signature of a thinking block was an empty string.
    pub(in super::super) const EMPTY_SEAL: u8 = 1 << 2;
    /// A refusal's words stood in `stop_details`, which travels by itself.
    pub(in super::super) const STOP_DETAILS: u8 = 1 << 3;
    /// A part of the block before it, told to other dialects only: that block holds the whole ([`WHOLE`](super::WHOLE)).
    pub(in super::super) const SHADOW: u8 = 1 << 4;
    /// A call had `"caller":{"type":"direct"}`, which is the default.
    pub(in super::super) const DIRECT: u8 = 1 << 5;
}

/// Spelling bits of [`Tool::form`](crate::ir::Tool::form).
pub(super) mod tool_form {
    /// `"type":"custom"` was written.
    pub(in super::super) const CUSTOM: u8 = 1;
}

/// Spelling bits of [`Choice::form`](crate::ir::Choice::form).
pub(super) mod choice_form {
    /// The answer had no `type`.
    pub(in super::super) const NO_TYPE: u8 = 1;
    /// The answer had no `role`.
    pub(in super::super) const NO_ROLE: u8 = 1 << 1;
}

wire_object! {
    /// `POST /v1/messages`.
    pub(super) struct RequestWire<'a> {
        model: &'a RawValue = "model",
        stream: &'a RawValue = "stream",
        max_tokens: &'a RawValue = "max_tokens",
        system: &'a RawValue = "system",
        messages: &'a RawValue = "messages",
        tools: &'a RawValue = "tools",
        tool_choice: &'a RawValue = "tool_choice",
        temperature: &'a RawValue = "temperature",
        top_p: &'a RawValue = "top_p",
        top_k: &'a RawValue = "top_k",
        stop_sequences: &'a RawValue = "stop_sequences",
        metadata: &'a RawValue = "metadata",
        thinking: &'a RawValue = "thinking",
        output_config: &'a RawValue = "output_config",
        output_format: &'a RawValue = "output_format",
        service_tier: &'a RawValue = "service_tier",
    }
}

wire_object! {
    /// One of `messages`.
    pub(super) struct MessageWire<'a> {
        role: Str<'a> = "role",
        content: &'a RawValue = "content",
    }
}

wire_object! {
    /// `{"type":"text"}`.
    pub(super) struct TextWire<'a> {
        kind: Str<'a> = "type",
        text: Str<'a> = "text",
        citations: Raw<'a> = "citations",
        cache: Raw<'a> = "cache_control",
    }
}

wire_object! {
    /// `{"type":"image"}` and `{"type":"document"}`.
    pub(super) struct MediaWire<'a> {
        kind: Str<'a> = "type",
        source: &'a RawValue = "source",
        title: Str<'a> = "title",
        cache: Raw<'a> = "cache_control",
    }
}

wire_object! {
    /// `{"type":"search_result"}` and `{"type":"container_upload"}`.
    pub(super) struct SourcedWire<'a> {
        kind: Str<'a> = "type",
        source: Str<'a> = "source",
        title: Str<'a> = "title",
        content: &'a RawValue = "content",
        file_id: Str<'a> = "file_id",
        cache: Raw<'a> = "cache_control",
    }
}

wire_object! {
    /// Where the bytes of an image or document are.
    pub(super) struct SourceWire<'a> {
        kind: Str<'a> = "type",
        media_type: Str<'a> = "media_type",
        data: Str<'a> = "data",
        url: Str<'a> = "url",
        file_id: Str<'a> = "file_id",
        content: &'a RawValue = "content",
    }
}

wire_object! {
    /// `{"type":"tool_use"}`.
    pub(super) struct ToolUseWire<'a> {
        kind: Str<'a> = "type",
        id: Str<'a> = "id",
        name: Str<'a> = "name",
        input: &'a RawValue = "input",
        cache: Raw<'a> = "cache_control",
    }
}

wire_object! {
    /// `{"type":"tool_result"}`.
    pub(super) struct ToolResultWire<'a> {
        kind: Str<'a> = "type",
        id: Str<'a> = "tool_use_id",
        content: &'a RawValue = "content",
        is_error: bool = "is_error",
        cache: Raw<'a> = "cache_control",
    }
}

wire_object! {
    /// `{"type":"thinking"}` and `{"type":"redacted_thinking"}`.
    pub(super) struct ThinkingWire<'a> {
        kind: Str<'a> = "type",
        thinking: Str<'a> = "thinking",
        signature: Str<'a> = "signature",
        data: Str<'a> = "data",
    }
}

wire_object! {
    /// One of `tools`.
    pub(super) struct ToolWire<'a> {
        kind: Str<'a> = "type",
        name: Str<'a> = "name",
        description: Str<'a> = "description",
        input_schema: Raw<'a> = "input_schema",
        strict: bool = "strict",
        cache: Raw<'a> = "cache_control",
    }
}

wire_object! {
    /// `tool_choice`.
    pub(super) struct ToolChoiceWire<'a> {
        kind: Str<'a> = "type",
        name: Str<'a> = "name",
        serial: bool = "disable_parallel_tool_use",
    }
}

wire_object! {
    /// `metadata`.
    pub(super) struct MetadataWire<'a> {
        user_id: Str<'a> = "user_id",
    }
}

wire_object! {
    /// The request's `thinking`.
    pub(super) struct ThinkingConfigWire<'a> {
        kind: Str<'a> = "type",
        budget: Num<'a> = "budget_tokens",
        display: Str<'a> = "display",
    }
}

wire_object! {
    /// `output_config`.
    pub(super) struct OutputConfigWire<'a> {
        effort: Str<'a> = "effort",
        format: &'a RawValue = "format",
    }
}

wire_object! {
    /// `output_config.format`.
    pub(super) struct FormatWire<'a> {
        kind: Str<'a> = "type",
        name: Str<'a> = "name",
        description: Str<'a> = "description",
        schema: Raw<'a> = "schema",
        strict: bool = "strict",
    }
}

wire_object! {
    /// A whole answer.
    pub(super) struct ResponseWire<'a> {
        kind: Str<'a> = "type",
        role: Str<'a> = "role",
        id: Str<'a> = "id",
        model: Str<'a> = "model",
        content: Vec<&'a RawValue> = "content",
        stop_reason: Str<'a> = "stop_reason",
        stop_sequence: Str<'a> = "stop_sequence",
        usage: Raw<'a> = "usage",
    }
}

/// The `type` of an object.
#[derive(Deserialize)]
pub(super) struct Tag<'a> {
    /// Its value.
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
}

/// Reads `raw` as a `T`; the error names `param`.
pub(super) fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue, param: &str) -> Result<T, DecodeError> {
    serde_json::from_str(raw.get())
        .map_err(|error| DecodeError::at(param, format!("`{param}` is not what this endpoint takes: {error}")))
}

/// Reads a member that may be absent.
pub(super) fn read_opt<'a, T: Deserialize<'a>>(
    raw: Option<&'a RawValue>,
    param: &str,
) -> Result<Option<T>, DecodeError> {
    raw.map(|raw| read(raw, param)).transpose()
}

/// The member that must be there.
pub(super) fn required<T>(member: Option<T>, param: impl Into<String>) -> Result<T, DecodeError> {
    let param = param.into();
    member.ok_or_else(|| DecodeError::at(param.clone(), format!("`{param}` is missing: it is required")))
}

/// The value as it stands in the body.
pub(super) fn keep(raw: &RawValue) -> Raw<'_> {
    Raw::parse(raw.get()).unwrap_or(Raw::NULL)
}

/// An object of these members.
pub(super) fn object_of(members: &Extra<'_>) -> Raw<'static> {
    let mut text = Vec::new();
    Writer::new(&mut text).object(|w| w.extra(members));
    String::from_utf8(text).ok().and_then(Raw::from_string).unwrap_or(Raw::NULL)
}
