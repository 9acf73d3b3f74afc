//! Form bits: which of several equal spellings the client or the provider used.

/// `stream` was given.
pub(super) const STREAM: u32 = 1;
/// `input` was a string.
pub(super) const INPUT_STRING: u32 = 1 << 1;
/// `input` was not given (or `null`).
pub(super) const INPUT_ABSENT: u32 = 1 << 2;
/// `tools` was an empty list.
pub(super) const TOOLS_EMPTY: u32 = 1 << 3;
/// `text` was given.
pub(super) const TEXT: u32 = 1 << 4;
/// The user is named by `safety_identifier`.
pub(super) const SAFETY_IDENTIFIER: u32 = 1 << 5;
/// `reasoning.effort` was the word `max`.
pub(super) const EFFORT_MAX: u32 = 1 << 6;
/// Where the two bits for `reasoning.summary` begin: 0 not given, else one more than the place in [`SUMMARIES`].
pub(super) const SUMMARY_SHIFT: u32 = 7;
/// The known words of `reasoning.summary`.
pub(super) const SUMMARIES: [&str; 3] = ["auto", "concise", "detailed"];

/// Tool: a member of a namespace, or added by an item; its own dialect has it there already.
pub(super) const TOOL_ELSEWHERE: u8 = 1;

/// Turn: the item had no `type`.
pub(super) const TYPE_OMITTED: u8 = 1;
/// Turn: `content` was a string.
pub(super) const CONTENT_STRING: u8 = 1 << 1;
/// Turn: `content` was not given (or `null`).
pub(super) const CONTENT_ABSENT: u8 = 1 << 2;
/// Turn: the text of `instructions`.
pub(super) const INSTRUCTIONS: u8 = 1 << 3;

/// Text part: the two bits that say how its type was spelled; 0 is what is usual for the role.
pub(super) const SPELLING: u8 = 0b11;
/// The spellings; 0 stands for the usual one.
pub(super) const SPELLINGS: [&str; 4] = ["", "input_text", "output_text", "text"];
/// Text part: `annotations` was an empty list.
pub(super) const ANNOTATIONS_EMPTY: u8 = 1 << 2;
/// Text part: `logprobs` was an empty list.
pub(super) const LOGPROBS_EMPTY: u8 = 1 << 3;
/// Part of an answer: a message item begins here.
pub(super) const ITEM_START: u8 = 1 << 4;
/// Part of an answer: the item's `content` was a string.
pub(super) const ITEM_STRING: u8 = 1 << 5;
/// File part: `file_data` was bare base64 without `data:`.
pub(super) const FILE_BARE: u8 = 1 << 6;
/// Opaque block: a part of a message, not an item.
pub(super) const PART: u8 = 1 << 7;

/// Call: it had no `call_id`; its item id stands in.
pub(super) const CALL_ID_ABSENT: u8 = 1;
/// Result: `output` was a string.
pub(super) const OUTPUT_STRING: u8 = 1;
/// Result: `output` was `null`.
pub(super) const OUTPUT_NULL: u8 = 1 << 1;
/// Reasoning: there was no `summary`.
pub(super) const SUMMARY_ABSENT: u8 = 1;
/// Reasoning: `content` was an empty list.
pub(super) const CONTENT_EMPTY: u8 = 1 << 1;
/// Reasoning: the text is that of `content`, not of `summary`.
pub(super) const TEXT_IS_CONTENT: u8 = 1 << 2;
