//! A whole answer for a client of Chat.

use super::foreign_answer;
use super::media;
use super::own::{self, Show};
use crate::Dialect;
use crate::dialects::openai_chat::decode::{AUDIO_KEPT, AUDIO_MARK, DETAILS_KEPT};
use crate::dialects::openai_chat::{stop, usage};
use crate::ir::{Block, BlockKind, Choice, LossKind, Losses, ReplyContext, Response};
use crate::json::{Extra, Writer};

/// Writes `response` for a client of Chat. The model is the one of `context`; id and time are the provider's where it
/// speaks this dialect, else those of `context`.
pub fn encode_response(response: &Response<'_>, context: &ReplyContext, out: &mut Vec<u8>) -> Losses {
    let own = response.origin == Dialect::OpenAiChat;
    let mut losses = Losses::default();
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
                w.object(|w| write_choice(w, choice, response.origin, context, &mut losses));
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
    losses
}

fn write_choice(w: &mut Writer<'_>, choice: &Choice<'_>, origin: Dialect, context: &ReplyContext, losses: &mut Losses) {
    let own = origin == Dialect::OpenAiChat;
    w.key("index").u64(u64::from(choice.index));
    w.key("message").object(|w| {
        w.key("role").str("assistant");
        if own {
            let show = Show { reasoning: context.reasoning_content, wrap_custom: false };
            // What was read out of `audio` is written as it.
            let of_audio = |block: &&Block<'_>| block.extra.get(AUDIO_MARK).is_some();
            if choice.blocks.iter().any(|block| of_audio(&block)) {
                let blocks: Vec<_> = choice.blocks.iter().filter(|block| !of_audio(block)).cloned().collect();
                own::message(w, &blocks, choice.form, &show);
            } else {
                own::message(w, &choice.blocks, choice.form, &show);
            }
            media::nested(w, "message.", &choice.extra);
            media::nested(w, AUDIO_KEPT, &choice.extra);
            if show.reasoning {
                media::nested(w, DETAILS_KEPT, &choice.extra);
            }
            let thinks = choice.blocks.iter().any(|block| matches!(block.kind, BlockKind::Reasoning(_)));
            if thinks && !context.reasoning_content {
                losses.add("choices[].message.reasoning_content", LossKind::Dropped);
            }
        } else {
            foreign_answer::message(w, choice, origin, context, losses);
        }
    });
    let called = choice.blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolUse(_)));
    match choice.stop_raw.as_ref().filter(|_| own) {
        Some(word) => w.key("finish_reason").str(word),
        None if own && choice.extra.get("finish_reason").is_some() => {}
        None => w.key("finish_reason").str(stop::word(choice.stop, called)),
    }
    if own {
        let written =
            |key: &str| key.starts_with("message.") || Extra::is_private(key) || matches!(key, "message" | "index");
        for (key, value) in choice.extra.iter().filter(|(key, _)| !written(key)) {
            w.key(key).raw(value);
        }
    } else {
        foreign_answer::logprobs(w, choice, origin, losses);
        losses.stop(choice.stop, choice.stop_sequence.is_some());
    }
}
