//! Events to chunks for a client of Chat.

mod beside;

use std::collections::BTreeMap;

use crate::continuation::Passed;
use crate::dialects::openai_chat::{encode, error, stop, usage};
use crate::ir::stream::{BlockStart, Delta, Event};
use crate::ir::{LossKind, Losses, ReplyContext, StopReason, ToolUseKind, Usage};
use crate::json::{Raw, Str, Writer};
use crate::sse;
use crate::wire_object;

wire_object! {
    /// What every chunk of a stream repeats.
    struct FirstChunk<'a> {
        id: Raw<'a> = "id",
        object: Raw<'a> = "object",
        created: Raw<'a> = "created",
        model: Raw<'a> = "model",
        system_fingerprint: Raw<'a> = "system_fingerprint",
    }
}

/// Encoder of a client's stream.
///
/// The chunk with the role is written before the first thing that a choice says, so that nothing is written before the
/// commit point. Reasoning comes as `reasoning_content`, and only when the context shows it (wire 38). An error ends
/// the stream without `[DONE]` and without a finish reason made up (wire 17).
#[derive(Debug)]
pub struct StreamEncoder {
    context: ReplyContext,
    /// `{"id":…,"object":…,"created":…,"model":…,`: the same in every chunk, so it is written once.
    head: Vec<u8>,
    choices: BTreeMap<u32, State>,
    /// Open blocks.
    blocks: BTreeMap<u32, Block>,
    usage: Option<Usage<'static>>,
    losses: Losses,
    ended: bool,
}

/// One choice so far.
#[derive(Debug, Default)]
struct State {
    /// Calls begun: the index of the next one. It counts calls only.
    calls: u32,
    annotations: u64,
    images: u64,
    /// Characters of content so far: annotations say places in it.
    characters: usize,
    refused: bool,
    /// Whether a reasoning block was shown: the next one begins a new paragraph.
    reasoned: bool,
}

/// An open block.
#[derive(Debug)]
struct Block {
    choice: u32,
    kind: Kind,
    /// Characters of the choice's content before the block's own.
    offset: usize,
    /// The block's text so far, as far as readers of other dialects' citations may want it.
    text: String,
}

#[derive(Debug)]
enum Kind {
    Words(&'static str),
    Call {
        index: u32,
        kind: ToolUseKind,
        empty: bool,
    },
    /// Thoughts that the client does not see.
    Unshown,
    Silent,
}

impl StreamEncoder {
    /// An encoder of one answer.
    pub fn new(context: ReplyContext) -> Self {
        StreamEncoder {
            context,
            head: Vec::new(),
            choices: BTreeMap::new(),
            blocks: BTreeMap::new(),
            usage: None,
            losses: Losses::default(),
            ended: false,
        }
    }

    /// Takes over the head of the chunks that the client has; `said` is the text of the answer so far.
    pub(crate) fn adopt(&mut self, passed: &Passed, said: &str) {
        let first: FirstChunk<'_> = serde_json::from_str(passed.first()).unwrap_or_default();
        let known =
            [("id", &first.id), ("object", &first.object), ("created", &first.created), ("model", &first.model)];
        if known.iter().any(|(_, value)| value.is_some()) {
            let mut head = Vec::with_capacity(160);
            Writer::new(&mut head).object(|w| {
                for (key, value) in known {
                    w.opt_raw(key, value.as_ref());
                }
                w.opt_raw("system_fingerprint", first.system_fingerprint.as_ref());
            });
            head.pop();
            head.push(b',');
            self.head = head;
        }
        let choice = self.choices.entry(0).or_default();
        choice.characters = said.chars().count();
        choice.reasoned = true;
    }

