//! Bytes in any pieces to events.

use super::{EVENT_BYTES_MAX, SseEvent};

/// Why a stream of events cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// One event is longer than the bound.
    #[error("a server-sent event is longer than {EVENT_BYTES_MAX} bytes")]
    TooLong,
}

/// Incremental parser. Any split of the input gives the same events.
///
/// Lines end in LF, CRLF or CR. Comments and unknown fields are skipped; an event whose data is not UTF-8 is skipped
/// and counted, as a malformed one says nothing that could be passed on.
#[derive(Debug, Default)]
pub struct Parser {
    /// Bytes of the line that has not ended yet.
    line: Vec<u8>,
    /// Data lines of the event that has not ended yet, each followed by LF.
    data: Vec<u8>,
    /// Its name.
    name: Vec<u8>,
    /// Whether a LF at the start of the next piece belongs to a CR that ended the last one.
    skip_lf: bool,
    /// Whether any byte was read: a byte order mark may stand only before the first line.
    started: bool,
    /// Events skipped because they were not UTF-8.
    malformed: u64,
}

impl Parser {
    /// Reads the next piece and calls `on_event` for each event that it completes.
    ///
    /// # Errors
    /// When one event grows beyond [`EVENT_BYTES_MAX`]; the parser must not be used on.
    pub fn push(&mut self, mut piece: &[u8], on_event: &mut dyn FnMut(SseEvent<'_>)) -> Result<(), SseError> {
        while !piece.is_empty() {
            if std::mem::take(&mut self.skip_lf) && piece[0] == b'\n' {
                piece = &piece[1..];
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', piece) else {
                self.line.extend_from_slice(piece);
                return self.check_size();
            };
            let (line, ended_by) = (&piece[..end], piece[end]);
            piece = &piece[end + 1..];
            self.skip_lf = ended_by == b'\r';
            if self.line.is_empty() {
                self.take_line(line, on_event);
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                self.take_line(&whole, on_event);
                whole.clear();
                self.line = whole;
            }
            self.check_size()?;
        }
        Ok(())
    }

    /// Ends the input: a last event without its blank line is dispatched when its data is a JSON value or `[DONE]`.
    pub fn finish(&mut self, on_event: &mut dyn FnMut(SseEvent<'_>)) {
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.take_line(&line, on_event);
        }
        let data = self.data.strip_suffix(b"\n").unwrap_or(&self.data);
        let whole = data == b"[DONE]" || serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok();
        if whole {
            self.dispatch(on_event);
        }
        self.data.clear();
        self.name.clear();
    }

    /// Events skipped because they were not UTF-8.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    fn check_size(&self) -> Result<(), SseError> {
        if self.line.len() + self.data.len() > EVENT_BYTES_MAX { Err(SseError::TooLong) } else { Ok(()) }
    }

    fn take_line(&mut self, mut line: &[u8], on_event: &mut dyn FnMut(SseEvent<'_>)) {
        if !std::mem::replace(&mut self.started, true) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            return self.dispatch(on_event);
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
            None => (line, &b""[..]),
        };
        match field {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            _ => {}
        }
    }

    fn dispatch(&mut self, on_event: &mut dyn FnMut(SseEvent<'_>)) {
        if !self.data.is_empty() {
            let data = &self.data[..self.data.len() - 1];
            match (std::str::from_utf8(&self.name), std::str::from_utf8(data)) {
                (Ok(name), Ok(data)) => on_event(SseEvent { name, data }),
                _ => self.malformed += 1,
            }
        }
        self.data.clear();
        self.name.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut on_event = |event: SseEvent<'_>| found.push((event.name.to_owned(), event.data.to_owned()));
        let mut parser = Parser::default();
        for piece in pieces {
            parser.push(piece, &mut on_event).unwrap();
        }
        parser.finish(&mut on_event);
        found
    }

    fn one(name: &str, data: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), data.to_owned())]
    }

    #[test]
    fn wire_001_a_piece_may_end_anywhere() {
        let text = "event: a\r\ndata: \u{e9}\u{1F600}\r\n\r\ndata: 2\r\n\r\n";
        let whole = vec![("a".to_owned(), "\u{e9}\u{1F600}".to_owned()), (String::new(), "2".to_owned())];
        for at in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(at);
            assert_eq!(events(&[head, tail]), whole, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(events(&bytes), whole);
    }

    #[test]
    fn wire_002_line_ends_lf_crlf_and_cr() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("event: a{end}data: 1{end}{end}");
            assert_eq!(events(&[text.as_bytes()]), one("a", "1"), "{end:?}");
        }
    }

    #[test]
    fn wire_003_one_space_after_the_colon_is_taken_away() {
        assert_eq!(events(&[b"data:1\n\n"]), one("", "1"));
        assert_eq!(events(&[b"data:  1\n\n"]), one("", " 1"));
    }

    #[test]
    fn wire_004_data_lines_are_joined() {
        assert_eq!(events(&[b"data: {\ndata: }\n\n"]), one("", "{\n}"));
    }

    #[test]
    fn wire_005_comments_are_skipped() {
        assert_eq!(events(&[b": ping\n\n:\ndata: 1\n: x\n\n"]), one("", "1"));
    }

    #[test]
    fn wire_009_a_last_event_counts_only_when_it_is_whole() {
        assert_eq!(events(&[b"data: {\"a\":1}"]), one("", "{\"a\":1}"));
        assert_eq!(events(&[b"data: [DONE]\n"]), one("", "[DONE]"));
        assert_eq!(events(&[b"data: {\"a\":"]), vec![]);
    }

    #[test]
    fn wire_010_an_endless_event_is_given_up() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; EVENT_BYTES_MAX / 4];
        let result: Result<Vec<()>, _> = (0..6).map(|_| parser.push(&piece, &mut |_| {})).collect();
        assert_eq!(result, Err(SseError::TooLong));
    }

    #[test]
    fn wire_005_and_wire_015_a_comment_completes_no_event_and_delays_none() {
        let mut parser = Parser::default();
        let mut found = 0;
        parser.push(b": keep-alive\n\n: keep-alive\n\n", &mut |_| found += 1).unwrap();
        parser.push(b"data: 1\n: keep-alive\n\n", &mut |_| found += 1).unwrap();
        assert_eq!(found, 1);
    }

    #[test]
    fn wire_011_what_is_not_utf8_is_skipped_and_counted() {
        let mut parser = Parser::default();
        parser.push(b"data: \xff\n\ndata: 1\n\n", &mut |event| assert_eq!(event.data, "1")).unwrap();
        assert_eq!(parser.malformed(), 1);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(
            text in "((data|event|id|x)(:| |: )?[a-z\u{1F600}é{}\"]{0,6}(\r\n|\n|\r){1,3}){0,8}",
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let bytes = text.as_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(events(&pieces), events(&[bytes]));
        }
    }
}
