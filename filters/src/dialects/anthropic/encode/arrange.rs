//! Conversations of other dialects in the shape that the provider demands: user and assistant in turn, beginning with
//! the user; every call answered at the start of the very next message; nothing empty.

use std::collections::{HashMap, HashSet, VecDeque};

pub(super) use super::items::{Item, Message};
use super::items::{Mark, mark, sent_name};
use super::media::{Medium, Unsayable};
use super::words::Words;
use crate::Dialect;
use crate::dialects::anthropic::own;
use crate::dialects::{EncodeError, Target};
use crate::ir::LossKind::{Approximated, Dropped};
use crate::ir::{Block, BlockKind, Losses, Media, MediaSource, ReplyNotes, Role, ToolResult, Turn};
use crate::repair::Repairs;

/// What the model is told of a call that was never answered.
const UNANSWERED: &str = "The tool call was not answered.";
/// What stands where a conversation begins with the model's words.
const OPENING: &str = "(The conversation begins with the assistant.)";

/// What planning a conversation collects.
pub(super) struct Arranger<'r, 'n> {
    pub(super) words: Words,
    repairs: Repairs,
    /// Whether the provider takes thoughts that nobody sealed.
    unsealed: bool,
    /// Whether the next item begins a message of its own.
    fresh: bool,
    pub(super) losses: &'n mut Losses,
    pub(super) notes: &'n mut ReplyNotes,
    messages: Vec<Message<'r>>,
}

impl<'r, 'n> Arranger<'r, 'n> {
    pub(super) fn new(words: Words, target: &Target, losses: &'n mut Losses, notes: &'n mut ReplyNotes) -> Self {
        let (repairs, unsealed) = (target.repairs, target.quirks.reasoning_content);
        Arranger { words, repairs, unsealed, fresh: false, losses, notes, messages: Vec::new() }
    }

