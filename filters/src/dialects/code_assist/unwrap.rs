//! Answers out of the envelope.

use crate::json::Raw;
use crate::json::Str;
use crate::json::members::Members;
use crate::reply::{ANSWER_BYTES_MAX, ReplyError, TooLarge};
use crate::sse::{self, Parser};

/// From the bytes of an answer, in any pieces, to those of a plain Gemini answer.
///
/// Each event, and a whole answer, gives the bytes of its `response` as they came. What has none, such as an error,
/// passes as it is. Comments between events are left out.
#[derive(Debug, Default)]
pub struct Unwrap {
    framing: Framing,
    parser: Parser,
    trace_id: Option<String>,
}

/// What the provider sends.
#[derive(Debug, Default)]
enum Framing {
    /// No byte yet that tells.
    #[default]
    Unknown,
    /// Server-sent events.
    Events,
    /// One JSON value, kept until it is whole.
    Whole(Vec<u8>),
}

impl Unwrap {
    /// Reads the next bytes and appends what they are without the envelope to `out`.
    ///
    /// # Errors
    /// When an event or the whole answer is longer than its bound.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ReplyError> {
        const MARK: &[u8] = b"\xEF\xBB\xBF";
        let mut bytes = bytes;
        if matches!(self.framing, Framing::Unknown) {
            // White space and a byte order mark, whole or in pieces, say nothing.
            let told = bytes.iter().position(|byte| !byte.is_ascii_whitespace() && !MARK.contains(byte));
            let Some(at) = told else { return Ok(()) };
            bytes = bytes.get(at..).unwrap_or_default();
            self.framing = match bytes.first() {
                Some(b'{' | b'[' | b'"' | b'<') => Framing::Whole(Vec::new()),
                _ => Framing::Events,
            };
        }
        let Framing::Whole(body) = &mut self.framing else { return self.events(bytes, out) };
        body.extend_from_slice(bytes);
        if body.len() > ANSWER_BYTES_MAX {
            body.clear();
            return Err(TooLarge.into());
        }
        Ok(())
    }

    /// The bytes have ended: appends what was kept.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match std::mem::take(&mut self.framing) {
            Framing::Unknown => {}
            Framing::Whole(body) => self.whole(&body, out),
            Framing::Events => {
                let Unwrap { parser, trace_id, .. } = self;
                parser.finish(&mut |event| write(event, trace_id, out));
            }
        }
    }

    /// The provider's id of the answer, as soon as one was told.
    pub fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }

    fn events(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ReplyError> {
        let Unwrap { parser, trace_id, .. } = self;
        Ok(parser.push(bytes, &mut |event| write(event, trace_id, out))?)
    }

    /// One JSON value: an answer, an error, or the array form of a stream.
    fn whole(&mut self, body: &[u8], out: &mut Vec<u8>) {
        let Ok(text) = std::str::from_utf8(body) else { return out.extend_from_slice(body) };
        let Ok(items) = serde_json::from_str::<Vec<Raw<'_>>>(text) else {
            return out.extend_from_slice(inner(text, &mut self.trace_id).as_bytes());
        };
        if !items.iter().any(|item| response(item.get()).is_some()) {
            return out.extend_from_slice(body);
        }
        out.push(b'[');
        for (number, item) in items.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            out.extend_from_slice(inner(item.get(), &mut self.trace_id).as_bytes());
        }
        out.push(b']');
    }
}

fn write(event: sse::SseEvent<'_>, trace_id: &mut Option<String>, out: &mut Vec<u8>) {
    let data = inner(event.data, trace_id);
    sse::event(out, event.name, |out| out.extend_from_slice(data.as_bytes()));
}

/// What stands in the envelope; `text` itself if that is none.
fn inner<'t>(text: &'t str, trace_id: &mut Option<String>) -> &'t str {
    let Some((response, trace)) = response(text) else { return text };
    if trace_id.is_none() {
        *trace_id = trace.map(|trace| trace.to_string());
    }
    response
}

/// The response and the trace of an envelope.
fn response(text: &str) -> Option<(&str, Option<Str<'_>>)> {
    let members = Members::read(text)?;
    let response = members.get("response").filter(|response| response.starts_with('{'))?;
    let trace = members.get("traceId").and_then(|trace| serde_json::from_str(trace).ok());
    Some((response, trace))
}
