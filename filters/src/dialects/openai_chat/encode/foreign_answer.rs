//! The message of another dialect's answer.

use super::media;
use super::tools::write_called;
use crate::Dialect;
use crate::dialects::openai_chat::media::Carrier;
use crate::dialects::openai_chat::notes::{write_citation, write_logprobs};
use crate::dialects::{read_citations, read_logprobs};
use crate::ir::{Block, BlockKind, Choice, LossKind, Losses, Media, MediaSource, ReplyContext};
use crate::json::{Extra, Raw, Str, Writer};

/// Where the parts of an answer stand in the words of its provider, for the paths of losses.
pub(in crate::dialects::openai_chat) fn parts_of(origin: Dialect) -> &'static str {
    match origin {
        Dialect::OpenAiChat => "choices[].message",
        Dialect::OpenAiResponses => "output[]",
        Dialect::Anthropic => "content[]",
        Dialect::Gemini => "candidates[].content.parts[]",
    }
}

/// How the provider calls its notes on where a text comes from, for the paths of losses.
pub(in crate::dialects::openai_chat) fn citations_of(origin: Dialect) -> &'static str {
    match origin {
        Dialect::OpenAiChat => "choices[].message.annotations",
        Dialect::OpenAiResponses => "output[].content[].annotations",
        Dialect::Anthropic => "content[].citations",
        Dialect::Gemini => "candidates[].groundingMetadata",
    }
}

/// How the provider calls its log probabilities, for the paths of losses.
pub(in crate::dialects::openai_chat) fn logprobs_of(origin: Dialect) -> &'static str {
    match origin {
        Dialect::OpenAiChat => "choices[].logprobs",
        Dialect::OpenAiResponses => "output[].content[].logprobs",
        Dialect::Anthropic => "content[].logprobs",
        Dialect::Gemini => "candidates[].logprobsResult",
    }
}

/// Records a part that only its provider knows.
pub(in crate::dialects::openai_chat) fn lose_opaque(raw: &Raw<'_>, origin: Dialect, losses: &mut Losses) {
    #[derive(serde::Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    let kind = raw.read::<Kind>().and_then(|kind| kind.kind);
    // A part of Gemini's has no type but the name of its one member.
    let member = || raw.read::<std::collections::BTreeMap<String, Raw<'_>>>()?.into_keys().next();
    let kind = kind.or_else(member).unwrap_or_else(|| "unknown".to_owned());
    losses.add(format!("{}.{kind}", parts_of(origin)), LossKind::Dropped);
}

/// Writes the members of the message but its role. Texts are put together without a gap, as they are in a stream.
pub(super) fn message(
    w: &mut Writer<'_>,
    choice: &Choice<'_>,
    origin: Dialect,
    context: &ReplyContext,
    losses: &mut Losses,
) {
    let join = |wanted: &dyn Fn(&BlockKind<'_>) -> Option<String>| {
        let texts: Vec<String> = choice.blocks.iter().filter_map(|block| wanted(&block.kind)).collect();
        texts.concat()
    };
    let text = join(&|kind| match kind {
        BlockKind::Text { text, .. } => Some(text.to_string()),
        _ => None,
    });
    let refusal = join(&|kind| match kind {
        BlockKind::Refusal { text } => Some(text.to_string()),
        _ => None,
    });
    match text.as_str() {
        "" => w.key("content").null(),
        text => w.key("content").str(text),
    }
    thoughts(w, &choice.blocks, origin, context, losses);
    match refusal.as_str() {
        "" => w.key("refusal").null(),
        refusal => w.key("refusal").str(refusal),
    }
    annotations(w, choice, origin, losses);
    images(w, &choice.blocks);
    audio(w, &choice.blocks, context);
    calls(w, &choice.blocks, context);
    for block in &choice.blocks {
        match &block.kind {
            BlockKind::Opaque { dialect, raw } => lose_opaque(raw, *dialect, losses),
            BlockKind::Image(medium) if !shows(medium) => lose_medium("image", origin, losses),
            BlockKind::Audio(medium) if sound(medium).is_none() => lose_medium("audio", origin, losses),
            BlockKind::Video(_) => lose_medium("video", origin, losses),
            BlockKind::File(_) => lose_medium("file", origin, losses),
            BlockKind::ToolResult(_) => lose_medium("tool_result", origin, losses),
            _ => {}
        }
    }
    let mut sounds = choice.blocks.iter().filter(|block| matches!(block.kind, BlockKind::Audio(_)));
    if sounds.nth(1).is_some() {
        lose_medium("audio", origin, losses);
    }
}

fn calls(w: &mut Writer<'_>, blocks: &[Block<'_>], context: &ReplyContext) {
    let calls = || blocks.iter().enumerate().filter(|(_, block)| matches!(block.kind, BlockKind::ToolUse(_)));
    if calls().next().is_none() {
        return;
    }
    w.key("tool_calls").array(|w| {
        for (n, block) in calls() {
            let BlockKind::ToolUse(call) = &block.kind else { continue };
            w.object(|w| {
                match call.id.as_str() {
                    "" => w.key("id").str(&context.id("call_", n as u64)),
                    id => w.key("id").str(id),
                }
                write_called(w, call, &call.name, false, None);
            });
        }
    });
}

