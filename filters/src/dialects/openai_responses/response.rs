//! Whole answers.

use std::collections::VecDeque;

use serde::Deserialize;

use super::echo::{self, Frame, Status, written};
use super::items::{self, Item, Side, parts};
use super::namespaces::Namespaces;
use super::quiet::ITEM_MEMBER;
use super::wire::{Content, MessageWire, ResponseWire, read};
use super::write;
use super::{DIALECT, form, notes, seal, usage};
use crate::Dialect;
use crate::dialects::{DecodeError, read_citations, read_logprobs};
use crate::ir::{
    ApiError, Block, BlockKind, Choice, ErrorKind, Logprob, LossKind, Losses, Media, MediaSource, ReasoningBlock,
    ReplyContext, Response, StopReason, ToolUse, ToolUseKind,
};
use crate::json::{Extra, Raw, Str, Writer};
use crate::repair::names;

/// Where a choice has its log probabilities: they are read there whoever the client is.
const LOGPROBS: &str = "logprobs";

/// Reads a whole answer.
///
/// # Errors
/// When it is not JSON or not a `response` object. An error object with status 200 is none: read it with
/// [`decode_error`](super::decode_error).
pub fn decode_response(body: &[u8]) -> Result<Response<'_>, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| DecodeError::new("the provider's answer is not UTF-8"))?;
    let wire: ResponseWire<'_> = read(text, format_args!(""))?;
    if wire.output.is_none() && wire.rest.get("output").is_none() {
        return Err(DecodeError::at("output", "the provider's answer has no `output`: it is not a response object"));
    }
    let mut extra = wire.rest;
    let mut blocks = Vec::new();
    for value in wire.output.unwrap_or_default() {
        // What a provider writes otherwise than expected passes through unread: an answer is worth more than its form.
        match items::item(value, format_args!("output[]")) {
            Ok(Item::Block(block)) => blocks.push(block),
            Ok(Item::Message(message)) => match message_blocks(message) {
                Some(found) => blocks.extend(found),
                None => blocks.push(items::opaque(value)),
            },
            Err(_) => blocks.push(items::opaque(value)),
        }
    }
    let created = wire.created_at.as_ref().and_then(crate::json::Num::as_u64);
    if let Some(number) =
        wire.created_at.filter(|number| created.map(|n| n.to_string()).as_deref() != Some(number.get()))
        && let Some(raw) = Raw::from_string(number.get().to_owned())
    {
        extra.push("created_at", raw);
    }
    let stop = stop(wire.status.as_deref(), extra.get("incomplete_details"), &blocks);
    let mut own = Extra::default();
    if let Some(logprobs) = all_logprobs(&blocks) {
        own.push(LOGPROBS, logprobs);
    }
    let choice = Choice { index: 0, blocks, stop, stop_raw: wire.status, stop_sequence: None, extra: own, form: 0 };
    Ok(Response {
        origin: DIALECT,
        id: wire.id,
        model: wire.model,
        created,
        choices: vec![choice],
        usage: wire.usage.map(usage::decode),
        extra,
    })
}

/// The log probabilities of all parts as one list, at the choice, where other dialects have theirs.
fn all_logprobs(blocks: &[Block<'_>]) -> Option<Raw<'static>> {
    let lists = blocks.iter().filter_map(|block| block.extra.get("\0logprobs"));
    let tokens: Vec<&str> = lists
        .filter_map(Raw::read::<Vec<&serde_json::value::RawValue>>)
        .flatten()
        .map(serde_json::value::RawValue::get)
        .collect();
    Raw::from_string(format!("[{}]", tokens.join(","))).filter(|_| !tokens.is_empty())
}

/// The blocks of a message item; `None` when it has no content that could bear the item's own members.
fn message_blocks(wire: MessageWire<'_>) -> Option<Vec<Block<'_>>> {
    let (mut blocks, start) = match wire.content? {
        Content::Text(text) => (vec![Block::text(text)], form::ITEM_START | form::ITEM_STRING),
        Content::List(list) => (parts(&list, Side::Output, format_args!("content")).ok()?, form::ITEM_START),
    };
    let first = blocks.first_mut()?;
    first.form |= start;
    let names = [("type", wire.kind), ("role", wire.role)];
    for (key, value) in names {
        if let Some(raw) = value.and_then(|value| Raw::from_value(&value.as_str())) {
            first.extra.push(format!("{ITEM_MEMBER}{key}"), raw);
        }
    }
    for (key, value) in wire.rest.0 {
        first.extra.push(format!("{ITEM_MEMBER}{key}"), value);
    }
    Some(blocks)
}

/// Why an answer ended. A call that was seen is the reason whatever the provider's word.
pub(super) fn stop(status: Option<&str>, details: Option<&Raw<'_>>, blocks: &[Block<'_>]) -> StopReason {
    let called = blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolUse(_)));
    let refused = blocks.iter().any(|block| matches!(block.kind, BlockKind::Refusal { .. }));
    stop_reason(status, details, called, refused)
}