    /// The messages of `turns`, which hold no leading system turns.
    pub(super) fn arrange(mut self, turns: &'r [Turn<'r>]) -> Result<Vec<Message<'r>>, EncodeError> {
        for turn in turns {
            self.turn_members(turn);
            self.fresh = !self.repairs.turns;
            for block in &turn.blocks {
                self.block(turn.role, block)?;
            }
        }
        let mut messages = self.pair();
        if !self.repairs.turns {
            return Ok(messages);
        }
        if messages.first().is_some_and(|message| message.assistant) {
            self.losses.add(self.words.turn(), Approximated);
            messages.insert(0, Message { assistant: false, items: vec![Item::said(OPENING)] });
        }
        trim_prefill(&mut messages);
        Ok(messages)
    }

    /// The text blocks of the leading system turns.
    pub(super) fn system(&mut self, turns: &'r [Turn<'r>]) -> Vec<Item<'r>> {
        let mut items = Vec::new();
        for turn in turns {
            self.turn_members(turn);
            for block in &turn.blocks {
                self.losses.drop_extra(&self.words.block(""), &block.extra);
                match &block.kind {
                    BlockKind::Text { text, .. } if self.is_nothing(text) => {}
                    BlockKind::Text { text, .. } => {
                        items.push(Item::Text { text: text.as_str().into(), cache: mark(block.cache.as_ref()) });
                    }
                    _ => self.losses.add(self.words.block(""), Dropped),
                }
            }
        }
        items
    }

    fn turn_members(&mut self, turn: &Turn<'_>) {
        self.losses.drop_extra(self.words.turn(), &turn.extra);
        if turn.name.is_some() {
            self.losses.add(format!("{}.name", self.words.turn()), Dropped);
        }
    }

    /// Adds an item to the last message, or to a new one when the other side speaks.
    fn push(&mut self, assistant: bool, item: Item<'r>) {
        push(&mut self.messages, assistant, &mut self.fresh, item);
    }

    /// Whether the text is left out: blank text says nothing, and the provider refuses it.
    fn is_nothing(&self, text: &str) -> bool {
        self.repairs.empty_parts && text.trim().is_empty()
    }

    fn call_id(&self, id: &str) -> String {
        if self.repairs.names { own::call_id(id).into_owned() } else { id.to_owned() }
    }

    fn block(&mut self, role: Role, block: &'r Block<'r>) -> Result<(), EncodeError> {
        self.losses.drop_extra(&self.words.block(""), &block.extra);
        let assistant = role == Role::Assistant;
        let cache = mark(block.cache.as_ref());
        match &block.kind {
            BlockKind::Text { text, citations } => {
                if citations.as_ref().is_some_and(|list| !matches!(list.get(), "null" | "[]")) {
                    self.losses.add(self.words.block("annotations"), Dropped);
                }
                if !self.is_nothing(text) {
                    if role.is_system() {
                        self.losses.add(format!("{}.role", self.words.turn()), Approximated);
                    }
                    self.push(assistant, Item::Text { text: text.as_str().into(), cache });
                }
            }
            BlockKind::Refusal { text } => {
                self.losses.add(self.words.block("refusal"), Approximated);
                if !self.is_nothing(text) {
                    self.push(true, Item::Text { text: text.as_str().into(), cache });
                }
            }
            BlockKind::Image(media) => self.medium(assistant, Medium::image(media), block)?,
            BlockKind::File(media) => self.medium(assistant, Medium::document(media), block)?,
            BlockKind::Audio(_) => {
                self.medium(assistant, Err("the target hears no audio: send a transcript"), block)?;
            }
            BlockKind::Video(_) => self.medium(assistant, Err("the target sees no video: send pictures"), block)?,
            BlockKind::ToolUse(call) => {
                let name = sent_name(&call.name, self.repairs, self.notes);
                if own::input(call, false, &mut crate::json::Writer::new(&mut Vec::new()))
                    && call.kind == crate::ir::ToolUseKind::Function
                {
                    self.losses.add(self.words.arguments(), Approximated);
                }
                let id = self.call_id(&call.id);
                self.push(true, Item::Call { of: &call.id, id, name, call, cache });
            }
            BlockKind::ToolResult(result) => {
                let item = self.result(result, cache)?;
                self.push(false, item);
            }
            BlockKind::Reasoning(_) if own::is_sendable(block, self.unsealed) => self.push(true, Item::Thought(block)),
            BlockKind::Reasoning(_) => self.losses.add(self.words.block("reasoning"), Dropped),
            BlockKind::Opaque { dialect: Dialect::Anthropic, raw } => self.push(assistant, Item::Own(raw)),
            BlockKind::Opaque { .. } => self.losses.add(self.words.block(""), Dropped),
        }
        Ok(())
    }

    /// A medium. What the user showed must not vanish from the question; what the model showed may.
    fn medium(
        &mut self,
        assistant: bool,
        medium: Result<Medium<'r>, Unsayable>,
        block: &'r Block<'r>,
    ) -> Result<(), EncodeError> {
        match medium {
            Ok(medium) if !assistant => {
                self.push(false, Item::Medium { medium, cache: mark(block.cache.as_ref()) });
                Ok(())
            }
            Err(reason) if !assistant => Err(EncodeError::at(self.words.block(""), reason)),
            _ => {
                self.losses.add(self.words.block(""), Dropped);
                Ok(())
            }
        }
    }

    fn result(&mut self, result: &'r ToolResult<'r>, cache: Mark<'r>) -> Result<Item<'r>, EncodeError> {
        let mut content = Vec::new();
        for block in &result.content {
            self.losses.drop_extra(&self.words.block(""), &block.extra);
            let cache = mark(block.cache.as_ref());
            let medium = match &block.kind {
                BlockKind::Text { text, .. } => {
                    if !self.is_nothing(text) {
                        content.push(Item::Text { text: text.as_str().into(), cache });
                    }
                    continue;
                }
                BlockKind::Opaque { dialect: Dialect::Anthropic, raw } => {
                    content.push(Item::Own(raw));
                    continue;
                }
                BlockKind::Image(media) => Some((media, Medium::image(media))),
                BlockKind::File(media) => Some((media, Medium::document(media))),
                _ => None,
            };
            match medium {
                Some((_, Ok(medium))) => content.push(Item::Medium { medium, cache }),
                Some((Media { source: MediaSource::FileId(_), .. }, Err(reason))) => {
                    return Err(EncodeError::at(self.words.block("tool_result"), reason));
                }
                _ => self.losses.add(self.words.block(""), Dropped),
            }
        }
        let is_error = result.is_error == Some(true);
        if is_error && content.is_empty() {
            // An error without a word is refused.
            content.push(Item::said("The tool failed."));
        }
        Ok(Item::Result { of: &result.id, id: self.call_id(&result.id), content, is_error, cache })
    }

    /// Puts every call's answer at the start of the next message: its own wherever it stood behind the call, else an
    /// error. Results that answer no call become the user's text in their place.
    fn pair(&mut self) -> Vec<Message<'r>> {
        let messages = std::mem::take(&mut self.messages);
        let mut waiting: HashMap<&'r str, VecDeque<(usize, usize)>> = HashMap::new();
        let mut slots: Vec<(bool, Vec<Option<Item<'r>>>)> = Vec::with_capacity(messages.len());
        for (m, message) in messages.into_iter().enumerate() {
            for (i, item) in message.items.iter().enumerate() {
                if let Item::Result { of, .. } = item {
                    waiting.entry(of).or_default().push_back((m, i));
                }
            }
            slots.push((message.assistant, message.items.into_iter().map(Some).collect()));
        }
        let mut paired: Vec<Message<'r>> = Vec::with_capacity(slots.len() + 1);
        let mut used: HashSet<String> = HashSet::new();
        let mut answers: Vec<Item<'r>> = Vec::new();
        for m in 0..slots.len() {
            let Some((assistant, row)) = slots.get_mut(m).map(|(assistant, row)| (*assistant, std::mem::take(row)))
            else {
                continue;
            };
            let mut fresh = !self.repairs.turns;
            for answer in answers.drain(..) {
                push(&mut paired, false, &mut fresh, answer);
            }
            fresh = !self.repairs.turns;
            for item in row.into_iter().flatten() {
                match item {
                    Item::Call { of, id, name, call, cache } => {
                        let id = if self.repairs.names { unique(id, &mut used) } else { id };
                        answers.extend(self.answer(of, &id, m, &mut waiting, &mut slots));
                        push(&mut paired, assistant, &mut fresh, Item::Call { of, id, name, call, cache });
                    }
                    Item::Result { of, content, .. } if self.repairs.orphans => {
                        self.losses.add(self.words.block("tool_result"), Approximated);
                        push(&mut paired, assistant, &mut fresh, Item::said(format!("Result of the tool call {of}:")));
                        for item in content {
                            push(&mut paired, assistant, &mut fresh, item);
                        }
                    }
                    item => push(&mut paired, assistant, &mut fresh, item),
                }
            }
        }
        let mut fresh = !self.repairs.turns;
        for answer in answers {
            push(&mut paired, false, &mut fresh, answer);
        }
        paired
    }

    /// The answer to a call in message `m`: the first one behind it that no other call took, else an error.
    fn answer(
        &mut self,
        of: &'r str,
        sent: &str,
        m: usize,
        waiting: &mut HashMap<&'r str, VecDeque<(usize, usize)>>,
        slots: &mut [(bool, Vec<Option<Item<'r>>>)],
    ) -> Option<Item<'r>> {
        let queue = waiting.get_mut(of);
        let found = queue.and_then(|queue| {
            while queue.front().is_some_and(|(at, _)| *at <= m) {
                queue.pop_front();
            }
            let (at, i) = queue.pop_front()?;
            slots.get_mut(at)?.1.get_mut(i)?.take()
        });
        if let Some(Item::Result { content, is_error, cache, .. }) = found {
            return Some(Item::Result { of, id: sent.to_owned(), content, is_error, cache });
        }
        if !self.repairs.orphans {
            return None;
        }
        self.losses.add(self.words.block("tool_result"), Approximated);
        let content = vec![Item::said(UNANSWERED)];
        Some(Item::Result { of, id: sent.to_owned(), content, is_error: true, cache: None })
    }
}

/// Adds an item to the last message, or to a new one when it is `fresh` or the other side speaks.
fn push<'r>(messages: &mut Vec<Message<'r>>, assistant: bool, fresh: &mut bool, item: Item<'r>) {
    let alone = std::mem::take(fresh);
    match messages.last_mut().filter(|message| !alone && message.assistant == assistant) {
        Some(message) => message.items.push(item),
        None => messages.push(Message { assistant, items: vec![item] }),
    }
}

/// An id that no earlier call of the conversation has.
fn unique(id: String, used: &mut HashSet<String>) -> String {
    let mut unique = id.clone();
    // Ends within as many rounds as there are ids.
    for n in 2..=used.len() + 2 {
        if !used.contains(&unique) {
            break;
        }
        unique = format!("{id}_{n}");
    }
    used.insert(unique.clone());
    unique
}

/// The begun answer at the end must not end in white space.
fn trim_prefill(messages: &mut Vec<Message<'_>>) {
    let Some(last) = messages.last_mut().filter(|message| message.assistant) else { return };
    if let Some(Item::Text { text, .. }) = last.items.last_mut() {
        let kept = text.trim_end().len();
        match text {
            std::borrow::Cow::Borrowed(part) => *text = part.get(..kept).unwrap_or_default().into(),
            std::borrow::Cow::Owned(whole) => whole.truncate(kept),
        }
    }
}
