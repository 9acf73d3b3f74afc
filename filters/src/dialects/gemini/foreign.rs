//! Conversations of other dialects under Gemini's rules: a user turn first, sides alternate, every call has its
//! result, in order, in the very next turn.

use super::tools;
use super::write::{Style, is_mime_known, is_part, is_result_part, joined, result_text, text_part};
use crate::Dialect;
use crate::dialects::{EncodeError, Encoded, Target};
use crate::ir::{Block, BlockKind, LossKind, Losses, Media, MediaSource, Request, Role, ToolResult, ToolUse, Turn};
use crate::json::{Extra, Raw, Writer};
use crate::repair::Repairs;
use crate::repair::turns::sides;

/// What Google documents for calls that another model made (ai.google.dev/gemini-api/docs/thought-signatures).
const SENTINEL: &str = "skip_thought_signature_validator";

/// Puts the sentinel where the model asks for a seal (Gemini 3): on the first call of a turn.
pub(super) struct Sentinel {
    wanted: bool,
}

impl Sentinel {
    /// For one turn of the model.
    pub(super) fn new(target: &Target) -> Self {
        Sentinel { wanted: target.profile.sealed_calls == Some(true) }
    }

    /// The seal of a block: its own, or the sentinel.
    pub(super) fn seal<'s>(&mut self, block: &Block<'_>, own: Option<&'s str>) -> Option<&'s str> {
        let call = matches!(block.kind, BlockKind::ToolUse(_));
        if call && std::mem::take(&mut self.wanted) { own.or(Some(SENTINEL)) } else { own }
    }
}

/// The members `systemInstruction` and `contents`.
pub(super) struct Contents {
    /// Parts of `systemInstruction`.
    system: Vec<u8>,
    contents: Vec<Content>,
}

struct Content {
    role: &'static str,
    /// Parts, each a JSON value, with commas between.
    parts: Vec<u8>,
}

impl Contents {
    /// Writes both.
    pub(super) fn write(&self, w: &mut Writer<'_>) {
        if let Some(parts) = array(&self.system) {
            w.key("systemInstruction").object(|w| w.key("parts").raw(&parts));
        }
        w.key("contents").array(|w| {
            for content in &self.contents {
                w.object(|w| {
                    w.key("role").str(content.role);
                    if let Some(parts) = array(&content.parts) {
                        w.key("parts").raw(&parts);
                    }
                });
            }
        });
    }

    /// Adds parts to the last turn when it is of the same side and turns are merged, else a turn. No parts add nothing.
    fn push(&mut self, role: &'static str, parts: Vec<u8>, merge: bool) {
        match self.contents.last_mut() {
            _ if parts.is_empty() => {}
            Some(last) if merge && last.role == role => {
                last.parts.push(b',');
                last.parts.extend_from_slice(&parts);
            }
            _ => self.contents.push(Content { role, parts }),
        }
    }
}

fn array(parts: &[u8]) -> Option<Raw<'static>> {
    let text = std::str::from_utf8(parts).ok().filter(|parts| !parts.is_empty())?;
    Raw::from_string(format!("[{text}]"))
}

