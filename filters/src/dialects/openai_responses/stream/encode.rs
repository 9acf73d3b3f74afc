//! Events to server-sent events.
//!
//! Items begin late: a message when its first text comes, reasoning when it has words or a seal. So nothing empty is ever
//! told, which some clients refuse. Text blocks that follow each other are parts of one message.

use crate::Dialect;
use crate::dialects::openai_responses::echo::{self, Frame, Status, written};
use crate::dialects::openai_responses::response::{
    annotations, call_item, call_prefix, carrier_item, image_item, lost_medium, lost_part, malformed, media_note,
    message_item, reasoning_item, refusal_part, status, text_part,
};
use crate::dialects::openai_responses::{DIALECT, notes, seal};
use crate::dialects::read_logprobs;
use crate::ir::stream::{BlockStart, Delta, OneOpen};
use crate::ir::{
    ApiError, ErrorKind, Event, LossKind, Losses, Media, MediaSource, ReasoningBlock, ReplyContext, Signature,
    StopReason, ToolUse, ToolUseKind, Usage,
};
use crate::json::{Raw, Str, Writer};
use crate::sse;

/// Bytes of finished items kept for the last event, which repeats them all. Inline pictures are the largest known.
const OUTPUT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Writes a streamed answer.
pub struct StreamEncoder {
    order: OneOpen,
    state: State,
}

impl StreamEncoder {
    /// An encoder of the answer to `context.request`.
    pub fn new(context: ReplyContext) -> Self {
        let frame = Frame::new(&context);
        let sequence = context.sequence;
        let state = State {
            context,
            frame,
            begun: false,
            ended: false,
            sequence,
            ids: 0,
            items: Vec::new(),
            bytes: 0,
            open: Open::Nothing,
            seal: None,
            usage: None,
            stop: StopReason::Other,
            note: None,
            refused: false,
            skips: false,
            losses: Losses::default(),
        };
        StreamEncoder { order: OneOpen::default(), state }
    }

    /// One guarded IR event → SSE bytes appended to `out`. After End/Error it has written the dialect's terminal.
    pub fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        let state = &mut self.state;
        if let Event::BlockStart { choice: 1.., .. } = event {
            // Told here, because only the first alternative comes through.
            state.losses.add("n", LossKind::Dropped);
        }
        self.order.push(event, &mut |event| state.event(event, out));
    }

    /// What the dialect could not say so far.
    pub fn losses(&self) -> &Losses {
        &self.state.losses
    }
}

struct State {
    context: ReplyContext,
    frame: Frame,
    begun: bool,
    ended: bool,
    sequence: u64,
    /// Ids made so far.
    ids: u64,
    /// Finished items as JSON; the next item's `output_index` is their number.
    items: Vec<Vec<u8>>,
    /// Their bytes, and those of the open item.
    bytes: usize,
    open: Open,
    /// Seal of the open block.
    seal: Option<Signature<'static>>,
    usage: Option<Usage<'static>>,
    stop: StopReason,
    note: Option<String>,
    refused: bool,
    /// Whether the open block is one of another alternative, which this dialect has no place for.
    skips: bool,
    losses: Losses,
}

