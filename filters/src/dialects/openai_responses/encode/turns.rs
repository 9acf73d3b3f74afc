//! The conversation: turns to items.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{DIALECT, form, plain_text, quiet, tools, turns_path};
use crate::dialects::openai_responses::items::Side;
use crate::dialects::openai_responses::write;
use crate::dialects::{EncodeError, Encoded, Target};
use crate::ir::{
    Block, BlockKind, LossKind, Losses, Media, MediaSource, OutputFormat, ReasoningBlock, Request, Role, ToolResult,
    ToolUse, ToolUseKind, Turn,
};
use crate::json::Writer;
use crate::repair::names;

/// What stands in for the result of a call that was never answered: OpenAI refuses a call without one.
const NO_RESULT: &str = "No result was recorded for this call.";

/// In what detail Chat's client wants a picture to be looked at.
const CHAT_DETAIL: &str = "image_url.detail";

/// Said once before the conversation when any JSON object is wanted and nobody says so: OpenAI refuses the format
/// `json_object` when the word is nowhere in the input.
const JSON_WANTED: &str = "Answer with one JSON object.";

/// Writes the items of a turn of this dialect: runs of parts as messages, everything else as an item of its own.
pub(super) fn own(w: &mut Writer<'_>, turn: &Turn<'_>, losses: &mut Losses) {
    if let Some(item) = quiet::item_of_turn(turn) {
        return w.raw(item);
    }
    if turn.blocks.is_empty() {
        own_message(w, turn, &[]);
    }
    for run in turn.blocks.chunk_by(|left, right| write::is_part(left) && write::is_part(right)) {
        let foreign_seal = run.iter().any(|block| block.signature.as_ref().is_some_and(|seal| seal.issuer != DIALECT));
        if foreign_seal {
            losses.add("input[].encrypted_content", LossKind::Dropped);
        }
        match run {
            [Block { kind: BlockKind::Opaque { dialect, .. }, .. }] if *dialect != DIALECT => {
                losses.add("input[]", LossKind::Dropped);
            }
            [Block { kind: BlockKind::Reasoning(_), .. }] if foreign_seal => {}
            [block] if !write::is_part(block) => write::own_item(w, block),
            // An empty text that stands for a seal only is not the client's.
            [Block { kind: BlockKind::Text { text, .. }, signature: Some(_), .. }] if text.is_empty() => {}
            run => own_message(w, turn, run),
        }
    }
}

fn own_message(w: &mut Writer<'_>, turn: &Turn<'_>, run: &[Block<'_>]) {
    w.object(|w| {
        if turn.form & form::TYPE_OMITTED == 0 {
            w.key("type").str("message");
        }
        w.key("role").str(role_word(turn.role));
        match plain_text(turn) {
            Some(text) if turn.form & form::CONTENT_STRING != 0 => w.key("content").str(text),
            _ if turn.form & form::CONTENT_ABSENT != 0 && run.is_empty() => {}
            _ => w.key("content").array(|w| {
                for block in run {
                    write::own_part(w, block, side_of(turn.role));
                }
            }),
        }
        quiet::members(w, &turn.extra);
    });
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User | Role::Tool => "user",
        Role::Assistant => "assistant",
    }
}

fn side_of(role: Role) -> Side {
    if role == Role::Assistant { Side::Output } else { Side::Input }
}

/// Whether the conversation holds reasoning that the provider can read.
pub(super) fn has_native_seal(request: &Request<'_>) -> bool {
    request.turns.iter().flat_map(|turn| &turn.blocks).any(|block| {
        matches!(block.kind, BlockKind::Reasoning(_))
            && block.signature.as_ref().is_some_and(|seal| seal.issuer == DIALECT)
    })
}

