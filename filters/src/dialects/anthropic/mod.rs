//! Anthropic Messages.
//!
//! Choices made here, and why:
//!
//! - A request that came in this dialect is written again as it came, mistakes included: the provider explains them to
//!   its own clients best. Only thoughts that the provider did not seal are taken out, since one of them makes it refuse
//!   every request that follows. A request of another dialect is arranged by the protocol's rules (see `encode`).
//! - A system message in the middle stays one for clients of this dialect, which ask for it by a beta of their own. From
//!   other clients it becomes the user's text in its place: the role is refused without the beta.
//! - Server tools, their calls and results are opaque: they must never look like calls of the client's tools.
//! - A foreign seal travels in the slots for seals: `signature`, and `data` of `redacted_thinking`. Gemini also seals
//!   text and calls; such a seal goes into a `redacted_thinking` block behind them, and back onto them when the client
//!   sends it again. Thoughts and citations that other providers left unsealed bear the gateway's mark in those slots, so
//!   that they are known, and taken out, before a provider of this dialect sees them.
//! - A citation is of a whole text block. So a whole answer's text is cut where the citations of another provider begin
//!   and end; a stream's cannot be any more.
//! - Documents in parts, results of the client's own search and uploads to containers are read as documents and
//!   pictures for other dialects, and kept whole for this one.
//! - A refusal's explanation stands in `stop_details`. It is read as a refusal block for other dialects, and written
//!   once only for this one.
//! - Any JSON object has no native form: it is asked for by a line in `system`. A schema goes into
//!   `output_config.format`, or into a tool that must be called where the model does not know that.

mod answer;
mod blocks;
mod decode;
mod encode;
mod error;
mod notes;
mod own;
mod response;
mod stop;
mod stream;
mod usage;
mod wire;

#[cfg(test)]
mod tests;

pub use decode::decode_request;
pub use encode::encode_request;
pub use error::{decode_error, encode_error};
pub use notes::{read_citations, read_logprobs, read_web_search};
pub use response::{decode_response, encode_response};
pub use stream::{StreamDecoder, StreamEncoder};
