//! Spliced streams: the provider's bytes, event by event, as they came.
//!
//! An event that is not complete is kept back until it is: no client can use a part of one, and a stream that breaks off
//! inside an event can then still be ended, or continued from elsewhere, in a way that clients can read. Nothing else is
//! touched.

mod strip;

use std::ops::Range;

use super::LATE_BYTES_MAX;
use crate::sse::EVENT_BYTES_MAX;
pub(super) use strip::judge;

/// What becomes of one event's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They pass.
    #[default]
    Keep,
    /// They do not: the client did not ask for this event.
    Drop,
    /// They pass without this range of the event's data.
    Cut(Range<usize>),
    /// They wait: the provider failed here, and the proxy may have something better than its error.
    Hold,
}

/// Cuts a stream into events and passes them on.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// The event that is not complete.
    held: Vec<u8>,
    /// Start of the line in `held` that has not ended.
    line: usize,
    /// Up to where that line was searched for its end.
    searched: usize,
    /// The provider's error event and what followed it.
    late: Vec<u8>,
    /// Whether events are held from here on.
    failed: bool,
    /// Whether the last event passed without its blank line.
    ragged: bool,
    /// Whether an event grew too large to be looked at: from here on all bytes pass.
    blind: bool,
}

/// Looks at an event's bytes and, when they passed through the parser, at its data: gives both the verdict.
pub(super) type Observer<'o> = dyn FnMut(&[u8]) -> Verdict + 'o;

impl Pass {
    /// Passes the next piece on.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>, observe: &mut Observer<'_>) {
        if self.blind {
            return out.extend_from_slice(bytes);
        }
        let mut held = std::mem::take(&mut self.held);
        if held.is_empty() {
            let used = self.events(bytes, out, observe);
            held.extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            held.extend_from_slice(bytes);
            let used = self.events(&held, out, observe);
            held.drain(..used);
        }
        if held.len() > EVENT_BYTES_MAX && !self.failed {
            self.blind = true;
            out.append(&mut held);
        }
        self.held = held;
    }

    /// The bytes have ended: judges the rest, an event without its blank line or a part of one.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>, observe: &mut Observer<'_>) {
        let rest = std::mem::take(&mut self.held);
        let verdict = if self.failed { Verdict::Hold } else { observe(&rest) };
        if verdict == Verdict::Hold {
            self.hold(&rest);
        } else {
            let before = out.len();
            write(&rest, verdict, out);
            self.ragged = out.len() > before;
        }
    }

    /// Whether what was passed on ends inside an event.
    pub(super) fn is_ragged(&self) -> bool {
        self.ragged
    }

    /// The provider's own words of its error, once.
    pub(super) fn take_late(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.late)
    }

    /// Whether the stream is no longer looked at.
    pub(super) fn is_blind(&self) -> bool {
        self.blind
    }

    /// Passes the complete events of `buffer` on, and tells how many bytes they have.
    fn events(&mut self, buffer: &[u8], out: &mut Vec<u8>, observe: &mut Observer<'_>) -> usize {
        let mut used = 0;
        while let Some(event) = self.next_event(buffer.get(used..).unwrap_or_default()) {
            if event.len() > EVENT_BYTES_MAX && !self.failed {
                self.blind = true;
                out.extend_from_slice(buffer.get(used..).unwrap_or_default());
                return buffer.len();
            }
            used += event.len();
            let verdict = if self.failed { Verdict::Hold } else { observe(event) };
            if verdict == Verdict::Hold {
                self.hold(event);
            } else {
                write(event, verdict, out);
            }
        }
        used
    }

    fn hold(&mut self, event: &[u8]) {
        self.failed = true;
        if self.late.len() + event.len() <= LATE_BYTES_MAX {
            self.late.extend_from_slice(event);
        }
    }

    /// The bytes up to and including the next blank line. A CR at the end waits for the LF that may follow it.
    fn next_event<'b>(&mut self, buffer: &'b [u8]) -> Option<&'b [u8]> {
        loop {
            let Some(found) = memchr::memchr2(b'\n', b'\r', buffer.get(self.searched..)?) else {
                self.searched = buffer.len();
                return None;
            };
            let end = self.searched + found;
            self.searched = end;
            let next = match (buffer.get(end), buffer.get(end + 1)) {
                (Some(b'\r'), None) => return None,
                (Some(b'\r'), Some(b'\n')) => end + 2,
                _ => end + 1,
            };
            let is_blank = end == self.line;
            (self.line, self.searched) = (next, next);
            if is_blank {
                (self.line, self.searched) = (0, 0);
                return buffer.get(..next);
            }
        }
    }
}

fn write(event: &[u8], verdict: Verdict, out: &mut Vec<u8>) {
    match verdict {
        Verdict::Drop | Verdict::Hold => {}
        Verdict::Cut(range) if range.start <= range.end => {
            out.extend_from_slice(event.get(..range.start).unwrap_or(event));
            out.extend_from_slice(event.get(range.end..).unwrap_or_default());
        }
        Verdict::Keep | Verdict::Cut(_) => out.extend_from_slice(event),
    }
}
