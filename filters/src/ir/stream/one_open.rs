//! One open block at a time, for clients whose protocol knows no other way (Anthropic, Responses).

use std::collections::VecDeque;

use super::{BlockStart, Delta, Event, Sink};
use crate::json::Str;

/// Puts interleaved blocks one behind the other: a block that begins while another is open waits, whole, until that one
/// has stopped. Blocks are renumbered from 0 without gaps. Only choice 0 passes.
///
/// Input must have the shape that [`Guard`](super::Guard) gives.
#[derive(Debug, Default)]
pub struct OneOpen {
    /// The block that may grow now.
    current: Option<u32>,
    /// Blocks that wait, in the order they began.
    waiting: VecDeque<Waiting>,
    /// Number of the current block on the client's side.
    number: u32,
    /// Blocks begun on the client's side.
    begun: u32,
}

#[derive(Debug)]
struct Waiting {
    index: u32,
    /// `BlockStart` and the deltas so far.
    events: Vec<Event<'static>>,
    stopped: bool,
}

impl OneOpen {
    /// Passes `event` on now or later, as the order allows.
    pub fn push(&mut self, event: Event<'_>, sink: &mut Sink<'_>) {
        match event {
            Event::BlockStart { choice: 0, index, block } => {
                if self.current.is_none() {
                    self.begin(index, block, sink);
                } else {
                    let start = Event::BlockStart { index, choice: 0, block: block.into_owned() };
                    self.waiting.push_back(Waiting { index, events: vec![start], stopped: false });
                }
            }
            Event::BlockStart { .. } => {}
            Event::Delta { index, delta } => {
                if self.current == Some(index) {
                    sink(Event::Delta { index: self.number, delta });
                } else if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.index == index) {
                    waiting.add(index, delta);
                }
            }
            Event::BlockStop { index } => {
                if self.current == Some(index) {
                    self.current = None;
                    sink(Event::BlockStop { index: self.number });
                    self.advance(sink);
                } else if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.index == index) {
                    waiting.stopped = true;
                }
            }
            Event::Finish { choice: 1.., .. } => {}
            other => sink(other),
        }
    }

    fn begin(&mut self, index: u32, block: BlockStart<'_>, sink: &mut Sink<'_>) {
        self.current = Some(index);
        self.number = self.begun;
        self.begun += 1;
        sink(Event::BlockStart { index: self.number, choice: 0, block });
    }

    /// Lets the waiting blocks go, up to and including the first that has not stopped.
    fn advance(&mut self, sink: &mut Sink<'_>) {
        while self.current.is_none() {
            let Some(waiting) = self.waiting.pop_front() else { return };
            for event in waiting.events {
                match event {
                    Event::BlockStart { index, block, .. } => self.begin(index, block, sink),
                    Event::Delta { delta, .. } => sink(Event::Delta { index: self.number, delta }),
                    _ => {}
                }
            }
            if waiting.stopped {
                self.current = None;
                sink(Event::BlockStop { index: self.number });
            }
        }
    }
}

impl Waiting {
    /// Keeps a delta; text that follows text is put together, so that a long block stays small.
    fn add(&mut self, index: u32, delta: Delta<'_>) {
        match (self.events.last_mut(), &delta) {
            (Some(Event::Delta { delta: Delta::Text(kept), .. }), Delta::Text(more))
            | (Some(Event::Delta { delta: Delta::Input(kept), .. }), Delta::Input(more)) => {
                let mut text = std::mem::take(kept).0.into_owned();
                text.push_str(more);
                *kept = Str::from(text);
            }
            _ => self.events.push(Event::Delta { index, delta: delta.into_owned() }),
        }
    }
}
