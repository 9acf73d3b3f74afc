//! The events of an answer that goes on, as events of the answer that the client has begun to read.

use super::{Seam, Transcript, Way};
use crate::Dialect;
use crate::ir::stream::{BlockStart, Delta, Sink};
use crate::ir::{Event, LossKind, Losses, Signature};
use crate::json::Str;

/// Stands between the decoder of the one who goes on and the writer of the client's stream. Give it guarded events.
#[derive(Debug)]
pub struct Joint {
    /// The client's text block that is open.
    open: Option<u32>,
    /// Number of the client's next block.
    next: u32,
    seam: Seam,
    /// The client's thought that is open, and whether the lack of its seal must be told.
    thought: Option<(u32, bool)>,
    /// Whether the target was asked anew: its thoughts are the answer's.
    anew: bool,
    /// The block whose text goes on with the client's; `None` before it begins.
    text: Option<u32>,
    /// Other blocks: theirs, and ours.
    blocks: Vec<(u32, u32)>,
    /// Whether a block began that is neither text nor thought: the text has its end.
    settled: bool,
    losses: Losses,
}

impl Joint {
    /// Goes on after `transcript`, in the way of the target.
    pub fn new(transcript: &Transcript, way: Way) -> Self {
        Joint {
            open: transcript.open(),
            next: transcript.next(),
            seam: Seam::new(transcript.said(), way == Way::Loose),
            thought: transcript.thought().map(|thought| (thought.index, thought.shown && !thought.sealed)),
            anew: way == Way::Anew,
            text: None,
            blocks: Vec::new(),
            settled: false,
            losses: Losses::default(),
        }
    }

    /// What found no place in the client's stream.
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// Passes an event on as one of the client's stream. The caller sees to [`Event::Usage`].
    pub fn push(&mut self, event: Event<'_>, sink: &mut Sink<'_>) {
        if !matches!(event, Event::Start { .. } | Event::Error(_) | Event::Usage(_) | Event::Ping) {
            self.leave_thought(sink);
        }
        // Before its first text.
        let begins = self.text.is_none() && !self.settled;
        match event {
            // The client has its beginning, and one answer.
            Event::Start { .. } | Event::BlockStart { choice: 1.., .. } | Event::Finish { choice: 1.., .. } => {}
            Event::BlockStart { index, block: BlockStart::Text, .. } if begins => self.text = Some(index),
            // In the middle of a text there is no place for them.
            Event::BlockStart { block: BlockStart::Reasoning { .. }, .. } if begins && !self.anew => {
                self.losses.add("continuation.reasoning", LossKind::Dropped);
            }
            Event::BlockStart { index, block, .. } => {
                self.settled |= !matches!(block, BlockStart::Reasoning { .. });
                self.rest(sink);
                self.close(sink);
                let ours = self.begin(block, sink);
                self.blocks.push((index, ours));
            }
            Event::Delta { index, delta } if self.text == Some(index) => self.grow(delta, sink),
            Event::Delta { index, delta } => {
                if let Some(ours) = self.ours(index) {
                    sink(Event::Delta { index: ours, delta });
                }
            }
            Event::BlockStop { index } if self.text == Some(index) => {
                self.rest(sink);
                self.close(sink);
            }
            Event::BlockStop { index } => {
                if let Some(ours) = self.ours(index) {
                    sink(Event::BlockStop { index: ours });
                }
            }
            Event::Finish { .. } | Event::End => {
                self.rest(sink);
                self.close(sink);
                sink(event);
            }
            // What is held back then may be a repetition, or half of one: the next one who goes on says it again.
            Event::Error(_) | Event::Usage(_) | Event::Ping => sink(event),
        }
    }

    /// Ends the thought that broke off, as it is. Its seal was lost with the rest of it; that is said, so that nobody takes
    /// it for one that needs none.
    fn leave_thought(&mut self, sink: &mut Sink<'_>) {
        let Some((index, is_unsealed)) = self.thought.take() else { return };
        if is_unsealed {
            let none = Signature { issuer: Dialect::OpenAiChat, value: Str::from("") };
            sink(Event::Delta { index, delta: Delta::Signature(none) });
        }
        sink(Event::BlockStop { index });
    }

    /// Text that was held back and is no repetition, as nothing more comes.
    fn rest(&mut self, sink: &mut Sink<'_>) {
        let Joint { open, next, seam, .. } = self;
        seam.finish(&mut |new| say(new, open, next, sink));
    }

    fn grow(&mut self, delta: Delta<'_>, sink: &mut Sink<'_>) {
        let Joint { open, next, seam, losses, .. } = self;
        match (delta, *open) {
            (Delta::Text(text), _) => seam.push(&text, &mut |new| say(new, open, next, sink)),
            (delta @ Delta::Citation { dialect: Dialect::Anthropic, .. }, Some(index)) => {
                sink(Event::Delta { index, delta });
            }
            // Their places count from where this part of the text began.
            (Delta::Citation { .. }, _) => losses.add("continuation.citations", LossKind::Dropped),
            (delta @ Delta::Logprobs { .. }, Some(index)) => sink(Event::Delta { index, delta }),
            // A seal is of one model's own text, and this is not.
            _ => {}
        }
    }

    fn ours(&self, theirs: u32) -> Option<u32> {
        self.blocks.iter().find(|(index, _)| *index == theirs).map(|(_, ours)| *ours)
    }

    fn begin(&mut self, block: BlockStart<'_>, sink: &mut Sink<'_>) -> u32 {
        let index = self.next;
        self.next = self.next.saturating_add(1);
        sink(Event::BlockStart { index, choice: 0, block });
        index
    }

    fn close(&mut self, sink: &mut Sink<'_>) {
        if let Some(index) = self.open.take() {
            sink(Event::BlockStop { index });
        }
    }
}

/// Adds to the open text, and opens one if there is none.
fn say(new: &str, open: &mut Option<u32>, next: &mut u32, sink: &mut Sink<'_>) {
    if new.is_empty() {
        return;
    }
    let index = *open.get_or_insert_with(|| {
        let index = *next;
        *next = next.saturating_add(1);
        sink(Event::BlockStart { index, choice: 0, block: BlockStart::Text });
        index
    });
    sink(Event::Delta { index, delta: Delta::Text(Str::from(new)) });
}
