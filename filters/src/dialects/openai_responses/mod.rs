//! OpenAI Responses (`POST /v1/responses`).
//!
//! Choices, and why:
//!
//! - **An input item is a turn.** Items are the protocol's unit: they have ids, a status, an order that matters (reasoning
//!   before its call). Merging them into messages is the business of targets that need it. `instructions` is a leading
//!   system turn with a form bit.
//! - **An answer is flat.** A message item with several parts becomes several blocks; the first of them carries the
//!   item's own members under keys that begin with `item.`, and a form bit says that an item begins there.
//! - **Unknown item, part and tool types are opaque**, never an error: Codex alone sends three of them.
//! - **`encrypted_content` is the only slot for seals** (there is none on calls or messages). A seal of another issuer
//!   goes there wrapped; `seal.rs` tells of three cases that need more than that.
//! - **Requests of other dialects are sent with `store: false`**: their clients did not ask anyone to keep anything, and
//!   send the whole conversation each time.
//! - `previous_response_id`, `conversation`, `prompt` and `background` stay in `extra`: whether they can be served is
//!   decided by who knows the accounts.

mod decode;
mod echo;
mod encode;
mod error;
mod form;
mod items;
mod namespaces;
mod notes;
mod quiet;
mod response;
mod seal;
mod stream;
mod usage;
mod wire;
mod write;

pub use decode::{decode_request, refuse_stored};
pub use encode::encode_request;
pub use error::{decode_error, encode_error};
pub use notes::{read_citations, read_logprobs, read_web_search};
pub use response::{decode_response, encode_response};
pub use stream::{StreamDecoder, StreamEncoder};

use super::Dialect;

/// This dialect.
const DIALECT: Dialect = Dialect::OpenAiResponses;

#[cfg(test)]
mod tests;
