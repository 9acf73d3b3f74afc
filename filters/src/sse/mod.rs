//! Server-sent events at byte level (WHATWG HTML, section 9.2 "Server-sent events").

mod json_array;
mod parser;
mod writer;

pub use json_array::JsonArray;
pub use parser::{Parser, SseError};
pub use writer::{comment, event};

/// One dispatched event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// The `event:` field; empty when there was none.
    pub name: &'a str,
    /// The `data:` lines joined by `\n`.
    pub data: &'a str,
}

/// Bytes one event may have before the stream is given up: inline images are the largest known.
pub const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;