/// The item that may grow.
enum Open {
    Nothing,
    Message(Message),
    Call { id: String, call: ToolUse<'static>, input: String },
    Reasoning(Thoughts),
}

struct Message {
    /// Empty until the item was told.
    id: String,
    /// Finished parts as JSON.
    parts: Vec<Vec<u8>>,
    /// Whether the block that grows is a refusal.
    refusal: bool,
    /// Whether its part was told.
    part: bool,
    text: String,
    annotations: Vec<Vec<u8>>,
    /// Log probabilities of the part, each as JSON.
    logprobs: Vec<Vec<u8>>,
}

struct Thoughts {
    /// Empty until the item was told.
    id: String,
    block: ReasoningBlock<'static>,
    /// Whether the last part of the summary was told and may grow.
    part: bool,
}

impl State {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        if self.bytes > OUTPUT_BYTES_MAX && !matches!(event, Event::Error(_)) {
            let words = format!("the answer is longer than {OUTPUT_BYTES_MAX} bytes, which is all that can be kept");
            return self.fail(&ApiError::new(ErrorKind::BadGateway, words), out);
        }
        match event {
            Event::Start { id, model } => {
                self.frame.adopt(id.as_deref(), model.as_deref());
                self.begin(out);
            }
            Event::BlockStart { choice: 1.., .. } => self.skips = true,
            Event::BlockStop { .. } if self.skips => self.skips = false,
            Event::Delta { .. } if self.skips => {}
            Event::Finish { choice: 1.., .. } => {}
            Event::BlockStart { block, .. } => self.block(block, out),
            Event::Delta { delta, .. } => self.delta(delta, out),
            Event::BlockStop { .. } => self.stop(out),
            Event::Usage(usage) => self.usage = Some(usage.into_owned()),
            Event::Finish { stop, note, stop_sequence, .. } => {
                self.losses.stop(stop, stop_sequence.is_some());
                self.stop = stop;
                self.note = note.map(|note| note.as_str().to_owned());
            }
            Event::End => self.end(out),
            Event::Error(error) => self.fail(&error, out),
            Event::Ping => sse::comment(out, "ping"),
        }
    }