/// Adds one part.
fn add(parts: &mut Vec<u8>, write: impl FnOnce(&mut Writer<'_>)) {
    if !parts.is_empty() {
        parts.push(b',');
    }
    write(&mut Writer::new(parts));
}

/// Builds the conversation.
pub(super) fn contents(request: &Request<'_>, target: &Target, encoded: &mut Encoded) -> Result<Contents, EncodeError> {
    let (system, turns) = request.split_system();
    let mut build = Build {
        style: tools::style(request, target),
        target,
        repairs: target.repairs,
        losses: &mut encoded.losses,
        contents: Contents { system: Vec::new(), contents: Vec::new() },
        open: Vec::new(),
        images_left_out: images_beyond(request, target),
    };
    let mut text = Vec::new();
    for turn in system {
        build.turn_losses(turn);
        build.system_text(turn, &mut text);
    }
    if target.repairs.turns {
        let groups: Vec<&[Turn<'_>]> = sides(turns).collect();
        // System turns in the middle are user text, so they belong to the user's side.
        for group in groups.chunk_by(|left, right| is_model(left) == is_model(right)) {
            let turns = group.iter().flat_map(|turns| turns.iter());
            if group.first().is_some_and(|turns| is_model(turns)) { build.model(turns)? } else { build.user(turns)? }
        }
    } else {
        for turn in turns {
            let one = std::slice::from_ref(turn);
            if is_model(one) { build.model(one.iter())? } else { build.user_in_place(turn)? }
        }
    }
    build.answer_open();
    let Build { mut contents, losses, .. } = build;
    contents.system = text;
    if contents.contents.is_empty() && !contents.system.is_empty() {
        losses.add("messages[].role", LossKind::Approximated);
        let parts = std::mem::take(&mut contents.system);
        contents.push("user", parts, true);
    }
    match contents.contents.first() {
        None => Err(EncodeError::at("messages", "the conversation is empty: send at least one message with text")),
        Some(first) if first.role == "model" && target.repairs.turns => {
            losses.add("messages", LossKind::Approximated);
            let parts = br#"{"text":" "}"#.to_vec();
            contents.contents.insert(0, Content { role: "user", parts });
            Ok(contents)
        }
        Some(_) => Ok(contents),
    }
}

/// Pictures more than the model takes: the oldest are left out.
fn images_beyond(request: &Request<'_>, target: &Target) -> u32 {
    let Some(max) = target.profile.images_max.filter(|_| target.repairs.bounds) else { return 0 };
    fn count(blocks: &[Block<'_>]) -> u32 {
        let one = |block: &Block<'_>| match &block.kind {
            BlockKind::Image(_) => 1,
            BlockKind::ToolResult(result) => count(&result.content),
            _ => 0,
        };
        blocks.iter().map(one).fold(0, u32::saturating_add)
    }
    let all = request.turns.iter().map(|turn| count(&turn.blocks)).fold(0, u32::saturating_add);
    all.saturating_sub(max)
}

fn is_model(turns: &[Turn<'_>]) -> bool {
    turns.first().is_some_and(|turn| turn.role == Role::Assistant)
}

struct Build<'b, 'l> {
    style: Style,
    target: &'b Target,
    repairs: Repairs,
    losses: &'l mut Losses,
    contents: Contents,
    /// Calls of the last model turn that wait for their results: id and name.
    open: Vec<(String, String)>,
    /// Pictures that are still to be left out.
    images_left_out: u32,
}

impl Build<'_, '_> {
    fn turn_losses(&mut self, turn: &Turn<'_>) {
        self.losses.drop_extra("messages[]", &turn.extra);
        if turn.name.is_some() {
            self.losses.add("messages[].name", LossKind::Dropped);
        }
    }

    fn block_losses(&mut self, block: &Block<'_>) {
        self.losses.drop_extra("messages[].content[]", &block.extra);
        if block.cache.is_some() {
            self.losses.add("messages[].content[].cache_control", LossKind::Dropped);
        }
        if let BlockKind::Text { citations: Some(_), .. } = block.kind {
            self.losses.add("messages[].content[].citations", LossKind::Dropped);
        }
    }

    fn system_text(&mut self, turn: &Turn<'_>, parts: &mut Vec<u8>) {
        for block in &turn.blocks {
            self.block_losses(block);
            match &block.kind {
                BlockKind::Text { text, .. } if text.is_empty() && self.repairs.empty_parts => {}
                BlockKind::Text { text, .. } => add(parts, |w| text_part(w, text, false, None)),
                // `systemInstruction` takes text only.
                _ => self.losses.add("system[]", LossKind::Dropped),
            }
        }
    }

    fn user<'t, 'a: 't>(&mut self, turns: impl Iterator<Item = &'t Turn<'a>>) -> Result<(), EncodeError> {
        let mut results: Vec<&ToolResult<'_>> = Vec::new();
        let mut rest = Vec::new();
        for turn in turns {
            self.turn_losses(turn);
            if turn.role.is_system() {
                self.losses.add("messages[].role", LossKind::Approximated);
            }
            for block in &turn.blocks {
                self.block_losses(block);
                match &block.kind {
                    BlockKind::ToolResult(result) if self.is_open(result, &results) => {
                        results.push(result);
                    }
                    BlockKind::ToolResult(result) => self.stray_result(result, &mut rest)?,
                    _ => self.user_block(block, &mut rest)?,
                }
            }
        }
        let mut parts = Vec::new();
        let open = std::mem::take(&mut self.open);
        for (id, name) in &open {
            match results.iter().find(|result| result.id == id.as_str()) {
                Some(result) => self.result(result, Some(name), &mut parts, &mut rest)?,
                None => self.no_result(id, name, &mut parts),
            }
        }
        self.contents.push("user", parts, true);
        self.contents.push("user", rest, true);
        Ok(())
    }

    /// A turn that is neither merged with others nor brought into another order.
    fn user_in_place(&mut self, turn: &Turn<'_>) -> Result<(), EncodeError> {
        self.turn_losses(turn);
        if turn.role.is_system() {
            self.losses.add("messages[].role", LossKind::Approximated);
        }
        let (mut parts, mut rest) = (Vec::new(), Vec::new());
        for block in &turn.blocks {
            self.block_losses(block);
            let BlockKind::ToolResult(result) = &block.kind else {
                self.user_block(block, &mut parts)?;
                continue;
            };
            match self.open.iter().position(|(id, _)| result.id == id.as_str()) {
                Some(at) => {
                    let (_, name) = self.open.remove(at);
                    self.result(result, Some(&name), &mut parts, &mut rest)?;
                }
                None => self.stray_result(result, &mut parts)?,
            }
        }
        if !parts.is_empty() && !rest.is_empty() {
            parts.push(b',');
        }
        parts.extend_from_slice(&rest);
        self.contents.push("user", parts, false);
        Ok(())
    }

    /// A result as a part; media that cannot stand in it go to `rest`.
    fn result(
        &mut self,
        result: &ToolResult<'_>,
        name: Option<&str>,
        parts: &mut Vec<u8>,
        rest: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let style = self.style;
        add(parts, |w| w.object(|w| style.result(w, result, 0, &Extra::default(), name)));
        self.result_media(&result.content, rest)
    }

    /// Whether a result answers a call of the model turn before, for the first time.
    fn is_open(&self, result: &ToolResult<'_>, seen: &[&ToolResult<'_>]) -> bool {
        let waits = self.open.iter().any(|(id, _)| result.id == id.as_str());
        waits && !seen.iter().any(|other| other.id == result.id)
    }

    /// Media of a result that cannot stand in it follow as user parts.
    fn result_media(&mut self, content: &[Block<'_>], rest: &mut Vec<u8>) -> Result<(), EncodeError> {
        for block in content {
            self.block_losses(block);
            if is_result_part(block) {
                if self.style.result_parts {
                    check_media(&block.kind)?;
                } else {
                    self.losses.add("messages[].content[].content[]", LossKind::Approximated);
                    self.user_block(block, rest)?;
                }
            } else if result_text(block).is_none() {
                self.losses.add("messages[].content[].content[]", LossKind::Dropped);
            }
        }
        Ok(())
    }

    /// Every call needs a result: the model is told that there is none.
    fn no_result(&mut self, id: &str, name: &str, parts: &mut Vec<u8>) {
        if !self.repairs.orphans {
            return;
        }
        self.losses.add("messages[].tool_calls", LossKind::Approximated);
        let content = vec![Block::text("the tool gave no result")];
        let (id, kind) = (id.into(), crate::ir::ToolUseKind::Function);
        let result = ToolResult { id, name: None, content, is_error: Some(true), kind };
        add(parts, |w| w.object(|w| self.style.result(w, &result, 0, &Extra::default(), Some(name))));
    }

    /// A conversation that ends with calls.
    fn answer_open(&mut self) {
        let mut parts = Vec::new();
        for (id, name) in std::mem::take(&mut self.open) {
            self.no_result(&id, &name, &mut parts);
        }
        self.contents.push("user", parts, self.repairs.turns);
    }

    /// A result without its call becomes user text: refusing it would end the conversation for good.
    fn stray_result(&mut self, result: &ToolResult<'_>, rest: &mut Vec<u8>) -> Result<(), EncodeError> {
        if !self.repairs.orphans {
            let (mut part, mut media) = (Vec::new(), Vec::new());
            self.result(result, None, &mut part, &mut media)?;
            for parts in [part, media].iter().filter(|parts| !parts.is_empty()) {
                add(rest, |w| w.written(parts));
            }
            return Ok(());
        }
        self.losses.add("messages[].tool_call_id", LossKind::Approximated);
        let name = result.name.as_deref().unwrap_or(&result.id);
        add(rest, |w| text_part(w, &format!("Result of the tool {name}:"), false, None));
        for block in &result.content {
            self.user_block(block, rest)?;
        }
        Ok(())
    }

    fn user_block(&mut self, block: &Block<'_>, parts: &mut Vec<u8>) -> Result<(), EncodeError> {
        match &block.kind {
            BlockKind::Text { text, .. } | BlockKind::Refusal { text }
                if text.is_empty() && self.repairs.empty_parts => {}
            BlockKind::Image(_) if self.images_left_out > 0 => {
                self.images_left_out -= 1;
                self.losses.add("messages[].content[].image", LossKind::Clamped);
            }
            BlockKind::Text { .. } | BlockKind::Refusal { .. } => self.plain_part(block, parts),
            BlockKind::Image(media) | BlockKind::Audio(media) | BlockKind::Video(media) | BlockKind::File(media) => {
                check_media(&block.kind)?;
                self.media_losses(media);
                let empty = matches!(&media.source, MediaSource::Text(text) if text.is_empty());
                if !empty {
                    self.plain_part(block, parts);
                }
            }
            BlockKind::Opaque { .. } if is_part(block) => self.plain_part(block, parts),
            BlockKind::Reasoning(_) => self.losses.add("messages[].reasoning", LossKind::Dropped),
            _ => self.losses.add("messages[].content[]", LossKind::Dropped),
        }
        Ok(())
    }

    fn plain_part(&self, block: &Block<'_>, parts: &mut Vec<u8>) {
        add(parts, |w| self.style.part(w, block, None));
    }

    fn media_losses(&mut self, media: &Media<'_>) {
        if media.name.is_some() {
            self.losses.add("messages[].content[].filename", LossKind::Dropped);
        }
        // What a name or the bytes tell is no guess.
        if !is_mime_known(media) && matches!(media.source, MediaSource::Url(_)) {
            self.losses.add("messages[].content[].mime_type", LossKind::Approximated);
        }
    }

    fn model<'t, 'a: 't>(&mut self, turns: impl Iterator<Item = &'t Turn<'a>>) -> Result<(), EncodeError> {
        let mut parts = Vec::new();
        if !self.repairs.turns {
            self.answer_open();
        }
        let mut sentinel = Sentinel::new(self.target);
        // A seal on a carrier of its own, as other protocols transport it: it belongs to the next block.
        let mut carried: Option<String> = None;
        for turn in turns {
            self.turn_losses(turn);
            for block in &turn.blocks {
                self.block_losses(block);
                let seal = block.signature.as_ref().and_then(|seal| seal.for_provider(Dialect::Gemini));
                if block.signature.is_some() && seal.is_none() {
                    self.losses.add("messages[].reasoning.signature", LossKind::Dropped);
                }
                match &block.kind {
                    BlockKind::Reasoning(reasoning) => match seal {
                        None => self.losses.add("messages[].reasoning", LossKind::Dropped),
                        Some(seal) => {
                            flush_seal(&mut carried, &mut parts);
                            carried = Some(seal.to_owned());
                            let text = joined(&reasoning.text);
                            if !text.is_empty() {
                                add(&mut parts, |w| text_part(w, &text, true, None));
                            }
                        }
                    },
                    BlockKind::ToolUse(call) => {
                        let own = seal.map(str::to_owned).or_else(|| carried.take());
                        let seal = sentinel.seal(block, own.as_deref());
                        self.call(call, seal, &mut parts);
                    }
                    BlockKind::Text { text, .. } => {
                        if text.is_empty() && seal.is_none() && self.repairs.empty_parts {
                            continue;
                        }
                        let own = seal.map(str::to_owned).or_else(|| carried.take());
                        add(&mut parts, |w| text_part(w, text, false, own.as_deref()));
                    }
                    _ => self.user_block(block, &mut parts)?,
                }
            }
        }
        flush_seal(&mut carried, &mut parts);
        self.contents.push("model", parts, self.repairs.turns);
        Ok(())
    }

    /// A call whose id was used in this turn already cannot get a result of its own.
    fn call(&mut self, call: &ToolUse<'_>, seal: Option<&str>, parts: &mut Vec<u8>) {
        if self.open.iter().any(|(id, _)| call.id == id.as_str()) {
            self.losses.add("messages[].tool_calls", LossKind::Approximated);
        }
        self.open.push((call.id.to_string(), call.name.to_string()));
        add(parts, |w| {
            w.object(|w| {
                self.style.call(w, call, 0, &Extra::default());
                w.opt_str("thoughtSignature", seal);
            });
        });
    }
}

/// A seal that no block followed stands on an empty text part, as Gemini itself sends it.
fn flush_seal(carried: &mut Option<String>, parts: &mut Vec<u8>) {
    if let Some(seal) = carried.take() {
        add(parts, |w| text_part(w, "", false, Some(&seal)));
    }
}

/// Files that only another provider can read cannot be said.
fn check_media(kind: &BlockKind<'_>) -> Result<(), EncodeError> {
    let (BlockKind::Image(media) | BlockKind::Audio(media) | BlockKind::Video(media) | BlockKind::File(media)) = kind
    else {
        return Ok(());
    };
    match &media.source {
        MediaSource::FileId(id) => Err(EncodeError::at(
            "file_id",
            format!("the file {id:?} is in another provider's store: send its bytes in base64, or a URL"),
        )),
        _ => Ok(()),
    }
}
