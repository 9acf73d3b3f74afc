//! Streamed answers.

mod decode;
mod encode;

pub use decode::StreamDecoder;
pub use encode::StreamEncoder;
