//! Events to server-sent events.
//!
//! Items begin late: a message when its first text comes, reasoning when it has words or a seal. So nothing empty is ever
//! told, which some clients refuse. Text blocks that follow each other are parts of one message.

mod calls;
mod message;
mod thoughts;

use message::Message;
use thoughts::Thoughts;

use crate::continuation::Passed;
use crate::dialects::openai_responses::DIALECT;
use crate::dialects::openai_responses::echo::{self, Frame, Status, written};
use crate::dialects::openai_responses::response::{
    call_item, call_prefix, image_item, lost_medium, lost_part, malformed, media_note, status,
};
use crate::ir::stream::{BlockStart, Delta, OneOpen};
use crate::ir::{
    ApiError, ErrorKind, Event, LossKind, Losses, Media, MediaSource, ReasoningBlock, ReplyContext, Signature,
    StopReason, ToolUse, Usage,
};
use crate::json::{Str, Writer};
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

    /// Takes over the items and numbers that the client has; `text` is the text of the open part, `thought` the parts of
    /// the reasoning item that is open.
    pub(crate) fn adopt(&mut self, passed: &Passed, text: &str, thought: &[String]) {
        self.state.adopt(passed, text, thought);
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

    fn adopt(&mut self, passed: &Passed, text: &str, thought: &[String]) {
        self.begun = true;
        self.sequence = passed.sequence();
        self.frame.adopt_created(passed.first());
        self.items = passed.items().to_vec();
        self.bytes = self.items.iter().map(Vec::len).sum();
        if let Some((id, parts)) = passed.message() {
            let message = Message::adopted(id, parts, passed.is_text_open().then_some(text), passed.annotations());
            self.open = Open::Message(message);
        } else if let Some(known) = passed.thought() {
            self.open = Open::Reasoning(Thoughts::adopted(known, thought));
        } else if matches!(self.open, Open::Reasoning(_)) {
            // The client was told of no such item.
            self.open = Open::Nothing;
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
                self.open = Open::Reasoning(Thoughts { id: String::new(), block, part: false, is_content: false });
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
            let item = written(|w| image_item(w, &id, data, media.mime.as_deref()));
            self.add(out, &item);
            self.done(out, item);
        } else {
            self.losses.add(lost_medium(media), LossKind::Approximated);
            self.message(false, out);
            self.text(&media_note(media), out);
            self.close_part(out);
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