/// Writes `instructions` and `input` of a request of another dialect; gives the number of items.
pub(super) fn foreign(w: &mut Writer<'_>, request: &Request<'_>, target: &Target, encoded: &mut Encoded) -> usize {
    let (system, rest) = request.split_system();
    let has_rest = rest.iter().any(|turn| turn.blocks.iter().any(is_something));
    let turns = if has_rest { rest } else { &request.turns };
    let mut items = Items {
        path: turns_path(request.origin),
        encoded,
        target,
        images_over: images_over(request, target),
        calls: HashMap::new(),
        answers: answers(turns),
        sent: 0,
    };
    if has_rest {
        let text = items.system_text(system);
        if !text.is_empty() {
            w.key("instructions").str(&text);
        }
    }
    w.key("input").array(|w| {
        if matches!(request.output_format, Some(OutputFormat::JsonObject)) && !says_json(request) {
            items.encoded.losses.add("response_format", LossKind::Approximated);
            text_message(w, if target.quirks.developer_role { "developer" } else { "system" }, JSON_WANTED);
        }
        for (n, turn) in turns.iter().enumerate() {
            let model_goes_on = turns.get(n + 1).is_some_and(|next| next.role == Role::Assistant);
            items.turn(w, turn, model_goes_on);
        }
    });
    items.sent
}

/// Pictures beyond those that the model takes.
fn images_over(request: &Request<'_>, target: &Target) -> usize {
    let Some(most) = target.profile.images_max.filter(|_| target.repairs.bounds) else { return 0 };
    let count = |block: &Block<'_>| match &block.kind {
        BlockKind::Image(_) => 1,
        BlockKind::ToolResult(result) => {
            result.content.iter().filter(|block| matches!(block.kind, BlockKind::Image(_))).count()
        }
        _ => 0,
    };
    let images: usize = request.turns.iter().flat_map(|turn| &turn.blocks).map(count).sum();
    images.saturating_sub(most as usize)
}

/// Refuses films.
pub(super) fn refuse_films(request: &Request<'_>) -> Result<(), EncodeError> {
    let mut said = request.turns.iter().filter(|turn| turn.role != Role::Assistant).flat_map(|turn| &turn.blocks);
    if said.any(|block| matches!(block.kind, BlockKind::Video(_))) {
        let message = "this model's provider takes no video: send pictures, or choose another model";
        return Err(EncodeError::at(format!("{}.content[]", turns_path(request.origin)), message));
    }
    Ok(())
}