fn thoughts(w: &mut Writer<'_>, blocks: &[Block<'_>], origin: Dialect, context: &ReplyContext, losses: &mut Losses) {
    let shown = blocks.iter().filter_map(|block| match &block.kind {
        BlockKind::Reasoning(thought) => Some(thought),
        _ => None,
    });
    let texts: Vec<&str> =
        shown.flat_map(|thought| thought.text.iter().map(Str::as_str)).filter(|text| !text.is_empty()).collect();
    if texts.is_empty() {
        return;
    }
    if context.reasoning_content {
        w.key("reasoning_content").str(&texts.join("\n\n"));
    } else {
        losses.add(format!("{}.reasoning", parts_of(origin)), LossKind::Dropped);
    }
}

/// The sources of all texts, placed in the message's one text.
fn annotations(w: &mut Writer<'_>, choice: &Choice<'_>, origin: Dialect, losses: &mut Losses) {
    let (mut list, mut offset, mut lost, mut quoted) = (Vec::new(), 0, false, false);
    let mut found: Vec<u8> = Vec::new();
    let mut add = |raw: &Raw<'_>, text: &str, place: (usize, usize)| {
        let read = read_citations(origin, raw, text);
        // What cannot be read says something all the same, unless it is an empty list.
        lost |= read.is_empty() && !matches!(raw.get(), "[]" | "{}" | "null");
        for citation in read {
            quoted |= citation.quotes();
            found.clear();
            match write_citation(&mut Writer::new(&mut found), &citation, place, None) {
                true if list.contains(&found) => {}
                true => list.push(found.clone()),
                false => lost = true,
            }
        }
    };
    for block in &choice.blocks {
        let BlockKind::Text { text, citations } = &block.kind else { continue };
        let length = text.chars().count();
        if let Some(raw) = citations {
            add(raw, text, (offset, length));
        }
        offset += length;
    }
    if let Some(raw) = choice.extra.get("groundingMetadata").filter(|raw| raw.is_object()) {
        let texts: Vec<&str> = choice
            .blocks
            .iter()
            .filter_map(|block| match &block.kind {
                BlockKind::Text { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        add(raw, &texts.concat(), (0, offset));
    }
    if lost {
        losses.add(citations_of(origin), LossKind::Dropped);
    }
    if quoted {
        losses.add(citations_of(origin), LossKind::Approximated);
    }
    if !list.is_empty() {
        w.key("annotations").array(|w| list.iter().for_each(|written| w.written(written)));
    }
}

/// Writes a choice's `logprobs`: those of all its texts in order. They stand with the text in Responses, and in a member
/// of the candidate in Gemini.
pub(super) fn logprobs(w: &mut Writer<'_>, choice: &Choice<'_>, origin: Dialect, losses: &mut Losses) {
    let member = match origin {
        Dialect::Gemini => "logprobsResult",
        _ => "logprobs",
    };
    let texts = choice.blocks.iter().filter_map(|block| block.extra.get("logprobs"));
    let said: Vec<&Raw<'_>> = choice.extra.get(member).into_iter().chain(texts).collect();
    let tokens: Vec<_> = said.iter().flat_map(|raw| read_logprobs(origin, raw)).collect();
    if !tokens.is_empty() {
        write_logprobs(w.key("logprobs"), &tokens);
    } else if said.iter().any(|raw| !matches!(raw.get(), "[]" | "{}" | "null")) {
        losses.add(logprobs_of(origin), LossKind::Dropped);
    }
}

/// Records a medium that Chat's answers cannot hold.
fn lose_medium(kind: &str, origin: Dialect, losses: &mut Losses) {
    losses.add(format!("{}.{kind}", parts_of(origin)), LossKind::Dropped);
}

fn shows(medium: &Media<'_>) -> bool {
    media::can_carry(Carrier::Image, medium, Dialect::OpenAiChat)
}

/// Pictures the model made go into the de-facto list `images` (wire 92).
fn images(w: &mut Writer<'_>, blocks: &[Block<'_>]) {
    let made = |block: &&Block<'_>| matches!(&block.kind, BlockKind::Image(medium) if shows(medium));
    if blocks.iter().any(|block| made(&block)) {
        w.key("images").array(|w| {
            for block in blocks.iter().filter(made) {
                if let BlockKind::Image(medium) = &block.kind {
                    media::write(w, Carrier::Image, medium, &Extra::default(), 0);
                }
            }
        });
    }
}

/// The data of a sound that can be shown.
pub(in crate::dialects::openai_chat) fn sound<'m>(medium: &'m Media<'_>) -> Option<&'m str> {
    match &medium.source {
        MediaSource::Base64(data) => Some(data),
        MediaSource::Url(_) | MediaSource::Text(_) | MediaSource::FileId(_) => None,
    }
}

/// Sound the model made: Chat's answers have room for one.
fn audio(w: &mut Writer<'_>, blocks: &[Block<'_>], context: &ReplyContext) {
    let data = blocks.iter().find_map(|block| match &block.kind {
        BlockKind::Audio(medium) => sound(medium),
        _ => None,
    });
    if let Some(data) = data {
        write_audio(w.key("audio"), data, context);
    }
}

/// Writes the object `audio`. Nothing is stored under its id, so it is past its time already.
pub(in crate::dialects::openai_chat) fn write_audio(w: &mut Writer<'_>, data: &str, context: &ReplyContext) {
    w.object(|w| {
        w.key("id").str(&context.id("audio_", 0));
        w.key("data").str(data);
        w.key("expires_at").u64(context.created);
        w.key("transcript").str("");
    });
}