    /// What the dialect could not say so far.
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// Appends what `event` means for the client.
    pub fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            Event::Start { id, .. } => self.start(id.as_ref()),
            Event::BlockStart { index, choice, block } => self.block_start(index, choice, block, out),
            Event::Delta { index, delta } => self.delta(index, delta, out),
            Event::BlockStop { index } => self.block_stop(index, out),
            Event::Usage(usage) => self.usage = Some(usage.into_owned()),
            Event::Finish { choice, stop, note, stop_sequence } => {
                self.losses.stop(stop, stop_sequence.is_some());
                self.finish(choice, stop, note.as_ref(), out);
            }
            Event::End => self.end(out),
            Event::Error(failed) => {
                self.ended = true;
                sse::event(out, "", |out| {
                    error::encode_error(&failed, out);
                });
            }
            Event::Ping => sse::comment(out, "ping"),
        }
    }

    fn start(&mut self, id: Option<&Str<'_>>) {
        if !self.head.is_empty() {
            return;
        }
        let made = self.context.id("chatcmpl-", 0);
        // An id of another dialect would only puzzle.
        let id = id.map(Str::as_str).filter(|id| id.starts_with("chatcmpl")).unwrap_or(&made);
        let mut head = Vec::with_capacity(160);
        Writer::new(&mut head).object(|w| {
            w.key("id").str(id);
            w.key("object").str("chat.completion.chunk");
            w.key("created").u64(self.context.created);
            w.key("model").str(&self.context.model);
        });
        head.pop();
        head.push(b',');
        self.head = head;
    }

    fn block_start(&mut self, index: u32, choice: u32, block: BlockStart<'_>, out: &mut Vec<u8>) {
        let kind = match block {
            BlockStart::Text => Kind::Words("content"),
            BlockStart::Reasoning { redacted: false, .. } if self.context.reasoning_content => {
                Kind::Words("reasoning_content")
            }
            BlockStart::Refusal => {
                self.state(choice, out).refused = true;
                Kind::Words("refusal")
            }
            BlockStart::ToolUse { id, name, kind } => {
                let state = self.state(choice, out);
                let call = state.calls;
                state.calls += 1;
                self.call_start(choice, call, &id, &name, kind, out);
                Kind::Call { index: call, kind, empty: true }
            }
            BlockStart::Image(medium) => {
                self.medium(choice, &medium, out);
                Kind::Silent
            }
            // Hidden thoughts have no words.
            BlockStart::Reasoning { redacted: true, .. } => Kind::Silent,
            BlockStart::Reasoning { redacted: false, .. } => Kind::Unshown,
            BlockStart::Opaque { dialect, raw } => {
                encode::lose_opaque(&raw, dialect, &mut self.losses);
                Kind::Silent
            }
        };
        if matches!(kind, Kind::Words("reasoning_content"))
            && std::mem::replace(&mut self.state(choice, out).reasoned, true)
        {
            self.delta_chunk(choice, out, |w| w.key("reasoning_content").str("\n\n"));
        }
        let offset = self.choices.get(&choice).map_or(0, |state| state.characters);
        self.blocks.insert(index, Block { choice, kind, offset, text: String::new() });
    }

    fn call_start(&mut self, choice: u32, call: u32, id: &str, name: &str, kind: ToolUseKind, out: &mut Vec<u8>) {
        let made = self.context.id("call_", u64::from(choice) << 32 | u64::from(call));
        let (word, input) = words(kind);
        self.delta_chunk(choice, out, |w| {
            w.key("tool_calls").array(|w| {
                w.object(|w| {
                    w.key("index").u64(u64::from(call));
                    w.key("id").str(if id.is_empty() { &made } else { id });
                    w.key("type").str(word);
                    w.key(word).object(|w| {
                        w.key("name").str(name);
                        w.key(input).str("");
                    });
                });
            });
        });
    }

    fn delta(&mut self, index: u32, delta: Delta<'_>, out: &mut Vec<u8>) {
        let Some(block) = self.blocks.get_mut(&index) else { return };
        let choice = block.choice;
        match (&mut block.kind, delta) {
            (Kind::Words(key), Delta::Text(text)) if !text.is_empty() => {
                let key = *key;
                self.delta_chunk(choice, out, |w| w.key(key).str(&text));
                if key == "content" {
                    self.count(index, &text);
                }
            }
            (Kind::Words("reasoning_content"), Delta::NextPart) => {
                self.delta_chunk(choice, out, |w| w.key("reasoning_content").str("\n\n"));
            }
            (Kind::Unshown, Delta::Text(text)) if !text.is_empty() => {
                self.losses.add("reasoning_content", LossKind::Dropped);
            }
            (Kind::Words("content"), Delta::Citation { dialect, raw }) => self.citation(index, dialect, &raw, out),
            (Kind::Words("content" | "refusal"), Delta::Logprobs { dialect, raw }) => {
                self.logprobs(choice, dialect, &raw, out);
            }
            (Kind::Call { index, kind, empty }, Delta::Input(text)) if !text.is_empty() => {
                *empty = false;
                let (index, kind) = (*index, *kind);
                self.input(choice, index, kind, &text, out);
            }
            _ => {}
        }
    }

    fn input(&mut self, choice: u32, call: u32, kind: ToolUseKind, text: &str, out: &mut Vec<u8>) {
        let (word, input) = words(kind);
        self.delta_chunk(choice, out, |w| {
            w.key("tool_calls").array(|w| {
                w.object(|w| {
                    w.key("index").u64(u64::from(call));
                    w.key(word).object(|w| w.key(input).str(text));
                });
            });
        });
    }

    fn block_stop(&mut self, index: u32, out: &mut Vec<u8>) {
        let Some(block) = self.blocks.remove(&index) else { return };
        // wire 157: arguments are JSON also when there are none.
        if let Kind::Call { index, kind: ToolUseKind::Function, empty: true } = block.kind {
            self.input(block.choice, index, ToolUseKind::Function, "{}", out);
        }
    }

    fn finish(&mut self, choice: u32, stop: StopReason, note: Option<&Str<'_>>, out: &mut Vec<u8>) {
        let state = self.state(choice, out);
        let (called, refused) = (state.calls > 0, state.refused);
        if let Some(note) = note.filter(|note| stop == StopReason::Refusal && !refused && !note.is_empty()) {
            self.delta_chunk(choice, out, |w| w.key("refusal").str(note));
        }
        self.chunk(choice, out, |w| w.key("delta").object(|_| {}), Some(stop::word(stop, called)));
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        if let Some(usage) = self.usage.take().filter(|_| self.context.include_usage) {
            self.start(None);
            sse::event(out, "", |out| {
                out.extend_from_slice(&self.head);
                out.extend_from_slice(b"\"choices\":[],\"usage\":");
                usage::write(&mut Writer::new(out), &usage, usage::own_raw(&usage));
                out.push(b'}');
            });
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// The choice; before its first chunk the one with the role is written.
    fn state(&mut self, choice: u32, out: &mut Vec<u8>) -> &mut State {
        let known = self.choices.len();
        self.choices.entry(choice).or_default();
        if self.choices.len() > known {
            self.delta_chunk(choice, out, |w| {
                w.key("role").str("assistant");
                w.key("content").str("");
            });
        }
        self.choices.entry(choice).or_default()
    }

    fn delta_chunk(&mut self, choice: u32, out: &mut Vec<u8>, members: impl FnOnce(&mut Writer<'_>)) {
        self.state(choice, out);
        self.chunk(choice, out, |w| w.key("delta").object(members), None);
    }

    /// Writes a chunk of one choice; `members` are the choice's, but for its index and finish reason.
    fn chunk(&mut self, choice: u32, out: &mut Vec<u8>, members: impl FnOnce(&mut Writer<'_>), finish: Option<&str>) {
        self.start(None);
        sse::event(out, "", |out| {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"\"choices\":[");
            Writer::new(out).object(|w| {
                w.key("index").u64(u64::from(choice));
                members(w);
                match finish {
                    Some(word) => w.key("finish_reason").str(word),
                    None => w.key("finish_reason").null(),
                }
            });
            // wire 35: with the usage chunk asked for, every other chunk says that it has none.
            out.extend_from_slice(if self.context.include_usage { b"],\"usage\":null}" } else { b"]}" });
        });
    }
}

/// The type of a call, which is also its member, and the name of its input.
fn words(kind: ToolUseKind) -> (&'static str, &'static str) {
    match kind {
        ToolUseKind::Function => ("function", "arguments"),
        ToolUseKind::Custom => ("custom", "input"),
    }
}
