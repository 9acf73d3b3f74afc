//! The fields of a request: how each dialect says them, and what they mean.

mod books;
mod content;
mod settings;
mod tools;
mod words;

use interlingua_filters::ir::{Block, BlockKind, Request, Role};
use interlingua_filters::json::{Num, Str};

/// One field.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// Members in the words of each dialect of [`interlingua_filters::Dialect::ALL`], laid over the least request; `None` where it has none.
    pub(crate) words: [Option<&'static str>; 4],
    /// What is meant, in words that compare; `None` when it is not there.
    pub(crate) meaning: fn(&Request<'_>) -> Option<String>,
}

/// All fields.
pub(crate) fn fields() -> impl Iterator<Item = &'static Field> {
    [words::FIELDS, content::FIELDS, tools::FIELDS, settings::FIELDS, books::FIELDS].into_iter().flatten()
}

const fn field(
    name: &'static str,
    words: [Option<&'static str>; 4],
    meaning: fn(&Request<'_>) -> Option<String>,
) -> Field {
    Field { name, words, meaning }
}

fn number(number: Option<&Num<'_>>) -> Option<String> {
    number.map(|number| number.as_f64().to_string())
}

fn joined(texts: &[Str<'_>]) -> String {
    texts.iter().map(Str::as_str).collect::<Vec<_>>().join(" ")
}

fn blocks<'r, 'a>(request: &'r Request<'a>) -> impl Iterator<Item = (Role, &'r Block<'a>)> {
    request.turns.iter().flat_map(|turn| turn.blocks.iter().map(|block| (turn.role, block)))
}

fn find(request: &Request<'_>, pick: impl Fn(&BlockKind<'_>) -> Option<String>) -> Option<String> {
    let found: Vec<String> = blocks(request).filter_map(|(_, block)| pick(&block.kind)).collect();
    (!found.is_empty()).then(|| found.join(" "))
}

fn texts(request: &Request<'_>, roles: &[Role]) -> Option<String> {
    let said = blocks(request).filter(|(role, _)| roles.contains(role)).filter_map(|(_, block)| match &block.kind {
        BlockKind::Text { text, .. } => Some(text.split_whitespace().collect::<Vec<_>>().join(" ")),
        _ => None,
    });
    Some(said.collect::<Vec<_>>().join(" ")).filter(|said| !said.is_empty())
}

fn extra(request: &Request<'_>, name: &str) -> Option<String> {
    request.extra.get(name).map(|raw| raw.to_value().to_string())
}
