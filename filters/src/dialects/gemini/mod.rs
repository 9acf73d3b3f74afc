//! Gemini `generateContent` and `streamGenerateContent?alt=sse`.
//!
//! Choices:
//! - **Own requests are not repaired.** A body that came in this dialect goes out as it came, up to the order of its
//!   members: [`form`] holds spellings, [`nested`] leftovers. The only addition is the documented sentinel on the first
//!   call of a model turn that has no seal, and only for Gemini 3, which refuses the request without it.
//! - **Ids are made.** Gemini pairs calls and results by name and order. The decoder gives both an id, so that every
//!   other dialect can pair them, and notes that they are not the client's.
//! - **Two kinds of schema.** `parameters` in Google's own words become JSON Schema in the IR; the text stays beside it
//!   and is written again as long as it means the same. For other dialects' tools `parametersJsonSchema` takes any
//!   schema; upstreams without it get the subset of [`crate::repair::schema`].
//! - **A sealed part is a block of its own.** A `thoughtSignature` stays on the part it stands on; streams do not join
//!   a sealed part with its neighbours.
//! - **Streams have no terminal.** The end of bytes is the end of the answer when every candidate has a reason.

mod books;
mod bounds;
mod cited;
mod config;
mod decode;
mod encode;
mod encode_config;
mod error;
mod foreign;
mod form;
mod grounding;
mod locate;
mod nested;
mod notes;
mod part;
mod response;
mod stop;
mod stream;
mod think;
mod thoughts;
mod tools;
mod usage;
mod wire;
mod write;

pub use decode::decode_request;
pub use encode::encode_request;
pub use error::{decode_error, encode_error};
pub use notes::{read_citations, read_logprobs, read_web_search};
pub use response::{decode_response, encode_response};
pub use stream::{StreamDecoder, StreamEncoder};
pub use thoughts::strip_thoughts;

#[cfg(test)]
mod tests;
