//! The fields of an answer: how each dialect says them, and what they mean.

mod ends;
mod media;
mod notes;
mod tools;
mod words;

use interlingua_filters::ir::{Block, Response};

use crate::samples::Sample;

/// One field.
pub(crate) struct AnswerField {
    pub(crate) name: &'static str,
    /// In the words of each dialect of [`interlingua_filters::Dialect::ALL`].
    pub(crate) samples: [Option<Sample>; 4],
    /// What is meant, in words that compare; `None` when it is not there.
    pub(crate) meaning: fn(&Response<'_>) -> Option<String>,
}

/// All fields.
pub(crate) fn fields() -> Vec<AnswerField> {
    [words::said(), words::thought(), tools::called(), notes::noted(), media::made(), ends::stopped(), ends::spent()]
        .into_iter()
        .flatten()
        .collect()
}

fn blocks<'r, 'a>(response: &'r Response<'a>) -> impl Iterator<Item = &'r Block<'a>> {
    response.choices.iter().flat_map(|choice| &choice.blocks)
}

fn list(items: impl Iterator<Item = String>) -> Option<String> {
    let items: Vec<String> = items.collect();
    (!items.is_empty()).then(|| items.join(", "))
}
