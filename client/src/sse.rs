//! Server-sent events, as far as Chat Completions has them: the data of each event.

use crate::Error;

/// Longest event, in bytes.
pub(crate) const EVENT_BYTES_MAX: usize = 16 << 20;

/// Takes bytes as they come, cut anywhere, and gives the data of whole events. Lines end in LF, CRLF or CR.
#[derive(Default)]
pub(crate) struct Events {
    /// Bytes of the line under way.
    line: Vec<u8>,
    /// Data of the event under way.
    data: Option<Vec<u8>>,
    /// The last byte was a CR: a LF right after it belongs to it.
    after_cr: bool,
    /// Whether a line has been read: a byte order mark stands before the first alone.
    begun: bool,
}

impl Events {
    /// Adds the data of the events that `bytes` complete to `out`.
    ///
    /// # Errors
    /// When an event is longer than [`EVENT_BYTES_MAX`].
    pub(crate) fn push(&mut self, mut bytes: &[u8], out: &mut impl Extend<Vec<u8>>) -> Result<(), Error> {
        while let Some(at) = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            let (line, end) = bytes.split_at(at);
            let is_rest_of_crlf = self.after_cr && line.is_empty() && end.first() == Some(&b'\n');
            self.after_cr = end.first() == Some(&b'\r');
            bytes = end.get(1..).unwrap_or_default();
            if !is_rest_of_crlf {
                self.extend(line)?;
                out.extend(self.end_line()?);
            }
        }
        if !bytes.is_empty() {
            self.after_cr = false;
        }
        self.extend(bytes)
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.line.len() + bytes.len() > EVENT_BYTES_MAX {
            return Err(Error::TooLong(EVENT_BYTES_MAX));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let line = std::mem::take(&mut self.line);
        let line = if std::mem::replace(&mut self.begun, true) {
            &line[..]
        } else {
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line)
        };
        if line.is_empty() {
            return Ok(self.data.take());
        }
        let value = match line.strip_prefix(b"data") {
            Some([]) => &[][..],
            Some([b':', value @ ..]) => value.strip_prefix(b" ").unwrap_or(value),
            // Comments, names, ids: nothing that is needed here.
            _ => return Ok(None),
        };
        match &mut self.data {
            Some(data) if data.len() + value.len() >= EVENT_BYTES_MAX => return Err(Error::TooLong(EVENT_BYTES_MAX)),
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            None => self.data = Some(value.to_vec()),
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let (mut events, mut out) = (Events::default(), Vec::new());
        for piece in pieces {
            events.push(piece, &mut out).unwrap();
        }
        out.into_iter().map(|data| String::from_utf8(data).unwrap()).collect()
    }

    #[test]
    fn events_are_read_with_every_end_of_line() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ": hello\ndata: one\n\nevent: x\ndata: two\ndata:three\nid: 1\n\n\n\ndata\n\ndata: cut"
                .replace('\n', end);
            assert_eq!(read(&[text.as_bytes()]), ["one", "two\nthree", ""], "{end:?}");
        }
        assert_eq!(read(&[b"\xef\xbb\xbfdata: x\n\n"]), ["x"]);
        assert_eq!(read(&[b"data: x\r", b"\n\r", b"\ndata: y\n\n"]), ["x", "y"]);
    }

    #[test]
    fn an_endless_event_is_an_error() {
        let piece = vec![b'x'; EVENT_BYTES_MAX / 2];
        let (mut events, mut out) = (Events::default(), Vec::new());
        assert!(events.push(&piece, &mut out).is_ok());
        assert!(events.push(b"xxx", &mut out).is_ok());
        assert!(matches!(events.push(&piece, &mut out), Err(Error::TooLong(_))));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_bytes_are_cut(text in "(data: ?[a-z]{0,3}|:x|id: 1|\r|\n|\r\n){0,20}", cuts in prop::collection::vec(0..80_usize, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&pieces), read(&[text.as_bytes()]));
        }
    }
}
