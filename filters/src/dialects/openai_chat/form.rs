//! Which of the dialect's equal spellings a client used: bits of the `form` fields.

/// Request: the token cap was called `max_tokens`.
pub(super) const REQUEST_MAX_TOKENS: u32 = 1;
/// Request: `stream` was written although it was false.
pub(super) const REQUEST_STREAM_FALSE: u32 = 1 << 1;
/// Request: `stop` was one string, not a list.
pub(super) const REQUEST_STOP_STRING: u32 = 1 << 2;
/// Request: `stop` was an empty list.
pub(super) const REQUEST_STOP_EMPTY: u32 = 1 << 3;
/// Request: the tool choice was said by the legacy member `function_call`.
pub(super) const REQUEST_LEGACY_CHOICE: u32 = 1 << 4;
/// Request: the tool choice `required` was said as `any` (Mistral).
pub(super) const REQUEST_CHOICE_ANY: u32 = 1 << 5;
/// Request: the effort was said by its other word (`off` for `none`, `max` for `xhigh`).
pub(super) const REQUEST_EFFORT_ALT: u32 = 1 << 6;
/// Request: `tools` was an empty list.
pub(super) const REQUEST_TOOLS_EMPTY: u32 = 1 << 7;
/// Request: `functions` was an empty list.
pub(super) const REQUEST_FUNCTIONS_EMPTY: u32 = 1 << 8;
/// Request: `logprobs` was written although it was false.
pub(super) const REQUEST_LOGPROBS_FALSE: u32 = 1 << 9;
/// Request: the end user was called `safety_identifier`, not `user`.
pub(super) const REQUEST_SAFETY_IDENTIFIER: u32 = 1 << 10;
/// Request: reasoning was wished for by an object, `reasoning` or `thinking`, which stands in `extra` under a private name.
pub(super) const REQUEST_REASONING_OBJECT: u32 = 1 << 11;

/// Turn: `content` was a string.
pub(super) const TURN_STRING: u8 = 1;
/// Turn: `content` was an empty string.
pub(super) const TURN_EMPTY_STRING: u8 = 1 << 1;
/// Turn: `content` was an empty list.
pub(super) const TURN_EMPTY_LIST: u8 = 1 << 2;
/// Turn: a result by the legacy role `function`.
pub(super) const TURN_LEGACY: u8 = 1 << 3;
/// Turn: `cache_control` stood beside a `content` string.
pub(super) const TURN_CACHE: u8 = 1 << 4;
/// Turn: reasoning was called `reasoning`, not `reasoning_content`.
pub(super) const TURN_REASONING: u8 = 1 << 5;
/// Turn: `tool_calls` was an empty list.
pub(super) const TURN_CALLS_EMPTY: u8 = 1 << 6;
/// Turn: thoughts were read from `reasoning_details`; what was written stands in `extra` under private names.
pub(super) const TURN_DETAILS: u8 = 1 << 7;

/// Block: a refusal or thoughts that stood as a part of `content`, not in a member of their own.
pub(super) const BLOCK_PART: u8 = 1;
/// Block: `image_url` was a string, not an object.
pub(super) const BLOCK_URL_STRING: u8 = 1 << 1;
/// Block: the call had no `type`.
pub(super) const BLOCK_NO_TYPE: u8 = 1 << 2;
/// Block: the call had no `id`; the decoder made one.
pub(super) const BLOCK_ID_MADE: u8 = 1 << 3;
/// Block: the call was a legacy `function_call`.
pub(super) const BLOCK_LEGACY: u8 = 1 << 4;
/// Block: `file_data` was bare base64, not a data URL.
pub(super) const BLOCK_BARE_DATA: u8 = 1 << 5;
/// Block: an image of the message's list `images`.
pub(super) const BLOCK_IMAGES: u8 = 1 << 6;
/// Block: an opaque entry of `tool_calls`, not of `content`.
pub(super) const BLOCK_IN_CALLS: u8 = 1 << 7;
/// Block, of a file: the part was Mistral's `document_url`. Files stand never in `tool_calls`, so the bit is free.
pub(super) const BLOCK_DOCUMENT_URL: u8 = 1 << 7;

/// Tool: it had no `type`.
pub(super) const TOOL_NO_TYPE: u8 = 1;
/// Tool: it stood in the legacy list `functions`.
pub(super) const TOOL_LEGACY: u8 = 1 << 1;
/// Tool: it was no tool but the member `web_search_options`.
pub(super) const TOOL_SEARCH_OPTIONS: u8 = 1 << 2;