/// As [`stop`], with what was seen of the blocks.
pub(super) fn stop_reason(status: Option<&str>, details: Option<&Raw<'_>>, called: bool, refused: bool) -> StopReason {
    #[derive(Deserialize)]
    struct Details<'a> {
        #[serde(borrow, default)]
        reason: Option<Str<'a>>,
    }
    if called {
        return StopReason::ToolUse;
    }
    let reason = details.and_then(Raw::read::<Details<'_>>).and_then(|details| details.reason);
    match (status, reason.as_deref()) {
        (Some("incomplete"), Some("max_output_tokens")) => StopReason::MaxTokens,
        (Some("incomplete"), Some("content_filter")) => StopReason::Refusal,
        (Some("incomplete" | "failed" | "cancelled"), _) => StopReason::Other,
        (Some("in_progress" | "queued"), _) => StopReason::Pause,
        _ if refused => StopReason::Refusal,
        _ => StopReason::EndTurn,
    }
}

/// Writes a whole answer.
pub fn encode_response(response: &Response<'_>, context: &ReplyContext, out: &mut Vec<u8>) -> Losses {
    let mut w = Writer::new(out);
    if response.origin == DIALECT {
        encode_own(&mut w, response, context);
        return Losses::default();
    }
    let mut frame = Frame::new(context);
    frame.adopt(None, response.model.as_deref());
    let choice = response.choices.first();
    let mut losses = Losses::default();
    let output = choice.map_or_else(Vec::new, |choice| {
        let items = ForeignItems::new(response.origin, choice, context, &frame.names, &mut losses);
        items.of(&choice.blocks)
    });
    if response.choices.len() > 1 {
        losses.add(choices_path(response.origin), LossKind::Dropped);
    }
    if let Some(choice) = choice {
        losses.stop(choice.stop, choice.stop_sequence.is_some());
    }
    let refused =
        choice.is_some_and(|choice| choice.blocks.iter().any(|block| matches!(block.kind, BlockKind::Refusal { .. })));
    let malformed = malformed();
    let status = status(choice.map_or(StopReason::Refusal, |choice| choice.stop), refused, &malformed);
    frame.write(&mut w, status, &output, |w| match &response.usage {
        Some(ledger) => usage::encode(w, ledger),
        None => echo::usage(w, None),
    });
    losses
}

/// Where alternatives stand in the words of `origin`.
fn choices_path(origin: Dialect) -> &'static str {
    match origin {
        Dialect::OpenAiChat => "choices[]",
        Dialect::OpenAiResponses => "output[]",
        Dialect::Anthropic => "content[]",
        Dialect::Gemini => "candidates[]",
    }
}

/// Where parts of an answer stand in the words of `origin`.
fn parts_path(origin: Dialect) -> &'static str {
    match origin {
        Dialect::OpenAiChat => "choices[].message",
        Dialect::OpenAiResponses => "output[]",
        Dialect::Anthropic => "content[]",
        Dialect::Gemini => "candidates[].content.parts[]",
    }
}

/// What `origin` calls its citations.
fn citations_path(origin: Dialect) -> &'static str {
    match origin {
        Dialect::OpenAiChat => "choices[].message.annotations",
        Dialect::OpenAiResponses => "output[].content[].annotations",
        Dialect::Anthropic => "content[].citations",
        Dialect::Gemini => "candidates[].groundingMetadata",
    }
}

/// The loss of a part that only `dialect` knows, by its type, or by the name of its one member as Gemini has it.
pub(super) fn lost_part(dialect: Dialect, raw: &Raw<'_>) -> String {
    let value = raw.to_value();
    let kind = value.get("type").and_then(serde_json::Value::as_str);
    let member = || value.as_object().and_then(|object| object.keys().next()).map(String::as_str);
    let kind =
        kind.or_else(member).filter(|kind| !kind.is_empty() && kind.len() <= 64 && kind.bytes().all(names::is_plain));
    format!("{}.{}", parts_path(dialect), kind.unwrap_or("part"))
}

