//! Requests: turns to bytes, from any origin.

mod config;
mod tools;
mod turns;

use super::decode::{INCLUDE_LOGPROBS, INCLUDE_SEALS};
use super::{DIALECT, form, quiet};
use crate::Dialect;
use crate::dialects::{EncodeError, Encoded, Target};
use crate::ir::{BlockKind, LossKind, OutputFormat, Request, Turn};
use crate::json::{Extra, Raw, Str, Writer};
use crate::repair::names;

/// Longest `user` that OpenAI takes, in bytes. Claude Code's is longer.
const USER_MAX: usize = 64;

/// Members of a Chat request that mean the same here.
const SHARED_WITH_CHAT: [&str; 2] = ["prompt_cache_retention", "safety_identifier"];

/// Writes `request` as a body for the provider named by `target`.
///
/// # Errors
/// When nothing of the conversation can be said in this dialect.
pub fn encode_request(request: &Request<'_>, target: &Target, out: &mut Vec<u8>) -> Result<Encoded, EncodeError> {
    let mut encoded = Encoded::default();
    if request.origin == DIALECT {
        encode_own(request, target, &mut encoded, out);
        return Ok(encoded);
    }
    turns::refuse_films(request)?;
    let start = out.len();
    let mut sent = 0;
    Writer::new(out).object(|w| sent = encode_foreign(w, request, target, &mut encoded));
    if sent == 0 {
        out.truncate(start);
        return Err(EncodeError::at("input", "the conversation holds nothing that can be sent: add a message"));
    }
    Ok(encoded)
}

/// A request of this dialect, as it came but for what the target decides.
fn encode_own(request: &Request<'_>, target: &Target, encoded: &mut Encoded, out: &mut Vec<u8>) {
    Writer::new(out).object(|w| {
        w.key("model").str(&target.model);
        let stream = target.stream || request.form & form::STREAM != 0;
        if stream {
            w.key("stream").bool(target.stream);
        }
        let (instructions, turns): (Vec<_>, Vec<_>) =
            request.turns.iter().partition(|turn| turn.form & form::INSTRUCTIONS != 0);
        if let Some(text) = instructions.first().and_then(|turn| plain_text(turn)) {
            w.key("instructions").str(text);
        }
        let string = turns.first().and_then(|turn| plain_text(turn));
        match string {
            Some(text) if request.form & form::INPUT_STRING != 0 && turns.len() == 1 => w.key("input").str(text),
            _ if request.form & form::INPUT_ABSENT != 0 && turns.is_empty() => {}
            _ => w.key("input").array(|w| {
                for turn in &turns {
                    turns::own(w, turn, &mut encoded.losses);
                }
            }),
        }
        tools::own(w, request);
        config::own(w, request);
        let without_stream = request.stream && !target.stream;
        for (key, value) in request.extra.iter() {
            let Some(key) = quiet::own_name(key) else { continue };
            let decided = (key == "stream" && stream) || key == "model" || (key == "stream_options" && without_stream);
            if !decided && !key.starts_with("text.") {
                w.key(key).raw(value);
            }
        }
    });
}

/// The text of a turn that is one text block.
fn plain_text<'t>(turn: &'t Turn<'_>) -> Option<&'t str> {
    match turn.blocks.as_slice() {
        [block] => match &block.kind {
            BlockKind::Text { text, .. } => Some(text.as_str()),
            _ => None,
        },
        _ => None,
    }
}

/// A request of another dialect; gives the number of items sent.
fn encode_foreign(w: &mut Writer<'_>, request: &Request<'_>, target: &Target, encoded: &mut Encoded) -> usize {
    w.key("model").str(&target.model);
    if target.stream {
        w.key("stream").bool(true);
    }
    let mut wants_seals = turns::has_native_seal(request);
    let sent = turns::foreign(w, request, target, encoded);
    tools::foreign(w, request, &target.repairs, encoded);
    wants_seals |= config::foreign(w, request, target, &mut encoded.losses);
    let wants_logprobs = config::foreign_logprobs(w, request, target, &mut encoded.losses);
    w.key("store").bool(request.store.unwrap_or(false));
    if wants_seals || wants_logprobs {
        w.key("include").array(|w| {
            let wanted = [(wants_seals, INCLUDE_SEALS), (wants_logprobs, INCLUDE_LOGPROBS)];
            wanted.into_iter().filter(|(is_wanted, _)| *is_wanted).for_each(|(_, what)| w.str(what));
        });
    }
    w.opt_str("service_tier", request.service_tier.as_deref());
    w.opt_raw("metadata", request.metadata.as_ref());
    w.opt_str("prompt_cache_key", request.prompt_cache_key.as_deref());
    if let Some(user) = request.user.as_deref().filter(|user| !user.is_empty()) {
        if user.len() > USER_MAX {
            encoded.losses.add("user", LossKind::Clamped);
            w.key("user").str(&names::tool_name(user, USER_MAX, |byte| byte.is_ascii_graphic()));
        } else {
            w.key("user").str(user);
        }
    }
    foreign_extra(w, request, encoded);
    sent
}

/// Members that mean the same here are taken over from Chat; all others are lost.
fn foreign_extra(w: &mut Writer<'_>, request: &Request<'_>, encoded: &mut Encoded) {
    let chat = request.origin == Dialect::OpenAiChat;
    let mut lost = Extra::default();
    for (key, value) in request.extra.iter().filter(|(_, value)| !value.is_null()) {
        match key {
            // Usage is always told here.
            "stream_options" if chat => {}
            _ if chat && SHARED_WITH_CHAT.contains(&key) => w.key(key).raw(value),
            _ => lost.push(Str::from(key), Raw::reborrow(value)),
        }
    }
    encoded.losses.drop_extra("", &lost);
    if request.candidates.as_ref().is_some_and(|count| count.get() != "1") {
        encoded.losses.add("n", LossKind::Clamped);
    }
    if !request.stop.is_empty() {
        encoded.losses.add("stop", LossKind::Dropped);
    }
    if let Some(OutputFormat::Opaque(_)) = request.output_format {
        encoded.losses.add("output_format", LossKind::Dropped);
    }
}

/// Where turns stand in the words of the client's dialect, for losses.
fn turns_path(origin: Dialect) -> &'static str {
    match origin {
        Dialect::OpenAiChat | Dialect::Anthropic => "messages[]",
        Dialect::OpenAiResponses => "input[]",
        Dialect::Gemini => "contents[]",
    }
}