    /// Appends an event: its name, its number, then what `members` writes.
    fn emit(&mut self, out: &mut Vec<u8>, name: &str, members: impl FnOnce(&mut Writer<'_>)) {
        let sequence = self.sequence;
        self.sequence += 1;
        sse::event(out, name, |out| {
            Writer::new(out).object(|w| {
                w.key("type").str(name);
                w.key("sequence_number").u64(sequence);
                members(w);
            });
        });
    }

    /// Appends an event of the open item.
    fn emit_item(&mut self, out: &mut Vec<u8>, name: &str, id: &str, members: impl FnOnce(&mut Writer<'_>)) {
        let at = self.items.len() as u64;
        self.emit(out, name, |w| {
            w.key("item_id").str(id);
            w.key("output_index").u64(at);
            members(w);
        });
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        for name in ["response.created", "response.in_progress"] {
            let object = written(|w| self.frame.write(w, Status::InProgress, &[], |w| echo::usage(w, None)));
            self.emit(out, name, |w| w.key("response").written(&object));
        }
    }

    fn next_id(&mut self, prefix: &str) -> String {
        self.ids += 1;
        self.context.id(prefix, self.ids)
    }

    /// Tells that an item begins, in its first form.
    fn add(&mut self, out: &mut Vec<u8>, item: &[u8]) {
        let at = self.items.len() as u64;
        self.emit(out, "response.output_item.added", |w| {
            w.key("output_index").u64(at);
            w.key("item").written(item);
        });
    }

    /// Tells that an item is whole, and keeps it for the last event.
    fn done(&mut self, out: &mut Vec<u8>, item: Vec<u8>) {
        let at = self.items.len() as u64;
        self.emit(out, "response.output_item.done", |w| {
            w.key("output_index").u64(at);
            w.key("item").written(&item);
        });
        self.bytes = self.bytes.saturating_add(item.len());
        self.items.push(item);
    }

    fn block(&mut self, block: BlockStart<'_>, out: &mut Vec<u8>) {
        self.begin(out);
        self.seal = None;
        match block {
            BlockStart::Text => self.message(false, out),
            BlockStart::Refusal => self.message(true, out),
            BlockStart::Reasoning { redacted, id } => {
                self.close_message(out);
                let block = ReasoningBlock { text: Vec::new(), redacted, id: id.map(Str::into_owned) };
                self.open = Open::Reasoning(Thoughts { id: String::new(), block, part: false });
            }
            BlockStart::ToolUse { id, name, kind } => {
                self.close_message(out);
                let call = ToolUse { id: id.into_owned(), name: name.into_owned(), input: Str::from(""), kind };
                let id = self.next_id(call_prefix(kind));
                let item = written(|w| call_item(w, &id, &call, &self.frame.names, "", "in_progress"));
                self.add(out, &item);
                self.open = Open::Call { id, call, input: String::new() };
            }
            BlockStart::Image(media) => self.image(&media, out),
            BlockStart::Opaque { dialect, raw } => {
                self.close_message(out);
                if dialect == DIALECT {
                    let item = raw.get().as_bytes().to_vec();
                    self.add(out, &item);
                    self.done(out, item);
                } else {
                    self.losses.add(lost_part(dialect, &raw), LossKind::Dropped);
                }
            }
        }
    }

    fn image(&mut self, media: &Media<'_>, out: &mut Vec<u8>) {
        let is_picture = media.mime.as_deref().is_none_or(|mime| mime.starts_with("image/"));
        if let (MediaSource::Base64(data), true) = (&media.source, is_picture) {
            self.close_message(out);
            let id = self.next_id("ig_");
            let item = written(|w| image_item(w, &id, data));
            self.add(out, &item);
            self.done(out, item);
        } else {
            self.losses.add(lost_medium(media), LossKind::Approximated);
            self.message(false, out);
            self.text(&media_note(media), out);
            self.close_part(out);
        }
    }

    /// A text or refusal block begins: it is the next part of the message.
    fn message(&mut self, refusal: bool, out: &mut Vec<u8>) {
        match &mut self.open {
            Open::Message(message) => message.refusal = refusal,
            _ => {
                self.close_message(out);
                self.open = Open::Message(Message {
                    id: String::new(),
                    parts: Vec::new(),
                    refusal,
                    part: false,
                    text: String::new(),
                    annotations: Vec::new(),
                    logprobs: Vec::new(),
                });
            }
        }
    }

    fn delta(&mut self, delta: Delta<'_>, out: &mut Vec<u8>) {
        match (delta, &mut self.open) {
            (Delta::Text(text), Open::Message(_)) => self.text(&text, out),
            (Delta::Text(text), Open::Reasoning(_)) => self.think(&text, out),
            (Delta::NextPart, Open::Reasoning(_)) => self.next_part(out),
            (Delta::Input(text), Open::Call { .. }) => self.input(&text, out),
            (Delta::Signature(signature), _) => self.seal = Some(signature.into_owned()),
            (Delta::Citation { dialect, raw }, Open::Message(_)) => self.cite(dialect, &raw, out),
            (Delta::Logprobs { dialect, raw }, Open::Message(message)) if !message.refusal => {
                self.weigh(dialect, &raw, out);
            }
            (Delta::Citation { .. }, _) => self.losses.add("citations", LossKind::Dropped),
            (Delta::Logprobs { .. }, _) => self.losses.add("logprobs", LossKind::Dropped),
            _ => {}
        }
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        // The item is taken out for the time of writing: both it and the rest of the state are written to.
        let Open::Message(mut message) = std::mem::replace(&mut self.open, Open::Nothing) else { return };
        self.open_part(&mut message, out);
        let at = message.parts.len() as u64;
        let name = if message.refusal { "response.refusal.delta" } else { "response.output_text.delta" };
        self.emit_item(out, name, &message.id, |w| {
            w.key("content_index").u64(at);
            w.key("delta").str(text);
            if !message.refusal {
                w.key("logprobs").array(|_| {});
            }
        });
        message.text.push_str(text);
        self.bytes = self.bytes.saturating_add(text.len());
        self.open = Open::Message(message);
    }

    /// Tells that the message and its part begin, if that was not told.
    fn open_part(&mut self, message: &mut Message, out: &mut Vec<u8>) {
        if message.id.is_empty() {
            message.id = self.next_id("msg_");
            let item = written(|w| message_item(w, &message.id, "in_progress", &[]));
            self.add(out, &item);
        }
        if std::mem::replace(&mut message.part, true) {
            return;
        }
        self.refused |= message.refusal;
        let part = written(|w| if message.refusal { refusal_part(w, "") } else { text_part(w, "", &[], &[]) });
        let at = message.parts.len() as u64;
        self.emit_item(out, "response.content_part.added", &message.id, |w| {
            w.key("content_index").u64(at);
            w.key("part").written(&part);
        });
    }

    fn cite(&mut self, dialect: Dialect, citation: &Raw<'_>, out: &mut Vec<u8>) {
        let Open::Message(mut message) = std::mem::replace(&mut self.open, Open::Nothing) else { return };
        let length = message.text.chars().count();
        for annotation in annotations(dialect, citation, &message.text, length, &mut self.losses) {
            self.open_part(&mut message, out);
            let (at, n) = (message.parts.len() as u64, message.annotations.len() as u64);
            self.emit_item(out, "response.output_text.annotation.added", &message.id, |w| {
                w.key("content_index").u64(at);
                w.key("annotation_index").u64(n);
                w.key("annotation").written(&annotation);
            });
            self.bytes = self.bytes.saturating_add(annotation.len());
            message.annotations.push(annotation);
        }
        self.open = Open::Message(message);
    }

    /// Log probabilities of the text that came just now. It was told already, as nothing is held back: so they come in a
    /// delta without text of its own.
    fn weigh(&mut self, dialect: Dialect, raw: &Raw<'_>, out: &mut Vec<u8>) {
        let tokens: Vec<Vec<u8>> = if dialect == DIALECT {
            let list: Vec<Raw<'_>> = raw.read().unwrap_or_default();
            list.iter().map(|token| token.get().as_bytes().to_vec()).collect()
        } else {
            read_logprobs(dialect, raw).iter().map(|token| written(|w| notes::write_logprob(w, token))).collect()
        };
        if tokens.is_empty() {
            return self.losses.add("logprobs", LossKind::Dropped);
        }
        let Open::Message(mut message) = std::mem::replace(&mut self.open, Open::Nothing) else { return };
        self.open_part(&mut message, out);
        let at = message.parts.len() as u64;
        self.emit_item(out, "response.output_text.delta", &message.id, |w| {
            w.key("content_index").u64(at);
            w.key("delta").str("");
            w.key("logprobs").array(|w| tokens.iter().for_each(|token| w.written(token)));
        });
        self.bytes = self.bytes.saturating_add(tokens.iter().map(Vec::len).sum());
        message.logprobs.extend(tokens);
        self.open = Open::Message(message);
    }

    /// Tells that the part of the message is whole.
    fn close_part(&mut self, out: &mut Vec<u8>) {
        let Open::Message(mut message) = std::mem::replace(&mut self.open, Open::Nothing) else { return };
        if std::mem::replace(&mut message.part, false) {
            let text = std::mem::take(&mut message.text);
            let annotations = std::mem::take(&mut message.annotations);
            let logprobs = std::mem::take(&mut message.logprobs);
            let at = message.parts.len() as u64;
            let (name, key) = if message.refusal {
                ("response.refusal.done", "refusal")
            } else {
                ("response.output_text.done", "text")
            };
            self.emit_item(out, name, &message.id, |w| {
                w.key("content_index").u64(at);
                w.key(key).str(&text);
                if !message.refusal {
                    w.key("logprobs").array(|w| logprobs.iter().for_each(|token| w.written(token)));
                }
            });
            let part = written(|w| {
                if message.refusal { refusal_part(w, &text) } else { text_part(w, &text, &annotations, &logprobs) }
            });
            self.emit_item(out, "response.content_part.done", &message.id, |w| {
                w.key("content_index").u64(at);
                w.key("part").written(&part);
            });
            message.parts.push(part);
        }
        self.open = Open::Message(message);
    }

    /// Tells that the message is whole, if one is open.
    fn close_message(&mut self, out: &mut Vec<u8>) {
        self.close_part(out);
        if let Open::Message(message) = std::mem::replace(&mut self.open, Open::Nothing)
            && !message.id.is_empty()
        {
            self.done(out, written(|w| message_item(w, &message.id, "completed", &message.parts)));
        }
    }

    fn input(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let Open::Call { id, call, mut input } = std::mem::replace(&mut self.open, Open::Nothing) else { return };
        self.emit_item(out, input_event(call.kind, false), &id, |w| w.key("delta").str(text));
        input.push_str(text);
        self.bytes = self.bytes.saturating_add(text.len());
        self.open = Open::Call { id, call, input };
    }

    fn next_part(&mut self, out: &mut Vec<u8>) {
        let Open::Reasoning(mut thoughts) = std::mem::replace(&mut self.open, Open::Nothing) else { return };
        // A part may be empty, but the first one must have been there to be left.
        self.open_thought(&mut thoughts, out);
        self.close_thought(&mut thoughts, out);
        self.open_thought(&mut thoughts, out);
        self.open = Open::Reasoning(thoughts);
    }

    fn think(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let Open::Reasoning(mut thoughts) = std::mem::replace(&mut self.open, Open::Nothing) else { return };
        self.open_thought(&mut thoughts, out);
        let at = thoughts.block.text.len().saturating_sub(1) as u64;
        self.emit_item(out, "response.reasoning_summary_text.delta", &thoughts.id, |w| {
            w.key("summary_index").u64(at);
            w.key("delta").str(text);
        });
        if let Some(last) = thoughts.block.text.last_mut() {
            last.0.to_mut().push_str(text);
        }
        self.bytes = self.bytes.saturating_add(text.len());
        self.open = Open::Reasoning(thoughts);
    }

    /// Tells that the reasoning item begins, if that was not told.
    fn open_reasoning(&mut self, thoughts: &mut Thoughts, out: &mut Vec<u8>) {
        if !thoughts.id.is_empty() {
            return;
        }
        thoughts.id = match thoughts.block.id.as_deref() {
            Some(id) if id.starts_with("rs_") => id.to_owned(),
            _ => self.next_id("rs_"),
        };
        let empty = ReasoningBlock { text: Vec::new(), redacted: false, id: None };
        let item = written(|w| reasoning_item(w, &thoughts.id, &empty, None));
        self.add(out, &item);
    }

    /// Tells that a part of the summary begins, if none is open.
    fn open_thought(&mut self, thoughts: &mut Thoughts, out: &mut Vec<u8>) {
        self.open_reasoning(thoughts, out);
        if std::mem::replace(&mut thoughts.part, true) {
            return;
        }
        let at = thoughts.block.text.len() as u64;
        thoughts.block.text.push(Str::from(String::new()));
        self.emit_item(out, "response.reasoning_summary_part.added", &thoughts.id, |w| {
            w.key("summary_index").u64(at);
            w.key("part").object(|w| summary_part(w, ""));
        });
    }

    fn close_thought(&mut self, thoughts: &mut Thoughts, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut thoughts.part, false) {
            return;
        }
        let at = thoughts.block.text.len().saturating_sub(1) as u64;
        let text = thoughts.block.text.last().map_or("", Str::as_str);
        self.emit_item(out, "response.reasoning_summary_text.done", &thoughts.id, |w| {
            w.key("summary_index").u64(at);
            w.key("text").str(text);
        });
        self.emit_item(out, "response.reasoning_summary_part.done", &thoughts.id, |w| {
            w.key("summary_index").u64(at);
            w.key("part").object(|w| summary_part(w, text));
        });
    }

    /// A block is whole.
    fn stop(&mut self, out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => self.carry(out),
            Open::Message(message) => {
                self.open = Open::Message(message);
                self.close_part(out);
                if self.seal.is_some() {
                    self.close_message(out);
                    self.carry(out);
                }
            }
            Open::Call { id, call, input } => {
                self.stop_call(&id, &call, input, out);
                self.carry(out);
            }
            Open::Reasoning(thoughts) => self.stop_reasoning(thoughts, out),
        }
    }

