//! Sources and log probabilities of whole answers: between members of a candidate and blocks of the IR.

use super::grounding::{Grounding, citations_path, logprobs};
use super::notes::{self, PART, grounded_parts};
use crate::Dialect;
use crate::dialects::{read_citations, read_logprobs};
use crate::ir::{Block, BlockKind, Choice, LossKind, Losses};
use crate::json::{Extra, Raw, Writer};

/// Members of a candidate that tell sources of its text.
const MEMBERS: [&str; 2] = ["groundingMetadata", "citationMetadata"];

/// Moves what tells sources from the candidate's members to the texts it belongs to. What such a member says beside
/// sources (queries, the search widget) stays with the candidate under a dotted name: it is written with the member, and a
/// loss elsewhere.
pub(super) fn attach(choice: &mut Choice<'_>) {
    let texts: Vec<usize> = choice
        .blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| matches!(&block.kind, BlockKind::Text { text, .. } if !text.is_empty()))
        .map(|(at, _)| at)
        .collect();
    for member in MEMBERS {
        let Some(raw) = choice.extra.get(member) else { continue };
        let places = match (member, texts.as_slice()) {
            (_, []) => continue,
            ("groundingMetadata", texts) => match grounded_parts(raw) {
                None => continue,
                Some(parts) => places(&parts, texts),
            },
            // Nothing tells which of several texts the offsets are of.
            (_, [only]) if !notes::read_citations(&entry(member, raw, None), "").is_empty() => vec![(*only, None)],
            _ => continue,
        };
        let Some(raw) = choice.extra.take(member) else { continue };
        for (at, part) in places {
            let entry = entry(member, &raw, part);
            if let Some(Block { kind: BlockKind::Text { citations, .. }, .. }) = choice.blocks.get_mut(at) {
                *citations = appended(citations.take(), &entry);
            }
        }
        keep_rest(&mut choice.extra, member, &raw);
    }
}

/// The blocks that a grounding belongs to, each with its number where there are several.
fn places(parts: &[usize], texts: &[usize]) -> Vec<(usize, Option<usize>)> {
    if let [only] = texts {
        return vec![(*only, None)];
    }
    let named: Vec<_> = parts.iter().filter(|part| texts.contains(part)).map(|part| (*part, Some(*part))).collect();
    if named.is_empty() { texts.last().map(|last| (*last, None)).into_iter().collect() } else { named }
}

fn entry(member: &str, raw: &Raw<'_>, part: Option<usize>) -> Raw<'static> {
    let mut text = Vec::new();
    Writer::new(&mut text).object(|w| {
        w.key(member).raw(raw);
        if let Some(part) = part {
            w.key(PART).u64(part as u64);
        }
    });
    String::from_utf8(text).ok().and_then(Raw::from_string).unwrap_or(Raw::NULL)
}

fn appended(list: Option<Raw<'_>>, entry: &Raw<'_>) -> Option<Raw<'static>> {
    let mut all: Vec<Raw<'_>> = list.as_ref().and_then(Raw::read).unwrap_or_default();
    all.push(entry.reborrow());
    let all: Vec<&str> = all.iter().map(Raw::get).collect();
    Raw::from_string(format!("[{}]", all.join(",")))
}

fn keep_rest(extra: &mut Extra<'_>, member: &str, raw: &Raw<'_>) {
    let told = ["groundingChunks", "groundingSupports", "citationSources", "citations"];
    let Some(members) = raw.read::<Members<'_>>() else { return };
    for (key, value) in members.rest.into_owned().0 {
        if !told.contains(&key.as_str()) {
            extra.push(format!("{member}.{key}"), value);
        }
    }
}

crate::wire_object! {
    /// An object of which nothing is known.
    struct Members<'a> {}
}

/// Writes the members that [`attach`] moved, each once.
pub(super) fn own(w: &mut Writer<'_>, choice: &Choice<'_>) {
    let mut members: Vec<(String, Raw<'static>)> = Vec::new();
    for block in &choice.blocks {
        let BlockKind::Text { citations: Some(list), .. } = &block.kind else { continue };
        for entry in list.read::<Vec<Members<'_>>>().unwrap_or_default() {
            remember(&mut members, entry.rest);
        }
    }
    for (key, value) in &members {
        w.key(key).raw(value);
    }
}

/// Keeps what an entry of citations tells; a later one of the same name knows more, as streams repeat it.
fn remember(members: &mut Vec<(String, Raw<'static>)>, entry: Extra<'_>) {
    for (key, value) in entry.into_owned().0.into_iter().filter(|(key, _)| *key != PART) {
        match members.iter_mut().find(|(known, _)| key == known.as_str()) {
            Some((_, old)) => *old = value,
            None => members.push((key.to_string(), value)),
        }
    }
}

/// Takes the sources of a block of another dialect, which was written as part number `part`.
pub(super) fn foreign(block: &Block<'_>, origin: Dialect, part: usize, grounding: &mut Grounding, losses: &mut Losses) {
    let mut rest = block.extra.clone();
    rest.take("logprobs");
    losses.drop_answer_extra("content[]", &rest);
    if matches!(block.kind, BlockKind::Refusal { .. }) {
        losses.add("refusal", LossKind::Approximated);
    }
    let BlockKind::Text { text, citations: Some(raw) } = &block.kind else { return };
    let path = citations_path(origin);
    let citations = read_citations(origin, raw, text);
    if citations.is_empty() && raw.get() != "[]" {
        losses.add(path, LossKind::Dropped);
    }
    for citation in &citations {
        grounding.add(citation, text, (part, 0), path, losses);
    }
}

/// Writes `logprobsResult`: OpenAI Chat has its own beside the answer, Responses on each text.
pub(super) fn foreign_logprobs(w: &mut Writer<'_>, choice: &Choice<'_>, origin: Dialect, losses: &mut Losses) {
    let blocks = choice.blocks.iter().map(|block| &block.extra);
    let raws: Vec<&Raw<'_>> =
        std::iter::once(&choice.extra).chain(blocks).filter_map(|extra| extra.get("logprobs")).collect();
    let said = raws.iter().any(|raw| !raw.is_null() && raw.get() != "[]");
    let tokens: Vec<_> = raws.into_iter().flat_map(|raw| read_logprobs(origin, raw)).collect();
    if !tokens.is_empty() {
        w.key("logprobsResult");
        logprobs(w, &tokens);
    } else if said {
        losses.add("choices[].logprobs", LossKind::Dropped);
    }
}
