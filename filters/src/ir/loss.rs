//! What a target could not say.

use std::borrow::Cow;

use super::StopReason;
use crate::json::{Extra, Raw, Str};

/// How a field fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LossKind {
    /// The target has no words for it: left out.
    Dropped,
    /// Said in other words that mean nearly the same.
    Approximated,
    /// Brought into the target's bounds.
    Clamped,
}

impl LossKind {
    /// Name for metrics and headers.
    pub fn name(self) -> &'static str {
        match self {
            LossKind::Dropped => "dropped",
            LossKind::Approximated => "approximated",
            LossKind::Clamped => "clamped",
        }
    }
}

/// One field that did not reach the target as the client wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Path in the client's words without indexes, e.g. `messages[].content[].cache_control`.
    pub field: Cow<'static, str>,
    /// How it fared.
    pub kind: LossKind,
}

/// The losses of one translation, each field once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses(Vec<Loss>);

/// Losses kept of one translation; more say nothing new.
const LOSSES_MAX: usize = 64;

/// Members of an answer that are the provider's books and no part of what it says: what it is, when it was made, where it
/// stands in a list, why it ended (which is said otherwise), and what was counted or asked on the way.
const BOOKS: [&str; 15] = [
    "object",
    "created",
    "created_at",
    "completed_at",
    "status",
    "type",
    "system_fingerprint",
    "index",
    "stop_reason",
    "matched_stop",
    "incomplete_details",
    "avgLogprobs",
    "tokenCount",
    "groundingMetadata.webSearchQueries",
    "groundingMetadata.retrievalMetadata",
];

impl Losses {
    /// Records a loss; the same field and kind counts once.
    pub fn add(&mut self, field: impl Into<Cow<'static, str>>, kind: LossKind) {
        let loss = Loss { field: field.into(), kind };
        if self.0.len() < LOSSES_MAX && !self.0.contains(&loss) {
            self.0.push(loss);
        }
    }

    /// Records every member of `extra` that the target does not get, below `path` (e.g. `messages[]`, or empty).
    /// Members that were `null` said nothing and are no loss.
    pub fn drop_extra(&mut self, path: &str, extra: &Extra<'_>) {
        let said = |(key, value): &(&str, &Raw<'_>)| !value.is_null() && !Extra::is_private(key);
        for (key, _) in extra.iter().filter(said) {
            let field = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            self.add(field, LossKind::Dropped);
        }
    }

    /// Like [`drop_extra`](Losses::drop_extra), for members of an answer: those that are the provider's books say nothing
    /// to a client of another dialect, and are no loss.
    pub fn drop_answer_extra(&mut self, path: &str, extra: &Extra<'_>) {
        let said = extra.iter().filter(|(key, _)| !BOOKS.contains(key));
        self.drop_extra(path, &Extra(said.map(|(key, value)| (Str::from(key), value.reborrow())).collect()));
    }

    /// Records what of the reason of an answer's end has no word in the dialects that know neither pauses nor which stop
    /// sequence was met.
    pub fn stop(&mut self, stop: StopReason, has_sequence: bool) {
        if has_sequence {
            self.add("stop_sequence", LossKind::Dropped);
        }
        if stop == StopReason::Pause {
            self.add("stop_reason", LossKind::Approximated);
        }
    }

    /// Puts the list `to` in the place of `from` where a path begins with it: clients call their list of messages
    /// differently.
    pub fn rename_list(&mut self, from: &str, to: &str) {
        for loss in &mut self.0 {
            if let Some(below) = loss.field.strip_prefix(from) {
                loss.field = format!("{to}{below}").into();
            }
        }
    }

    /// Takes over the losses of another translation.
    pub fn extend(&mut self, others: &Losses) {
        for loss in others.iter() {
            self.add(loss.field.clone(), loss.kind);
        }
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The losses in the order they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Loss> {
        self.0.iter()
    }
}
