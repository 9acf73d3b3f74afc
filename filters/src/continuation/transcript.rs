//! What the client has of an answer.

use super::Passed;
use crate::ir::Event;
use crate::ir::stream::{BlockStart, Delta};

/// Why an answer cannot be gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Text was said, and no target of the route goes on from a text.
    Text,
    /// A tool was called, or a call has begun.
    Call,
    /// The model declines.
    Refusal,
    /// A medium, or a part that only one dialect knows.
    Part,
    /// There are several alternatives.
    Alternatives,
    /// It is longer than what is kept.
    TooLong,
    /// Its bytes passed unread.
    Unread,
}

impl Obstacle {
    /// The name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Obstacle::Text => "text",
            Obstacle::Call => "call",
            Obstacle::Refusal => "refusal",
            Obstacle::Part => "part",
            Obstacle::Alternatives => "alternatives",
            Obstacle::TooLong => "too_long",
            Obstacle::Unread => "unread",
        }
    }
}

/// A thought that is open: if the answer breaks off now, it stays without an end.
#[derive(Debug)]
pub(crate) struct Thought {
    /// The block.
    pub(crate) index: u32,
    /// Its words, part by part, as far as the end of its item repeats them (Responses, where bytes pass).
    pub(crate) parts: Vec<String>,
    /// Whether the client has anything of it.
    pub(crate) shown: bool,
    /// Whether its seal came.
    pub(crate) sealed: bool,
}

/// Gathers what the client has from the events that were written for it: one copy of the text, and of the thought that is
/// open where it will be wanted.
#[derive(Debug)]
pub struct Transcript {
    bytes_max: usize,
    said: String,
    /// The text block that is open, and where its text begins in `said`.
    open: Option<(u32, usize)>,
    thought: Option<Thought>,
    /// Bytes of the open thought that are kept.
    thought_bytes: usize,
    /// Whether anybody could go on from a text.
    goes_on: bool,
    next: u32,
    id: Option<String>,
    model: Option<String>,
    obstacle: Option<Obstacle>,
    finished: bool,
    /// What a client of the provider's own dialect saw beside the text.
    pub(crate) passed: Option<Passed>,
}

impl Transcript {
    /// Keeps at most `bytes_max` bytes of text.
    pub fn new(bytes_max: usize) -> Self {
        Transcript {
            bytes_max,
            said: String::new(),
            open: None,
            thought: None,
            thought_bytes: 0,
            goes_on: true,
            next: 0,
            id: None,
            model: None,
            obstacle: None,
            finished: false,
            passed: None,
        }
    }

    /// One for a route on which nobody goes on from a text: an answer can only begin anew, before its first word.
    pub fn until_text(bytes_max: usize) -> Self {
        Transcript { goes_on: false, ..Transcript::new(bytes_max) }
    }

    /// Takes note of one event that the client gets.
    pub fn see(&mut self, event: &Event<'_>) {
        if self.obstacle.is_some() {
            return;
        }
        match event {
            Event::Start { id, model } => {
                self.id = id.as_ref().map(|id| id.as_str().to_owned());
                self.model = model.as_ref().map(|model| model.as_str().to_owned());
            }
            Event::BlockStart { choice: 1.., .. } | Event::Finish { choice: 1.., .. } => {
                self.meet(Obstacle::Alternatives);
            }
            Event::BlockStart { index, block, .. } => self.block(*index, block),
            Event::Delta { index, delta: Delta::Text(text) } if self.open.is_some_and(|(open, _)| open == *index) => {
                if !self.goes_on && !text.trim().is_empty() {
                    return self.meet(Obstacle::Text);
                }
                if self.said.len() + text.len() > self.bytes_max {
                    return self.meet(Obstacle::TooLong);
                }
                self.said.push_str(text);
            }
            Event::Delta { index, delta } => self.think(*index, delta),
            Event::BlockStop { index } => {
                self.open = self.open.filter(|(open, _)| open != index);
                self.thought = self.thought.take().filter(|open| open.index != *index);
            }
            Event::Finish { .. } => self.finished = true,
            Event::Usage(_) | Event::End | Event::Error(_) | Event::Ping => {}
        }
    }

    fn block(&mut self, index: u32, block: &BlockStart<'_>) {
        self.next = index.saturating_add(1);
        match block {
            // Two open texts have no one end to go on from.
            BlockStart::Text if self.open.is_some() => self.meet(Obstacle::Part),
            BlockStart::Text => self.open = Some((index, self.said.len())),
            // Two open thoughts would be two items, of which one is known.
            BlockStart::Reasoning { .. } if self.thought.is_some() => self.meet(Obstacle::Part),
            BlockStart::Reasoning { .. } => {
                self.thought = Some(Thought { index, parts: Vec::new(), shown: false, sealed: false });
                self.thought_bytes = 0;
            }
            BlockStart::ToolUse { .. } => self.meet(Obstacle::Call),
            BlockStart::Refusal => self.meet(Obstacle::Refusal),
            BlockStart::Image(_) | BlockStart::Opaque { .. } => self.meet(Obstacle::Part),
        }
    }

    fn think(&mut self, index: u32, delta: &Delta<'_>) {
        let Some(thought) = self.thought.as_mut().filter(|thought| thought.index == index) else { return };
        let repeated = self.passed.as_ref().is_some_and(Passed::repeats_thoughts);
        match delta {
            Delta::Text(text) => {
                thought.shown |= !text.is_empty();
                if repeated {
                    self.thought_bytes = self.thought_bytes.saturating_add(text.len());
                    match thought.parts.last_mut() {
                        Some(part) => part.push_str(text),
                        None => thought.parts.push(text.to_string()),
                    }
                }
            }
            Delta::NextPart if repeated => {
                self.thought_bytes = self.thought_bytes.saturating_add(size_of::<String>());
                if thought.parts.is_empty() {
                    thought.parts.push(String::new());
                }
                thought.parts.push(String::new());
            }
            Delta::Signature(seal) => thought.sealed = !seal.value.is_empty(),
            _ => {}
        }
        if self.thought_bytes > self.bytes_max {
            self.meet(Obstacle::TooLong);
        }
    }

    /// Nothing is kept any more.
    pub(crate) fn meet(&mut self, obstacle: Obstacle) {
        self.obstacle = Some(obstacle);
        self.said = String::new();
        self.thought = None;
        self.passed = None;
    }

    /// What only the bytes told is the encoder's from here on.
    pub(crate) fn hand_over(&mut self) {
        let Some(passed) = self.passed.take() else { return };
        if let Some(thought) = &mut self.thought {
            thought.shown |= passed.is_thought_open();
            thought.parts = Vec::new();
        }
    }

    /// Why the answer cannot be gone on with; `None` when it can.
    pub fn obstacle(&self) -> Option<Obstacle> {
        let passed = self.passed.as_ref().and_then(Passed::obstacle);
        self.obstacle.or(passed)
    }

    /// Whether the answer has its reason to end: only its last event may be missing.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// All text so far.
    pub fn said(&self) -> &str {
        &self.said
    }

    /// The text block that is open.
    pub fn open(&self) -> Option<u32> {
        self.open.map(|(index, _)| index)
    }

    /// Text of the open block so far.
    pub fn said_in_open(&self) -> &str {
        self.open.and_then(|(_, from)| self.said.get(from..)).unwrap_or_default()
    }

    /// The thought that is open.
    pub(crate) fn thought(&self) -> Option<&Thought> {
        self.thought.as_ref()
    }

    /// Number of the next block.
    pub fn next(&self) -> u32 {
        self.next
    }

    /// The provider's id of the answer.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The model as the provider named it.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }
}
