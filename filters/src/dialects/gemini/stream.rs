//! Streams, both ways.

mod decode;
mod encode;
mod partial;

pub use decode::StreamDecoder;
pub use encode::StreamEncoder;
