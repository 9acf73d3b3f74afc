//! Events of a Chat answer to those of `/v1/completions`.

use super::logprobs::Offsets;
use super::{Chat, Choice, write};
use crate::json::Writer;
use crate::sse::{self, Parser, SseError, SseEvent};

/// From the bytes of a Chat stream, in any pieces, to those of a completion's stream.
///
/// Chunks that say nothing in a completion (the role at the start, thoughts) are left out. Errors and `[DONE]` pass.
#[derive(Debug, Default)]
pub struct CompletionsStream {
    parser: Parser,
    offsets: Offsets,
}

impl CompletionsStream {
    /// Before the first byte.
    pub fn new() -> Self {
        CompletionsStream::default()
    }

    /// Reads the next bytes of the Chat answer, and appends the events that they complete to `out`.
    ///
    /// # Errors
    /// When one event is too long; nothing more can be read.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), SseError> {
        let CompletionsStream { parser, offsets } = self;
        parser.push(bytes, &mut |event| translate(event, offsets, out))
    }

    /// The Chat answer's bytes have ended.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let CompletionsStream { parser, offsets } = self;
        parser.finish(&mut |event| translate(event, offsets, out));
    }
}

fn translate(event: SseEvent<'_>, offsets: &mut Offsets, out: &mut Vec<u8>) {
    let Ok(chunk) = serde_json::from_str::<Chat<'_>>(event.data) else {
        return sse::event(out, event.name, |out| out.extend_from_slice(event.data.as_bytes()));
    };
    let speaks =
        |choice: &Choice<'_>| choice.finish_reason.is_some() || choice.said().iter().any(|text| !text.is_empty());
    let speaks = chunk.choices.iter().any(speaks);
    if speaks || chunk.usage.is_some() {
        sse::event(out, event.name, |out| write(&chunk, offsets, &mut Writer::new(out)));
    }
}
