//! Requests to bodies.
//!
//! A request of this dialect is written as it came (`own`): the client knows the protocol's rules, and what it broke the
//! provider tells it best. Only thoughts that the provider cannot read are taken out. A request of any other dialect is
//! planned first (`foreign`), so that nothing is written when it cannot be said.

mod arrange;
mod foreign;
mod format;
mod items;
mod marks;
mod media;
mod own_request;
mod pictures;
mod sampling;
mod thinking;
mod tools;
mod words;

use crate::Dialect;
use crate::dialects::{EncodeError, Encoded, Target};
use crate::ir::Request;

/// Writes the body for `target`.
///
/// # Errors
/// When something that the user said cannot be said in this dialect at all (sound, a file in another provider's store),
/// or nothing is left to send.
pub fn encode_request(request: &Request<'_>, target: &Target, out: &mut Vec<u8>) -> Result<Encoded, EncodeError> {
    if request.origin == Dialect::Anthropic {
        return Ok(own_request::encode(request, target, out));
    }
    foreign::encode(request, target, out)
}

/// The provider's word for a tier in OpenAI's words: it may use reserved capacity (`auto`), or must not. The others
/// (`flex`, `priority`) are no wishes that it takes.
fn tier(word: &str) -> Option<&'static str> {
    match word {
        "auto" => Some("auto"),
        "default" => Some("standard_only"),
        _ => None,
    }
}
