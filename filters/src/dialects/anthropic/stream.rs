//! Streamed answers.
//!
//! Decoding keeps one block per index of the provider and numbers blocks itself. Parts that only this dialect knows
//! (server tools and their results) are held until they are complete: their input comes in pieces.
//!
//! Encoding holds back three things. `message_start` waits for one event, so that it can tell the input tokens when the
//! provider told them at once. Text and thinking begin with their first word, because clients send empty blocks back
//! and providers refuse those. `message_delta` waits for the end, because some providers tell the usage last.

mod decode;
mod encode;
mod open;

pub use decode::StreamDecoder;
pub use encode::StreamEncoder;
