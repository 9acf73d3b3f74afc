//! Members for the operator's books, beside conversation and settings: `labels` and `serviceTier`.

use super::form;
use crate::dialects::Target;
use crate::ir::{LossKind, Losses, Request};
use crate::json::{Raw, Str, Writer};

/// Tiers (ai.google.dev/gemini-api/docs, "Flex inference"): Google's word and OpenAI's.
const TIERS: [(&str, &str); 3] = [("standard", "default"), ("flex", "flex"), ("priority", "priority")];

/// Longest key and value of a label on Vertex AI, in characters.
const LABEL_MAX: usize = 63;

/// Reads both.
pub(super) fn decode<'a>(labels: Option<Raw<'a>>, tier: Option<Raw<'a>>, request: &mut Request<'a>) {
    match labels {
        Some(labels) if labels.is_object() => request.metadata = Some(labels),
        Some(other) => request.extra.push("labels", other),
        None => {}
    }
    let Some(raw) = tier else { return };
    let word: Option<String> = raw.read();
    match word.as_deref().and_then(|word| TIERS.iter().find(|(own, _)| *own == word)) {
        Some((_, common)) => request.service_tier = Some(Str::from(*common)),
        None => request.extra.push(tier_key(request), raw),
    }
}

/// Writes both for a request of this dialect.
pub(super) fn own(w: &mut Writer<'_>, request: &Request<'_>) {
    w.opt_raw("labels", request.metadata.as_ref());
    if let Some(tier) = &request.service_tier {
        w.key(tier_key(request)).str(tier_word(tier).unwrap_or(tier));
    }
}

/// Writes what can be said of a request of another dialect, and records the rest as lost.
pub(super) fn foreign(w: &mut Writer<'_>, request: &Request<'_>, target: &Target, losses: &mut Losses) {
    losses.drop_extra("", &request.unsaid_elsewhere());
    match request.service_tier.as_deref() {
        // What every request gets that says nothing.
        None | Some("auto" | "default") => {}
        Some(tier) => match tier_word(tier).filter(|_| !target.quirks.vertex) {
            Some(word) => w.key("serviceTier").str(word),
            None => losses.add("service_tier", LossKind::Dropped),
        },
    }
    if let Some(metadata) = &request.metadata {
        metadata_labels(w, metadata, target, losses);
    }
    let dropped = [
        ("user", request.user.is_some()),
        ("parallel_tool_calls", request.parallel_tool_calls == Some(false)),
        ("prompt_cache_key", request.prompt_cache_key.is_some()),
        ("verbosity", request.verbosity.is_some()),
        // Nothing is stored anyway.
        ("store", request.store == Some(true)),
    ];
    for (member, _) in dropped.into_iter().filter(|(_, said)| *said) {
        losses.add(member, LossKind::Dropped);
    }
}

/// Vertex AI alone takes labels, and only in its own alphabet.
fn metadata_labels(w: &mut Writer<'_>, metadata: &Raw<'_>, target: &Target, losses: &mut Losses) {
    let members: Members<'_> = metadata.read().unwrap_or_default();
    if members.rest.is_empty() {
        return;
    }
    let label = |(key, value): (&str, &Raw<'_>)| {
        let value: String = value.read()?;
        let begins = key.starts_with(|first: char| first.is_ascii_lowercase());
        (begins && fits(key) && fits(&value)).then(|| (key.to_owned(), value))
    };
    let labels: Vec<(String, String)> = members.rest.iter().filter_map(label).collect();
    if !target.quirks.vertex || labels.len() < members.rest.0.len() {
        losses.add("metadata", LossKind::Dropped);
    }
    if target.quirks.vertex && !labels.is_empty() {
        w.key("labels").object(|w| labels.iter().for_each(|(key, value)| w.key(key).str(value)));
    }
}

fn fits(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    text.len() <= LABEL_MAX && text.bytes().all(allowed)
}

fn tier_key(request: &Request<'_>) -> &'static str {
    form::spell(request.form, form::SERVICE_TIER_SNAKE, "serviceTier", "service_tier")
}

/// Google's word for a tier in OpenAI's words.
fn tier_word(common: &str) -> Option<&'static str> {
    TIERS.iter().find(|(_, known)| *known == common).map(|(own, _)| *own)
}

crate::wire_object! {
    /// An object of which nothing is known.
    struct Members<'a> {}
}
