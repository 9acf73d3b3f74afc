//! Form bits: which of protobuf JSON's equal spellings a body used, so that it can be written again as it came.

// Request.
pub(super) const SYSTEM_SNAKE: u32 = 1;
pub(super) const GENERATION_SNAKE: u32 = 1 << 1;
pub(super) const TOOL_CONFIG_SNAKE: u32 = 1 << 2;
/// `generationConfig` was there, perhaps empty.
pub(super) const HAS_GENERATION: u32 = 1 << 3;
/// `toolConfig` was there, perhaps empty.
pub(super) const HAS_TOOL_CONFIG: u32 = 1 << 4;
/// `tools` was there, perhaps empty.
pub(super) const HAS_TOOLS: u32 = 1 << 5;
/// `tools` was one object without brackets.
pub(super) const TOOLS_SINGLE: u32 = 1 << 6;
/// `contents` was one object without brackets.
pub(super) const CONTENTS_SINGLE: u32 = 1 << 7;
pub(super) const TOP_P_SNAKE: u32 = 1 << 8;
pub(super) const TOP_K_SNAKE: u32 = 1 << 9;
pub(super) const MAX_OUTPUT_SNAKE: u32 = 1 << 10;
pub(super) const STOP_SNAKE: u32 = 1 << 11;
pub(super) const PRESENCE_SNAKE: u32 = 1 << 12;
pub(super) const FREQUENCY_SNAKE: u32 = 1 << 13;
pub(super) const CANDIDATES_SNAKE: u32 = 1 << 14;
pub(super) const MIME_TYPE_SNAKE: u32 = 1 << 15;
pub(super) const SCHEMA_SNAKE: u32 = 1 << 16;
pub(super) const JSON_SCHEMA_SNAKE: u32 = 1 << 17;
pub(super) const THINKING_SNAKE: u32 = 1 << 18;
pub(super) const BUDGET_SNAKE: u32 = 1 << 19;
pub(super) const LEVEL_SNAKE: u32 = 1 << 20;
pub(super) const INCLUDE_SNAKE: u32 = 1 << 21;
pub(super) const CALLING_SNAKE: u32 = 1 << 22;
pub(super) const ALLOWED_SNAKE: u32 = 1 << 23;
/// `thinkingLevel` was written in capitals.
pub(super) const LEVEL_UPPER: u32 = 1 << 24;
/// The output schema came as `responseSchema`, not `responseJsonSchema`.
pub(super) const OPENAPI_SCHEMA: u32 = 1 << 25;
/// The calling mode was `VALIDATED`.
pub(super) const VALIDATED: u32 = 1 << 26;
pub(super) const SERVICE_TIER_SNAKE: u32 = 1 << 27;
pub(super) const LOGPROBS_SNAKE: u32 = 1 << 28;

// Turn.
/// The turn is `systemInstruction`.
pub(super) const SYSTEM: u8 = 1;
pub(super) const NO_ROLE: u8 = 1 << 1;
/// `systemInstruction` said `"role":"user"`, as most SDKs do.
pub(super) const ROLE_USER: u8 = 1 << 2;
/// `parts` was one object without brackets.
pub(super) const PARTS_SINGLE: u8 = 1 << 3;
pub(super) const NO_PARTS: u8 = 1 << 4;
/// A result turn said `"role":"function"`, as older SDKs do.
pub(super) const ROLE_FUNCTION: u8 = 1 << 5;
/// `systemInstruction` said `"role":"system"`.
pub(super) const ROLE_SYSTEM: u8 = 1 << 6;

// Block. The upper bits mean different things for media and for calls.
pub(super) const MEMBER_SNAKE: u8 = 1;
pub(super) const SIGNATURE_SNAKE: u8 = 1 << 1;
pub(super) const MIME_SNAKE: u8 = 1 << 2;
pub(super) const URI_SNAKE: u8 = 1 << 3;
/// Media: the data was in the url-safe alphabet.
pub(super) const URL_SAFE: u8 = 1 << 4;
/// Media.
pub(super) const DISPLAY_NAME_SNAKE: u8 = 1 << 5;
/// Media: the data had no padding.
pub(super) const UNPADDED: u8 = 1 << 7;
/// Calls and results: the id was made by the decoder.
pub(super) const NO_ID: u8 = 1 << 5;
/// Results: `name` was not there. Text: `text` was not there, only a signature.
pub(super) const NO_NAME: u8 = 1 << 6;
/// Refusals: the words are the gateway's.
pub(super) const EXPLAINED: u8 = 1 << 4;

// Tool.
/// Begins a new object of `tools`.
pub(super) const NEW_OBJECT: u8 = 1;
pub(super) const DECLARATIONS_SNAKE: u8 = 1 << 1;
/// The schema came as `parametersJsonSchema`, not `parameters`.
pub(super) const JSON_SCHEMA: u8 = 1 << 2;
pub(super) const PARAMETERS_SNAKE: u8 = 1 << 3;
/// The declarations were one object without brackets.
pub(super) const DECLARATIONS_SINGLE: u8 = 1 << 4;

// Choice.
pub(super) const NO_INDEX: u8 = 1;
pub(super) const NO_CONTENT: u8 = 1 << 1;
pub(super) const CONTENT_NO_PARTS: u8 = 1 << 2;
pub(super) const CONTENT_NO_ROLE: u8 = 1 << 3;
/// The choice is not in the body: it says that the prompt was blocked.
pub(super) const BLOCKED: u8 = 1 << 4;

/// `camel` or `snake`, by a form bit.
pub(super) fn spell<'k>(form: u32, bit: u32, camel: &'k str, snake: &'k str) -> &'k str {
    if form & bit == 0 { camel } else { snake }
}