/// The error of an answer whose call cannot be read.
pub(super) fn malformed() -> ApiError {
    ApiError::new(ErrorKind::Internal, "the model wrote a tool call that cannot be read: try again")
}

/// The status that says why an answer ended. `refused` tells whether it holds words of refusal: that is a complete
/// answer here.
pub(super) fn status(stop: StopReason, refused: bool, malformed: &ApiError) -> Status<'_> {
    match stop {
        StopReason::MaxTokens => Status::Incomplete("max_output_tokens"),
        StopReason::Refusal if !refused => Status::Incomplete("content_filter"),
        StopReason::Malformed => Status::Failed(malformed),
        _ => Status::Completed,
    }
}

/// An answer of this dialect, as it came.
fn encode_own(w: &mut Writer<'_>, response: &Response<'_>, context: &ReplyContext) {
    let extra = &response.extra;
    w.object(|w| {
        w.opt_str("id", response.id.as_deref());
        if let Some(model) = response.model.as_deref() {
            w.key("model").str(if context.model.is_empty() { model } else { &context.model });
        }
        if let Some(created) = response.created.filter(|_| extra.get("created_at").is_none()) {
            w.key("created_at").u64(created);
        }
        let choice = response.choices.first();
        w.opt_str("status", choice.and_then(|choice| choice.stop_raw.as_deref()));
        if extra.get("output").is_none() {
            let blocks = choice.map_or(&[][..], |choice| &choice.blocks);
            w.key("output").array(|w| own_items(w, blocks));
        }
        if let Some(ledger) = &response.usage {
            w.key("usage");
            match &ledger.raw {
                Some(raw) => w.raw(raw),
                None => usage::encode(w, ledger),
            }
        }
        w.extra(extra);
    });
}

fn own_items(w: &mut Writer<'_>, blocks: &[Block<'_>]) {
    let same_item =
        |left: &Block<'_>, right: &Block<'_>| write::is_part(left) && write::is_part(right) && !starts_item(right);
    for run in blocks.chunk_by(same_item) {
        match run {
            [block] if !write::is_part(block) => write::own_item(w, block),
            [first, ..] => own_message(w, first, run),
            [] => {}
        }
    }
}

fn starts_item(block: &Block<'_>) -> bool {
    block.form & form::ITEM_START != 0
}

fn own_message(w: &mut Writer<'_>, first: &Block<'_>, run: &[Block<'_>]) {
    w.object(|w| {
        if !starts_item(first) {
            w.key("type").str("message");
            w.key("role").str("assistant");
        }
        for (key, value) in first.extra.iter() {
            if let Some(key) = key.strip_prefix(ITEM_MEMBER) {
                w.key(key).raw(value);
            }
        }
        match &first.kind {
            BlockKind::Text { text, .. } if first.form & form::ITEM_STRING != 0 => w.key("content").str(text),
            _ => w.key("content").array(|w| {
                for block in run {
                    write::own_part(w, block, Side::Output);
                }
            }),
        }
    });
}

/// Makes the items of another dialect's answer, each as JSON.
struct ForeignItems<'x> {
    origin: Dialect,
    context: &'x ReplyContext,
    names: &'x Namespaces,
    losses: &'x mut Losses,
    found: Vec<Vec<u8>>,
    /// Parts of the message that is not yet among the items.
    message: Vec<Vec<u8>>,
    /// Log probabilities of the texts to come.
    tokens: VecDeque<Logprob<'x>>,
}

impl<'x> ForeignItems<'x> {
    fn new(
        origin: Dialect,
        choice: &'x Choice<'_>,
        context: &'x ReplyContext,
        names: &'x Namespaces,
        losses: &'x mut Losses,
    ) -> Self {
        let mut tokens = VecDeque::new();
        let mut rest = choice.extra.clone();
        for member in [LOGPROBS, "logprobsResult"] {
            tokens.extend(choice.extra.get(member).into_iter().flat_map(|value| read_logprobs(origin, value)));
            if !tokens.is_empty() {
                rest.take(member);
            }
        }
        losses.drop_answer_extra(choices_path(origin), &rest);
        ForeignItems { origin, context, names, losses, found: Vec::new(), message: Vec::new(), tokens }
    }

