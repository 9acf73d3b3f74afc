//! Events as the elements of one JSON array, as Gemini streams without `alt=sse`.

use super::{Parser, SseError};

/// Turns the bytes of an event stream whose data is JSON into those of a JSON array: `[{…},\n{…}]`.
///
/// An element leaves as soon as its event is complete. Data that is `[DONE]` is no element. An error in the middle of
/// the stream is its last element, as at Google.
#[derive(Debug, Default)]
pub struct JsonArray {
    parser: Parser,
    open: bool,
    closed: bool,
}

impl JsonArray {
    /// Reads the next bytes of the event stream and appends the elements that they complete to `out`.
    ///
    /// # Errors
    /// When one event is too long; nothing more can be read.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), SseError> {
        let JsonArray { parser, open, closed } = self;
        if *closed {
            return Ok(());
        }
        parser.push(bytes, &mut |event| element(event.data, open, out))
    }

    /// The event stream has ended: closes the array, which is empty if there was no event. Again it does nothing.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let JsonArray { parser, open, closed } = self;
        if std::mem::replace(closed, true) {
            return;
        }
        parser.finish(&mut |event| element(event.data, open, out));
        out.extend_from_slice(if *open { b"]" } else { b"[]" });
    }
}

fn element(data: &str, open: &mut bool, out: &mut Vec<u8>) {
    if data.is_empty() || data == "[DONE]" {
        return;
    }
    let before: &[u8] = if std::mem::replace(open, true) { b",\n" } else { b"[" };
    out.extend_from_slice(before);
    out.extend_from_slice(data.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::JsonArray;

    const EVENTS: &str =
        "data: {\"a\":1}\r\n\r\n: alive\r\n\r\ndata: {\"b\":\r\ndata: [2]}\r\n\r\ndata: [DONE]\r\n\r\n";

    #[test]
    fn wire_008_events_are_elements_of_an_array_wherever_the_bytes_are_cut() {
        for size in 1..EVENTS.len() {
            let (mut array, mut out) = (JsonArray::default(), Vec::new());
            for piece in EVENTS.as_bytes().chunks(size) {
                array.push(piece, &mut out).unwrap();
            }
            array.finish(&mut out);
            array.push(b"data: {}\n\n", &mut out).unwrap();
            array.finish(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), "[{\"a\":1},\n{\"b\":\n[2]}]", "{size}");
        }
    }

    #[test]
    fn an_element_leaves_with_its_event_and_no_event_is_an_empty_array() {
        let (mut array, mut out) = (JsonArray::default(), Vec::new());
        array.push(b"data: {}\n\ndata: {", &mut out).unwrap();
        assert_eq!(out, b"[{}");
        let (mut array, mut out) = (JsonArray::default(), Vec::new());
        array.finish(&mut out);
        assert_eq!(out, b"[]");
    }
}