    fn stop_call(&mut self, id: &str, call: &ToolUse<'_>, mut input: String, out: &mut Vec<u8>) {
        if call.kind == ToolUseKind::Function && input.trim().is_empty() {
            input.clear();
            input.push_str("{}");
            self.emit_item(out, input_event(call.kind, false), id, |w| w.key("delta").str(&input));
        }
        let key = if call.kind == ToolUseKind::Function { "arguments" } else { "input" };
        let name = self.frame.names.of_call(&call.name).map_or(call.name.as_str(), |(_, name)| name).to_owned();
        self.emit_item(out, input_event(call.kind, true), id, |w| {
            if call.kind == ToolUseKind::Function {
                w.key("name").str(&name);
            }
            w.key(key).str(&input);
        });
        let item = written(|w| call_item(w, id, call, &self.frame.names, &input, "completed"));
        self.done(out, item);
    }

    fn stop_reasoning(&mut self, mut thoughts: Thoughts, out: &mut Vec<u8>) {
        let signature = self.seal.take();
        let native = thoughts.block.id.is_some();
        if thoughts.id.is_empty() && signature.is_none() && !native {
            return;
        }
        self.open_reasoning(&mut thoughts, out);
        self.close_thought(&mut thoughts, out);
        let slot = seal::to_slot(signature.as_ref(), thoughts.block.redacted, native);
        self.done(out, written(|w| reasoning_item(w, &thoughts.id, &thoughts.block, slot.as_deref())));
    }

