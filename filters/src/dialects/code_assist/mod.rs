//! Google Code Assist: Gemini in an envelope.
//!
//! ```text
//! request   {"model", "project"?, "user_prompt_id", "request": {…Gemini…, "session_id"}}
//! answer    {"response": {…Gemini…}, "traceId", …}      whole, or one in each event of a stream
//! error     {"error": {…}}                              as Google's others, also in an array
//! ```
//!
//! It is no dialect of its own: requests and answers are Gemini's, and keep their bytes. So a request is encoded for
//! Gemini, or spliced, and then [`wrap`]ped; the answer goes through [`Unwrap`] before
//! [`Reply`](crate::reply::Reply) sees it. Facts: `code_assist/{server,converter}.ts` of google-gemini/gemini-cli.

mod error;
#[cfg(test)]
mod tests;
mod unwrap;
mod wrap;

pub use error::error_body;
pub use unwrap::Unwrap;
pub use wrap::{Envelope, WrapError, count_tokens, wrap};
