//! The model name of a target, which may use what the wildcards stand for.

use super::{Captures, WILDCARDS_MAX};

/// A model name with `{1}` … `{9}` for the wildcards of its rule and `{0}` for the whole (normalised) name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Capture(usize),
}

/// A target's model name that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No name.
    #[error("the model name is empty; leave the key out to send the client's own name")]
    Empty,
    /// A brace that is not `{0}` … `{9}`.
    #[error("`{{` and `}}` stand only around the number of a wildcard, as in `{{1}}`")]
    Brace,
    /// A capture that the pattern does not have.
    #[error("`{{{capture}}}` is not there: the rule's pattern has {wildcards} wildcard(s)")]
    NoSuchWildcard {
        /// The number asked for.
        capture: usize,
        /// The number of wildcards of the pattern.
        wildcards: usize,
    },
    /// `*` in a target.
    #[error("`*` means nothing in a target; write `{{1}}` for what the first wildcard stands for")]
    Star,
    /// White space or a control character.
    #[error("the model name holds white space or a control character")]
    Space,
}

impl Template {
    /// `{0}`: the client's own name.
    pub fn same() -> Self {
        Template { parts: vec![Part::Capture(0)] }
    }

    /// A name without captures.
    pub fn constant(name: impl Into<String>) -> Self {
        Template { parts: vec![Part::Literal(name.into())] }
    }

    /// Reads a template for a pattern with this many wildcards.
    pub fn parse(text: &str, wildcards: usize) -> Result<Self, TemplateError> {
        if text.is_empty() {
            return Err(TemplateError::Empty);
        }
        if text.contains('*') {
            return Err(TemplateError::Star);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(TemplateError::Space);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, tail)) = rest.split_once('{') {
            let (number, tail) = tail.split_once('}').ok_or(TemplateError::Brace)?;
            let capture = match number.as_bytes() {
                [digit @ b'0'..=b'9'] => usize::from(digit - b'0'),
                _ => return Err(TemplateError::Brace),
            };
            if capture > wildcards.min(WILDCARDS_MAX) {
                return Err(TemplateError::NoSuchWildcard { capture, wildcards });
            }
            push_literal(&mut parts, literal)?;
            parts.push(Part::Capture(capture));
            rest = tail;
        }
        push_literal(&mut parts, rest)?;
        Ok(Template { parts })
    }

    /// Whether it uses a capture.
    pub fn has_captures(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Capture(_)))
    }

    /// The name for these captures.
    pub fn fill(&self, captures: &Captures<'_>) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.as_str(),
                Part::Capture(index) => captures.get(*index),
            })
            .collect()
    }
}

fn push_literal(parts: &mut Vec<Part>, literal: &str) -> Result<(), TemplateError> {
    if literal.contains('}') {
        return Err(TemplateError::Brace);
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal.to_owned()));
    }
    Ok(())
}