    fn of(mut self, blocks: &[Block<'_>]) -> Vec<Vec<u8>> {
        let is_text = |block: &Block<'_>| matches!(&block.kind, BlockKind::Text { text, .. } if !text.is_empty());
        let last_text = blocks.iter().rposition(is_text);
        for (n, block) in blocks.iter().enumerate() {
            self.losses.drop_answer_extra(parts_path(self.origin), &block.extra);
            self.block(block, Some(n) == last_text);
            if seal::needs_carrier(block) {
                let slot = seal::to_slot(block.signature.as_ref(), false, false);
                self.item("rs_", |w, id| carrier_item(w, id, slot.as_deref()));
            }
        }
        if !self.tokens.is_empty() {
            self.losses.add(format!("{}.{LOGPROBS}", choices_path(self.origin)), LossKind::Dropped);
        }
        self.flush();
        self.found
    }

    fn block(&mut self, block: &Block<'_>, is_last_text: bool) {
        match &block.kind {
            BlockKind::Text { text, citations } if !text.is_empty() => {
                let length = text.chars().count();
                let annotations = citations
                    .as_ref()
                    .map(|raw| annotations(self.origin, raw, text, length, self.losses))
                    .unwrap_or_default();
                let logprobs = self.logprobs(if is_last_text { usize::MAX } else { text.len() });
                self.message.push(written(|w| text_part(w, text, &annotations, &logprobs)));
            }
            BlockKind::Refusal { text } if !text.is_empty() => {
                self.message.push(written(|w| refusal_part(w, text)));
            }
            BlockKind::Image(Media { source: MediaSource::Base64(data), mime, .. }) => {
                self.item("ig_", |w, id| image_item(w, id, data, mime.as_deref()));
            }
            BlockKind::Image(media) | BlockKind::Audio(media) | BlockKind::Video(media) | BlockKind::File(media) => {
                self.losses.add(lost_medium(media), LossKind::Approximated);
                self.message.push(written(|w| text_part(w, &media_note(media), &[], &[])));
            }
            BlockKind::ToolUse(call) => {
                let names = self.names;
                self.item(call_prefix(call.kind), |w, id| call_item(w, id, call, names, &call.input, "completed"));
            }
            BlockKind::Reasoning(reasoning) => {
                self.flush();
                if !reasoning.text.is_empty() || block.signature.is_some() {
                    let slot = seal::to_slot(block.signature.as_ref(), reasoning.redacted, false);
                    self.item("rs_", |w, id| reasoning_item(w, id, reasoning, slot.as_deref()));
                }
            }
            BlockKind::Opaque { dialect, raw } => self.losses.add(lost_part(*dialect, raw), LossKind::Dropped),
            _ => {}
        }
    }

    /// The tokens of the next `length` bytes of text, each as JSON.
    fn logprobs(&mut self, length: usize) -> Vec<Vec<u8>> {
        let (mut taken, mut found) = (0_usize, Vec::new());
        while taken < length
            && let Some(token) = self.tokens.pop_front()
        {
            taken = taken.saturating_add(token.token.len());
            found.push(written(|w| notes::write_logprob(w, &token)));
        }
        found
    }

    fn item(&mut self, prefix: &str, write: impl FnOnce(&mut Writer<'_>, &str)) {
        self.flush();
        let id = self.context.id(prefix, self.found.len() as u64 + 1);
        self.found.push(written(|w| write(w, &id)));
    }

    fn flush(&mut self) {
        if !self.message.is_empty() {
            let id = self.context.id("msg_", self.found.len() as u64 + 1);
            self.found.push(written(|w| message_item(w, &id, "completed", &self.message)));
            self.message.clear();
        }
    }
}

/// The loss of a medium that only a note tells of.
pub(super) fn lost_medium(media: &Media<'_>) -> &'static str {
    match media.mime.as_deref().and_then(|mime| mime.split('/').next()) {
        Some("audio") => "audio",
        Some("video") => "video",
        Some("image") | None => "image",
        Some(_) => "file",
    }
}

/// What is said of a medium that an answer here cannot hold.
pub(super) fn media_note(media: &Media<'_>) -> String {
    match &media.source {
        MediaSource::Url(url) => format!("[The model made a medium: {url}]"),
        _ => format!(
            "[The model made a medium of type {} that this protocol cannot carry.]",
            media.mime.as_deref().unwrap_or("unknown")
        ),
    }
}

/// A message item with whole parts.
pub(super) fn message_item(w: &mut Writer<'_>, id: &str, status: &str, parts: &[Vec<u8>]) {
    w.object(|w| {
        w.key("id").str(id);
        w.key("type").str("message");
        w.key("status").str(status);
        w.key("role").str("assistant");
        w.key("content").array(|w| parts.iter().for_each(|part| w.written(part)));
    });
}

/// An `output_text` part, with all that strict clients ask of it.
pub(super) fn text_part(w: &mut Writer<'_>, text: &str, annotations: &[Vec<u8>], logprobs: &[Vec<u8>]) {
    w.object(|w| {
        w.key("type").str("output_text");
        w.key("text").str(text);
        w.key("annotations").array(|w| annotations.iter().for_each(|annotation| w.written(annotation)));
        w.key("logprobs").array(|w| logprobs.iter().for_each(|token| w.written(token)));
    });
}

/// A `refusal` part.
pub(super) fn refusal_part(w: &mut Writer<'_>, text: &str) {
    w.object(|w| {
        w.key("type").str("refusal");
        w.key("refusal").str(text);
    });
}

/// How ids of call items begin.
pub(super) fn call_prefix(kind: ToolUseKind) -> &'static str {
    match kind {
        ToolUseKind::Function => "fc_",
        ToolUseKind::Custom => "ctc_",
    }
}

/// A call item with `input` for its input. A call of a flat name gets its namespace back.
pub(super) fn call_item(
    w: &mut Writer<'_>,
    id: &str,
    call: &ToolUse<'_>,
    names: &Namespaces,
    input: &str,
    status: &str,
) {
    let empty = call.kind == ToolUseKind::Function && input.trim().is_empty() && status == "completed";
    let found = names.of_call(&call.name);
    let name = found.map_or(call.name.as_str(), |(_, name)| name);
    w.object(|w| {
        w.key("id").str(id);
        write::call_members(w, call, Some(&call.id), name, if empty { "{}" } else { input });
        w.opt_str("namespace", found.map(|(namespace, _)| namespace));
        w.key("status").str(status);
    });
}

/// A reasoning item.
pub(super) fn reasoning_item(w: &mut Writer<'_>, id: &str, reasoning: &ReasoningBlock<'_>, slot: Option<&str>) {
    w.object(|w| {
        w.key("id").str(id);
        w.key("type").str("reasoning");
        write::text_list(w, "summary", "summary_text", &reasoning.text);
        w.opt_str("encrypted_content", slot);
    });
}

/// A reasoning item that only carries the seal of the item before it.
pub(super) fn carrier_item(w: &mut Writer<'_>, id: &str, slot: Option<&str>) {
    reasoning_item(w, id, &ReasoningBlock { text: Vec::new(), redacted: false, id: None }, slot);
}

/// A picture that the model made. Its type is told as its format, for who does not look at the bytes.
pub(super) fn image_item(w: &mut Writer<'_>, id: &str, base64: &str, mime: Option<&str>) {
    w.object(|w| {
        w.key("id").str(id);
        w.key("type").str("image_generation_call");
        w.key("status").str("completed");
        w.key("result").str(base64);
        w.opt_str("output_format", mime.and_then(|mime| mime.strip_prefix("image/")));
    });
}

/// Citations in the words of `dialect` as annotations, each as JSON. `length` of the text in characters stands in for
/// places that are not said. One that names neither a page nor a file is a loss.
pub(super) fn annotations(
    dialect: Dialect,
    citations: &Raw<'_>,
    text: &str,
    length: usize,
    losses: &mut Losses,
) -> Vec<Vec<u8>> {
    if dialect == DIALECT {
        let list: Option<Vec<Raw<'_>>> = citations.read();
        let list = list.unwrap_or_else(|| vec![citations.reborrow()]);
        return list.iter().map(|annotation| annotation.get().as_bytes().to_vec()).collect();
    }
    let read = read_citations(dialect, citations, text);
    let mut found = Vec::with_capacity(read.len());
    let (mut lost, mut quoted) = (read.is_empty(), false);
    for citation in &read {
        quoted |= citation.quotes();
        let annotation = written(|w| lost |= !notes::write_citation(w, citation, length));
        found.extend(Some(annotation).filter(|annotation| !annotation.is_empty()));
    }
    if lost {
        losses.add(citations_path(dialect), LossKind::Dropped);
    }
    if quoted {
        losses.add(citations_path(dialect), LossKind::Approximated);
    }
    found
}
