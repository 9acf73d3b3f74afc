//! A whole answer for a client of Chat.

use super::media;
use super::own::{self, Show};
use super::tools::write_called;
use crate::Dialect;
use crate::dialects::openai_chat::media::Carrier;
use crate::dialects::openai_chat::{stop, usage};
use crate::ir::{Block, BlockKind, Choice, Losses, ReplyContext, Response};
use crate::json::{Extra, Str, Writer};

/// Writes `response` for a client of Chat. The model is the one of `context`; id and time are the provider's where it
/// speaks this dialect, else those of `context`.
pub fn encode_response(response: &Response<'_>, context: &ReplyContext, out: &mut Vec<u8>) -> Losses {
    let own = response.origin == Dialect::OpenAiChat;
    let mut w = Writer::new(out);
    w.object(|w| {
        match response.id.as_ref().filter(|_| own) {
            Some(id) => w.key("id").str(id),
            None => w.key("id").str(&context.id("chatcmpl-", 0)),
        }
        if response.extra.get("object").is_none_or(|_| !own) {
            w.key("object").str("chat.completion");
        }
        if response.extra.get("created").is_none_or(|_| !own) {
            w.key("created").u64(response.created.unwrap_or(context.created));
        }
        w.key("model").str(&context.model);
        w.key("choices").array(|w| {
            for choice in &response.choices {
                w.object(|w| write_choice(w, choice, own, context));
            }
            // A prompt that was refused has no answer elsewhere; here it has one that says so.
            if response.choices.is_empty() && !own {
                w.object(|w| {
                    w.key("index").u64(0);
                    w.key("message").object(|w| {
                        w.key("role").str("assistant");
                        w.key("content").null();
                        w.key("refusal").null();
                    });
                    w.key("finish_reason").str("content_filter");
                });
            }
        });
        if let Some(spent) = &response.usage {
            usage::write(w.key("usage"), spent, spent.raw.as_ref().filter(|_| own));
        }
        if own {
            for (key, value) in response.extra.iter().filter(|(key, _)| !matches!(*key, "id" | "model" | "choices")) {
                w.key(key).raw(value);
            }
        }
    });
    Losses::default()
}

fn write_choice(w: &mut Writer<'_>, choice: &Choice<'_>, own: bool, context: &ReplyContext) {
    w.key("index").u64(u64::from(choice.index));
    w.key("message").object(|w| {
        w.key("role").str("assistant");
        if own {
            let show = Show { reasoning: context.reasoning_content, wrap_custom: false };
            own::message(w, &choice.blocks, choice.form, &show);
            media::nested(w, "message.", &choice.extra);
        } else {
            message(w, choice, context);
        }
    });
    let called = choice.blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolUse(_)));
    match choice.stop_raw.as_ref().filter(|_| own) {
        Some(word) => w.key("finish_reason").str(word),
        None if own && choice.extra.get("finish_reason").is_some() => {}
        None => w.key("finish_reason").str(stop::word(choice.stop, called)),
    }
    if own {
        let written = |key: &str| key.starts_with("message.") || matches!(key, "message" | "index");
        for (key, value) in choice.extra.iter().filter(|(key, _)| !written(key)) {
            w.key(key).raw(value);
        }
    }
}

/// The message of another dialect's answer. Texts are put together without a gap, as they are in a stream.
fn message(w: &mut Writer<'_>, choice: &Choice<'_>, context: &ReplyContext) {
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
    if context.reasoning_content {
        thoughts(w, &choice.blocks);
    }
    match refusal.as_str() {
        "" => w.key("refusal").null(),
        refusal => w.key("refusal").str(refusal),
    }
    images(w, &choice.blocks);
    let calls = || choice.blocks.iter().enumerate().filter(|(_, block)| matches!(block.kind, BlockKind::ToolUse(_)));
    if calls().next().is_some() {
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
}

fn thoughts(w: &mut Writer<'_>, blocks: &[Block<'_>]) {
    let shown = blocks.iter().filter_map(|block| match &block.kind {
        BlockKind::Reasoning(thought) => Some(thought),
        _ => None,
    });
    let texts: Vec<&str> =
        shown.flat_map(|thought| thought.text.iter().map(Str::as_str)).filter(|text| !text.is_empty()).collect();
    if !texts.is_empty() {
        w.key("reasoning_content").str(&texts.join("\n\n"));
    }
}

/// Pictures the model made go into the de-facto list `images` (wire 92).
fn images(w: &mut Writer<'_>, blocks: &[Block<'_>]) {
    let made = |block: &&Block<'_>| matches!(&block.kind, BlockKind::Image(medium) if media::can_carry(Carrier::Image, medium, true));
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