    /// Sends the seal of the item before in an item of its own.
    fn carry(&mut self, out: &mut Vec<u8>) {
        let Some(signature) = self.seal.take() else { return };
        let id = self.next_id("rs_");
        let slot = seal::to_slot(Some(&signature), false, false);
        let item = written(|w| carrier_item(w, &id, slot.as_deref()));
        self.add(out, &item);
        self.done(out, item);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        if self.stop == StopReason::Refusal
            && !self.refused
            && let Some(note) = self.note.take()
        {
            self.message(true, out);
            self.text(&note, out);
            // The words are the gateway's account of a block, not the model's own: the status still says so.
            self.refused = false;
        }
        self.close_message(out);
        let malformed = malformed();
        let status = status(self.stop, self.refused, &malformed);
        self.terminal(status, out);
    }

    fn fail(&mut self, error: &ApiError, out: &mut Vec<u8>) {
        self.begin(out);
        self.terminal(Status::Failed(error), out);
    }

    fn terminal(&mut self, status: Status<'_>, out: &mut Vec<u8>) {
        self.ended = true;
        let name = match status {
            Status::Incomplete(_) => "response.incomplete",
            Status::Failed(_) => "response.failed",
            Status::Completed | Status::InProgress => "response.completed",
        };
        let none = Usage::default();
        let failed = matches!(status, Status::Failed(_));
        // Codex reads the counts of every answer that is whole, also when the provider told none.
        let ledger = self.usage.as_ref().or((!failed).then_some(&none));
        let object = written(|w| self.frame.write(w, status, &self.items, |w| echo::usage(w, ledger)));
        self.emit(out, name, |w| w.key("response").written(&object));
    }
}

fn summary_part(w: &mut Writer<'_>, text: &str) {
    w.key("type").str("summary_text");
    w.key("text").str(text);
}

fn input_event(kind: ToolUseKind, done: bool) -> &'static str {
    match (kind, done) {
        (ToolUseKind::Function, false) => "response.function_call_arguments.delta",
        (ToolUseKind::Function, true) => "response.function_call_arguments.done",
        (ToolUseKind::Custom, false) => "response.custom_tool_call_input.delta",
        (ToolUseKind::Custom, true) => "response.custom_tool_call_input.done",
    }
}
