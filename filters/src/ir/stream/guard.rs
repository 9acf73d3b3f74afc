//! Makes any event sequence well-formed.

use std::collections::BTreeMap;

use super::{Event, Sink};
use crate::ir::{ApiError, ErrorKind, StopReason};

/// Stands between a decoder and everything behind it, and holds the shape that [`Event`] promises whatever the provider
/// sent: one `Start` first, blocks opened before they grow and closed before their choice ends, one `Finish` a choice,
/// one terminal event, nothing after it. Events that contradict the shape are dropped.
#[derive(Debug, Default)]
pub struct Guard {
    started: bool,
    ended: bool,
    /// Open blocks and their choices.
    open: BTreeMap<u32, u32>,
    /// Choices that have blocks or a finish, and whether they are finished.
    choices: BTreeMap<u32, bool>,
    /// Highest index given so far, plus one: a reused index is a contradiction.
    next_index: u32,
}

impl Guard {
    /// Passes `event` on, with what must come before it; drops it when it has no place.
    pub fn push(&mut self, event: Event<'_>, sink: &mut Sink<'_>) {
        if self.ended {
            return;
        }
        match event {
            Event::Start { .. } => {
                if !std::mem::replace(&mut self.started, true) {
                    sink(event);
                }
            }
            Event::Ping => sink(event),
            Event::Error(_) => {
                self.ended = true;
                sink(event);
            }
            _ => {
                self.start(sink);
                self.push_started(event, sink);
            }
        }
    }

    /// The bytes have ended: without a terminal event so far, the answer is complete when every choice is finished, and
    /// broken off otherwise.
    pub fn finish(&mut self, sink: &mut Sink<'_>) {
        let whole = !self.choices.is_empty() && self.choices.values().all(|finished| *finished);
        if whole {
            self.push(Event::End, sink);
        } else {
            self.push(Event::Error(truncated()), sink);
        }
    }

    /// Whether the terminal event was passed on.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Whether every choice seen so far has its finish, and there is one.
    pub fn finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.values().all(|finished| *finished)
    }

    fn start(&mut self, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.started, true) {
            sink(Event::Start { id: None, model: None });
        }
    }

    fn push_started(&mut self, event: Event<'_>, sink: &mut Sink<'_>) {
        match event {
            Event::BlockStart { index, choice, .. } => {
                let finished = self.choices.get(&choice).copied().unwrap_or(false);
                if finished || index < self.next_index {
                    return;
                }
                self.next_index = index + 1;
                self.choices.insert(choice, false);
                self.open.insert(index, choice);
                sink(event);
            }
            Event::Delta { index, .. } => {
                if self.open.contains_key(&index) {
                    sink(event);
                }
            }
            Event::BlockStop { index } => {
                if self.open.remove(&index).is_some() {
                    sink(event);
                }
            }
            Event::Finish { choice, .. } => {
                if self.choices.insert(choice, true) != Some(true) {
                    self.close(Some(choice), sink);
                    sink(event);
                }
            }
            Event::End => self.end(sink),
            Event::Usage(_) | Event::Start { .. } | Event::Ping | Event::Error(_) => sink(event),
        }
    }

    /// A provider's own end: choices that were never finished end without a reason of their own.
    fn end(&mut self, sink: &mut Sink<'_>) {
        self.close(None, sink);
        if self.choices.is_empty() {
            self.choices.insert(0, false);
        }
        for (choice, finished) in &mut self.choices {
            if !std::mem::replace(finished, true) {
                sink(Event::Finish { choice: *choice, stop: StopReason::Other, stop_sequence: None, note: None });
            }
        }
        self.ended = true;
        sink(Event::End);
    }

    /// Closes the open blocks of `choice`, or all.
    fn close(&mut self, choice: Option<u32>, sink: &mut Sink<'_>) {
        self.open.retain(|index, of| {
            let closes = choice.is_none_or(|choice| *of == choice);
            if closes {
                sink(Event::BlockStop { index: *index });
            }
            !closes
        });
    }
}

fn truncated() -> ApiError {
    ApiError::new(ErrorKind::BadGateway, "the provider's answer ended before it was complete")
}