/// How many calls of each id get a result after they were made; results come to calls in the order of the calls.
fn answers<'r>(turns: &'r [Turn<'_>]) -> HashMap<&'r str, usize> {
    let mut calls: HashMap<&str, Calls> = HashMap::new();
    for block in turns.iter().flat_map(|turn| &turn.blocks) {
        match &block.kind {
            BlockKind::ToolUse(call) => calls.entry(&call.id).or_default().made += 1,
            BlockKind::ToolResult(result) => {
                if let Some(calls) = calls.get_mut(result.id.as_str()).filter(|calls| calls.answered < calls.made) {
                    calls.answered += 1;
                }
            }
            _ => {}
        }
    }
    calls.into_iter().map(|(id, calls)| (id, calls.answered)).collect()
}

/// Whether a block can come to anything here.
fn is_something(block: &Block<'_>) -> bool {
    match &block.kind {
        BlockKind::Text { text, .. } | BlockKind::Refusal { text } => !text.is_empty(),
        BlockKind::Reasoning(_) | BlockKind::Opaque { .. } | BlockKind::Video(_) => false,
        _ => true,
    }
}

/// Whether any text of the conversation holds the word JSON.
fn says_json(request: &Request<'_>) -> bool {
    request.turns.iter().flat_map(|turn| &turn.blocks).any(|block| match &block.kind {
        BlockKind::Text { text, .. } => text.as_bytes().windows(4).any(|word| word.eq_ignore_ascii_case(b"json")),
        _ => false,
    })
}

fn text_message(w: &mut Writer<'_>, role: &str, text: &str) {
    w.object(|w| {
        w.key("type").str("message");
        w.key("role").str(role);
        w.key("content").array(|w| text_part(w, text, Side::Input));
    });
}

/// The text of a block that the model said.
fn plain_words<'b>(block: &'b Block<'_>, role: Role) -> Option<&'b str> {
    match &block.kind {
        BlockKind::Text { text, .. } if role == Role::Assistant => Some(text),
        _ => None,
    }
}

fn said(w: &mut Writer<'_>, text: &str) {
    w.object(|w| {
        w.key("type").str("message");
        w.key("role").str("assistant");
        w.key("content").str(text);
    });
}

fn text_part(w: &mut Writer<'_>, text: &str, side: Side) {
    w.object(|w| {
        w.key("type").str(if side == Side::Input { "input_text" } else { "output_text" });
        w.key("text").str(text);
        if side == Side::Output {
            w.key("annotations").array(|_| {});
        }
    });
}

/// The calls of one id, in the order they came.
#[derive(Default)]
struct Calls {
    made: usize,
    answered: usize,
}

struct Items<'x, 'r> {
    path: &'static str,
    encoded: &'x mut Encoded,
    target: &'x Target,
    /// Pictures still to be left out, the earliest first: the model takes no more.
    images_over: usize,
    /// Calls written so far, by id.
    calls: HashMap<&'r str, Calls>,
    /// Calls that the conversation answers after they were made, by id.
    answers: HashMap<&'r str, usize>,
    sent: usize,
}

impl<'r> Items<'_, 'r> {
    fn lose(&mut self, field: &str, kind: LossKind) {
        let field = format!("{}.{field}", self.path);
        self.encoded.losses.add(field, kind);
    }

    /// Losses of what stands beside a block's content.
    fn check(&mut self, block: &Block<'_>) {
        let path = format!("{}.content[]", self.path);
        let mut rest = Cow::Borrowed(&block.extra);
        if matches!(block.kind, BlockKind::Image(_)) {
            rest.to_mut().take(CHAT_DETAIL);
        }
        self.encoded.losses.drop_extra(&path, &rest);
        if block.cache.is_some() {
            self.lose("content[].cache_control", LossKind::Dropped);
        }
        if block.signature.is_some() && !matches!(block.kind, BlockKind::Reasoning(_)) {
            self.lose("content[].signature", LossKind::Dropped);
        }
        if let BlockKind::Text { citations: Some(_), .. } = block.kind {
            self.lose("content[].citations", LossKind::Dropped);
        }
    }

    /// Leading system turns as one text, paragraph by paragraph.
    fn system_text(&mut self, turns: &'r [Turn<'r>]) -> String {
        let mut text = String::new();
        for turn in turns {
            self.turn_losses(turn);
            for block in &turn.blocks {
                self.check(block);
                match &block.kind {
                    BlockKind::Text { text: part, .. } if part.is_empty() => {}
                    BlockKind::Text { text: part, .. } => {
                        if !text.is_empty() {
                            text.push_str("\n\n");
                        }
                        text.push_str(part);
                    }
                    _ => self.lose("content[]", LossKind::Dropped),
                }
            }
        }
        text
    }

    fn turn_losses(&mut self, turn: &Turn<'_>) {
        self.encoded.losses.drop_extra(self.path, &turn.extra);
        if turn.name.is_some() {
            self.lose("name", LossKind::Dropped);
        }
    }

    /// Writes the items of a turn: runs of parts as messages, everything else as an item of its own, in order.
    fn turn(&mut self, w: &mut Writer<'_>, turn: &'r Turn<'r>, model_goes_on: bool) {
        self.turn_losses(turn);
        let mut run: Vec<&'r Block<'r>> = Vec::new();
        let mut unanswered = Vec::new();
        let last = turn.blocks.iter().rposition(is_something);
        for (n, block) in turn.blocks.iter().enumerate() {
            self.check(block);
            match &block.kind {
                BlockKind::ToolUse(call) => {
                    self.message(w, turn.role, &mut run);
                    unanswered.extend(self.call(w, call));
                }
                BlockKind::ToolResult(result) => {
                    self.message(w, turn.role, &mut run);
                    self.result(w, result);
                }
                BlockKind::Reasoning(reasoning) => {
                    self.message(w, turn.role, &mut run);
                    let followed = model_goes_on || last.is_some_and(|last| last > n);
                    self.reasoning(w, reasoning, block, followed);
                }
                _ => run.push(block),
            }
        }
        self.message(w, turn.role, &mut run);
        for (id, kind) in unanswered {
            self.lose("tool_calls", LossKind::Approximated);
            write_output(w, &id, kind, |w| w.str(NO_RESULT));
            self.sent += 1;
        }
    }

    /// Writes the parts gathered in `run` as one message, when any of them can be said.
    fn message(&mut self, w: &mut Writer<'_>, role: Role, run: &mut Vec<&'r Block<'r>>) {
        let parts: Vec<&Block<'_>> = run.drain(..).filter(|block| self.sendable(block, side_of(role))).collect();
        if parts.is_empty() {
            return;
        }
        let role = match role {
            Role::Developer if !self.target.quirks.developer_role => Role::System,
            role => role,
        };
        let texts = parts.iter().map(|block| plain_words(block, role));
        if let Some(texts) = texts.collect::<Option<Vec<&str>>>() {
            // Parts of an answer belong to an item with an id; words from elsewhere have none, and stand as plain text.
            for text in &texts {
                said(w, text);
            }
            self.sent += texts.len();
            return;
        }
        w.object(|w| {
            w.key("type").str("message");
            w.key("role").str(role_word(role));
            w.key("content").array(|w| parts.iter().for_each(|block| write_part(w, block, side_of(role))));
        });
        self.sent += 1;
    }

    /// Whether a part can be said on this side; else it is a loss, unless it is empty.
    fn sendable(&mut self, block: &Block<'_>, side: Side) -> bool {
        let (field, fits) = match &block.kind {
            BlockKind::Text { text, .. } | BlockKind::Refusal { text } => {
                return !text.is_empty() || !self.target.repairs.empty_parts;
            }
            BlockKind::Image(_) if self.images_over > 0 => {
                self.images_over -= 1;
                self.lose("content[].image", LossKind::Clamped);
                return false;
            }
            BlockKind::Image(media) => ("image", media_fits(media) && side == Side::Input),
            // Its words are text here.
            BlockKind::File(Media { source: MediaSource::Text(text), name, .. }) => {
                if name.is_some() {
                    self.lose("content[].title", LossKind::Dropped);
                }
                return !text.is_empty() && side == Side::Input;
            }
            BlockKind::File(media) => ("document", media_fits(media) && side == Side::Input),
            BlockKind::Audio(media) => ("audio", matches!(media.source, MediaSource::Base64(_)) && side == Side::Input),
            BlockKind::Video(_) => ("video", false),
            _ => ("opaque", write::is_own_opaque(block)),
        };
        if !fits {
            self.lose(&format!("content[].{field}"), LossKind::Dropped);
        }
        fits
    }

    /// Writes a call; gives its id when the conversation has no result for it.
    fn call(&mut self, w: &mut Writer<'_>, call: &'r ToolUse<'r>) -> Option<(String, ToolUseKind)> {
        let calls = self.calls.entry(call.id.as_str()).or_default();
        let id = nth_id(&call.id, calls.made, self.target.repairs.names);
        calls.made += 1;
        let answered = self.answers.get(call.id.as_str()).is_some_and(|answers| *answers >= calls.made);
        let name = tools::sent_name(&call.name, &self.target.repairs);
        // The arguments of a call without any are an empty object here.
        let empty = call.kind == ToolUseKind::Function && call.input.trim().is_empty();
        let input = if empty { "{}" } else { call.input.as_str() };
        w.object(|w| write::call_members(w, call, Some(&id), &name, input));
        self.sent += 1;
        (!answered && self.target.repairs.orphans).then_some((id, call.kind))
    }

    /// Writes a result, or as the user's words when no call waits for it: OpenAI refuses it then.
    fn result(&mut self, w: &mut Writer<'_>, result: &'r ToolResult<'r>) {
        for block in &result.content {
            self.check(block);
        }
        let parts: Vec<&Block<'_>> = result.content.iter().filter(|block| self.sendable(block, Side::Input)).collect();
        let failed = result.is_error == Some(true);
        if failed {
            self.lose("content[].is_error", LossKind::Approximated);
        }
        self.sent += 1;
        let mut stray = Calls { made: 1, answered: 0 };
        let waiting = self.calls.get_mut(result.id.as_str()).filter(|calls| calls.answered < calls.made);
        let Some(calls) = waiting.or((!self.target.repairs.orphans).then_some(&mut stray)) else {
            self.lose("content[].tool_result", LossKind::Approximated);
            w.object(|w| {
                w.key("type").str("message");
                w.key("role").str("user");
                w.key("content").array(|w| {
                    text_part(w, &format!("Result of the tool call {}:", result.id), Side::Input);
                    result_parts(w, &parts, failed);
                });
            });
            return;
        };
        let id = nth_id(&result.id, calls.answered, self.target.repairs.names);
        calls.answered += 1;
        write_output(w, &id, result.kind, |w| match parts.as_slice() {
            [] => w.str(if failed { "Error" } else { "" }),
            [Block { kind: BlockKind::Text { text, .. }, .. }] if failed => w.fmt(format_args!("Error: {text}")),
            [Block { kind: BlockKind::Text { text, .. }, .. }] => w.str(text),
            parts => w.array(|w| result_parts(w, parts, failed)),
        });
    }

    /// Writes reasoning that the provider can read and that something follows: it refuses any other.
    fn reasoning(&mut self, w: &mut Writer<'_>, reasoning: &ReasoningBlock<'_>, block: &Block<'_>, followed: bool) {
        let seal = block.signature.as_ref().and_then(|seal| seal.for_provider(DIALECT));
        let Some(seal) = seal.filter(|_| followed) else {
            return self.lose("content[].reasoning", LossKind::Dropped);
        };
        w.object(|w| {
            w.key("type").str("reasoning");
            w.opt_str("id", reasoning.id.as_deref().filter(|id| id.starts_with("rs_")));
            write::text_list(w, "summary", "summary_text", &reasoning.text);
            w.key("encrypted_content").str(seal);
        });
        self.sent += 1;
    }
}

