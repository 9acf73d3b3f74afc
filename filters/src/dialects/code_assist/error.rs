//! Errors in the framing of another answer.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::sse::Parser;

/// The error body in what was sent with an error status: the stream method answers with server-sent events at times, and
/// commas are left over where a stream of an array was cut into pieces. Anything else stays as it is.
pub fn error_body(body: &[u8]) -> Cow<'_, [u8]> {
    let is_json = |bytes: &[u8]| serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
    if is_json(body) {
        return Cow::Borrowed(body);
    }
    let is_left_over = |byte: &u8| *byte == b',' || byte.is_ascii_whitespace();
    let start = body.iter().position(|byte| !is_left_over(byte)).unwrap_or(body.len());
    let end = body.iter().rposition(|byte| !is_left_over(byte)).map_or(start, |last| last + 1);
    let bare = body.get(start..end).unwrap_or_default();
    if is_json(bare) {
        return Cow::Borrowed(bare);
    }
    let mut found = None;
    let mut parser = Parser::default();
    let mut on_event = |event: crate::sse::SseEvent<'_>| {
        if is_json(event.data.as_bytes()) {
            found.get_or_insert_with(|| event.data.as_bytes().to_vec());
        }
    };
    if parser.push(body, &mut on_event).is_ok() {
        parser.finish(&mut on_event);
    }
    found.map_or(Cow::Borrowed(body), Cow::Owned)
}
