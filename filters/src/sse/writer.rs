//! Writes events in the form that every known client reads.

/// Appends an event with a name (none when `name` is empty) and one `data:` line with a space after the colon.
///
/// `write` appends the data. Raw line ends in it can only be white space between JSON tokens (JSON forbids them in
/// strings), and some clients read one `data:` line only, so they are taken out.
pub fn event(out: &mut Vec<u8>, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
    if !name.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    let start = out.len();
    write(out);
    if memchr::memchr2(b'\n', b'\r', &out[start..]).is_some() {
        let data: Vec<u8> = out.drain(start..).filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
        out.extend_from_slice(&data);
    }
    out.extend_from_slice(b"\n\n");
}

/// Appends a comment, for clients that read any byte as a sign of life.
pub fn comment(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b": ");
    out.extend(text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse::{Parser, SseEvent};

    #[test]
    fn wire_007_an_event_has_its_name_and_data_on_one_line_each() {
        let mut out = Vec::new();
        event(&mut out, "message_stop", |out| out.extend_from_slice(b"{\"type\":\n \"message_stop\"}"));
        event(&mut out, "", |out| out.extend_from_slice(b"[DONE]"));
        assert_eq!(out, b"event: message_stop\ndata: {\"type\": \"message_stop\"}\n\ndata: [DONE]\n\n");
    }

    #[test]
    fn wire_004_what_is_written_is_read_again_as_one_event() {
        let mut out = Vec::new();
        event(&mut out, "a", |out| out.extend_from_slice("{\r\n\"x\":\"\u{2028}\"\n}".as_bytes()));
        comment(&mut out, "two\nlines");
        let mut found = Vec::new();
        let mut see = |event: SseEvent<'_>| found.push((event.name.to_owned(), event.data.to_owned()));
        Parser::default().push(&out, &mut see).unwrap();
        assert_eq!(found, [("a".to_owned(), "{\"x\":\"\u{2028}\"}".to_owned())]);
    }
}