/// The id of the `n`-th call that bears `id`: within 64 bytes, and unique although the client's was not.
fn nth_id(id: &str, n: usize, repairs_names: bool) -> String {
    if !repairs_names {
        return id.to_owned();
    }
    if n == 0 { names::call_id(id).into_owned() } else { names::call_id(&format!("{id}_{n}")).into_owned() }
}

fn write_output(w: &mut Writer<'_>, id: &str, kind: ToolUseKind, output: impl FnOnce(&mut Writer<'_>)) {
    w.object(|w| {
        w.key("type").str(write::output_kind(kind));
        w.key("call_id").str(id);
        output(w.key("output"));
    });
}

fn result_parts(w: &mut Writer<'_>, parts: &[&Block<'_>], failed: bool) {
    if failed {
        text_part(w, "Error:", Side::Input);
    }
    for block in parts {
        write_part(w, block, Side::Input);
    }
}

fn media_fits(media: &Media<'_>) -> bool {
    // Ids of another provider's file store were refused.
    !matches!(media.source, MediaSource::Text(_))
}

fn write_part(w: &mut Writer<'_>, block: &Block<'_>, side: Side) {
    match &block.kind {
        BlockKind::Text { text, .. } => text_part(w, text, side),
        BlockKind::Refusal { text } if side == Side::Input => text_part(w, text, side),
        BlockKind::File(Media { source: MediaSource::Text(text), .. }) => text_part(w, text, side),
        BlockKind::Refusal { text } => w.object(|w| {
            w.key("type").str("refusal");
            w.key("refusal").str(text);
        }),
        BlockKind::Image(media) => w.object(|w| {
            w.key("type").str("input_image");
            write::media_members(w, media, "image_url", "image_url", 0);
            match block.extra.get(CHAT_DETAIL).filter(|detail| detail.is_string()) {
                Some(detail) => w.key("detail").raw(detail),
                None => w.key("detail").str("auto"),
            }
        }),
        BlockKind::File(media) => w.object(|w| {
            w.key("type").str("input_file");
            match (&media.source, media.name.as_deref()) {
                (_, Some(name)) => w.key("filename").str(name),
                // Bytes need a name, an address has one.
                (MediaSource::Base64(_), None) => w.key("filename").str("document.pdf"),
                _ => {}
            }
            write::media_members(w, media, "file_data", "file_url", 0);
        }),
        BlockKind::Audio(media) => w.object(|w| write::audio_members(w, media)),
        BlockKind::Opaque { raw, .. } => w.raw(raw),
        _ => w.null(),
    }
}
