//! OpenAI Chat Completions, as OpenAI and the many compatible servers speak it.
//!
//! What was chosen, and why:
//!
//! - **A request of this dialect goes back as it came.** Members without a field stay in `extra`, equal spellings in
//!   `form` (see the private module `form`), so `encode(decode(body))` is `body`. The gateway changes only what the
//!   [`Target`](super::Target) says: model, stream, `stream_options.include_usage`, and what the quirks forbid.
//! - **A request of another dialect is rebuilt by Chat's rules** (`encode/foreign.rs`): one assistant message for each
//!   run of the model's turns, one `tool` message for each call right behind it, in the order of the calls; media of
//!   tool results in a user message behind those, because a `tool` message takes text only.
//! - **Unknown parts, tools and calls are opaque, never an error**; a known member of the wrong type is an error that
//!   names the member.
//! - **`reasoning_content`** (DeepSeek, vLLM) and `reasoning` (OpenRouter, Groq) are one thing in two spellings. To a
//!   provider they go only when it takes them back; to a client only when it is shown reasoning at all.
//! - **`reasoning_details`** (OpenRouter) hold the seals of whoever thought; each entry's format tells whose. Blocks are
//!   made of them, and the members stay in `extra` under a private name (NUL first), to be written again in their words.
//!   `audio` of an answer goes the same way.
//! - **`web_search_options`** is read as a hosted tool of that name, and written again as the member.
//! - **A client of another dialect cannot know what the model takes**: its wishes are brought into the bounds of the
//!   profile (`encode/settings.rs`). A client of this dialect gets what it wrote, and the provider's word on it.
//! - **Members of nested objects** that have no field are kept in the nearest `extra` with the path before the name:
//!   `function.strict`, `image_url.detail`, `response_format.json_schema.x`, `message.refusal` (of an answer).
//! - **Streams of compatible servers are untidy**: calls without index, ids late, empty or repeated, finish reasons
//!   twice, no `[DONE]`, usage on every chunk. The decoder takes the first of everything and lets the
//!   [`Guard`](crate::ir::stream::Guard) hold the shape.
//!
//! Sources: the API reference of Chat Completions, the types and accumulators of the official SDKs.

mod begun;
mod decode;
mod encode;
mod error;
mod form;
mod media;
mod notes;
mod stop;
mod stream;
mod usage;
mod wire;

pub(crate) use begun::mark as mark_begun;
pub use decode::{asks_for_usage, decode_request, decode_response};
pub use encode::{encode_request, encode_response};
pub use error::{decode_error, encode_error};
pub use notes::{read_citations, read_logprobs, read_web_search};
pub use stream::{StreamDecoder, StreamEncoder};

#[cfg(test)]
mod tests;
