//! What of every field arrives, for every pair of dialects: the table `filters/FIDELITY.md` is written from what these
//! tests find, and a field that is lost without a word fails them.
//!
//! `INTERLINGUA_WRITE_FIDELITY=1 cargo nextest run -p interlingua-filters --test fidelity` writes the table anew.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod answer_fields;
mod answers;
mod reasons;
mod request_fields;
mod requests;
mod samples;
mod table;

use interlingua_filters::Dialect;
use interlingua_filters::ir::{LossKind, Losses};

/// How a field fared on its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cell {
    /// The client's protocol has no word for it.
    Unsaid,
    /// The bytes pass untouched.
    Kept,
    /// Said in the other dialect's words, with the same meaning.
    Mapped,
    /// It holds there anyway.
    Implied,
    /// Reported as a loss: its kinds, and what was reported.
    Lossy(Vec<LossKind>, String),
    /// The request is refused: what the client is told.
    Refused(String),
}

/// One row: a field, and how it fares from one dialect to each.
pub(crate) struct Row {
    pub(crate) field: &'static str,
    pub(crate) from: Dialect,
    pub(crate) to: [Cell; 4],
}

/// What was lost in silence, for people.
pub(crate) type Silent = Vec<String>;

pub(crate) fn lossy(losses: &Losses) -> Cell {
    let mut kinds: Vec<LossKind> = losses.iter().map(|loss| loss.kind).collect();
    kinds.sort();
    kinds.dedup();
    Cell::Lossy(kinds, named(losses))
}

pub(crate) fn named(losses: &Losses) -> String {
    losses.iter().map(|loss| format!("{} {}", loss.field, loss.kind.name())).collect::<Vec<_>>().join(", ")
}

#[test]
fn no_field_of_a_request_is_lost_in_silence() {
    let (_, silent) = requests::rows();
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

#[test]
fn no_field_of_an_answer_is_lost_in_silence() {
    let (_, silent) = answers::whole();
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

#[test]
fn no_field_of_a_streamed_answer_is_lost_in_silence() {
    let (_, silent) = answers::streamed();
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

#[test]
fn the_table_is_what_the_tests_find() {
    let (text, unexplained) = table::render(&requests::rows().0, &answers::whole().0, &answers::streamed().0);
    assert!(unexplained.is_empty(), "cells without a reason, or reasons without a cell:\n{}", unexplained.join("\n"));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/FIDELITY.md");
    if std::env::var_os("INTERLINGUA_WRITE_FIDELITY").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == text, "FIDELITY.md is old: write it with INTERLINGUA_WRITE_FIDELITY=1");
}
