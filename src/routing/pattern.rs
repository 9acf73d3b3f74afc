//! Patterns of model names: literal characters and `*`, which stands for any characters, also none.

use std::fmt;

/// Wildcards in one pattern, so that each has a one-digit name `{1}` … `{9}` in the target.
pub const WILDCARDS_MAX: usize = 9;

/// A pattern such as `claude-*-4*`.
///
/// Case counts. Each wildcard but the last takes as few characters as it can, the last takes the rest.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: String,
    /// What must stand before the first wildcard; the whole name if there is none.
    prefix: String,
    /// What must stand after each wildcard. Only the last may be empty.
    after: Vec<String>,
}

/// A pattern that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing there.
    #[error("the pattern is empty; `*` matches every name")]
    Empty,
    /// `**`.
    #[error("`**` is the same as `*`; write one star")]
    DoubleStar,
    /// More than [`WILDCARDS_MAX`] wildcards.
    #[error("the pattern has more than {WILDCARDS_MAX} wildcards")]
    TooManyWildcards,
    /// White space or a control character.
    #[error("the pattern holds white space or a control character; model names have none")]
    Space,
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.contains("**") {
            return Err(PatternError::DoubleStar);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(PatternError::Space);
        }
        let mut pieces = text.split('*').map(str::to_owned);
        let prefix = pieces.next().unwrap_or_default();
        let after: Vec<String> = pieces.collect();
        if after.len() > WILDCARDS_MAX {
            return Err(PatternError::TooManyWildcards);
        }
        Ok(Pattern { text: text.to_owned(), prefix, after })
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it has no wildcard.
    pub fn is_exact(&self) -> bool {
        self.after.is_empty()
    }

    /// Number of wildcards, at most [`WILDCARDS_MAX`].
    pub fn wildcards(&self) -> usize {
        self.after.len()
    }

    /// Number of characters that are not wildcards: the more, the earlier the rule is tried.
    pub fn literals(&self) -> usize {
        self.text.chars().count() - self.wildcards()
    }

    /// Whether `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        self.captures(name).is_some()
    }

    /// What the wildcards stand for in `name`, if it matches. Takes one pass over `name`.
    ///
    /// Taking the first place where each literal fits is right: a later place leaves less for the wildcards after it,
    /// so whatever matches from there matches from the first place too.
    pub fn captures<'n>(&self, name: &'n str) -> Option<Captures<'n>> {
        let mut captures = Captures { whole: name, parts: [""; WILDCARDS_MAX] };
        let mut rest = name.strip_prefix(self.prefix.as_str())?;
        let Some((last, middle)) = self.after.split_last() else {
            return rest.is_empty().then_some(captures);
        };
        let mut parts = captures.parts.iter_mut();
        for (literal, part) in middle.iter().zip(&mut parts) {
            (*part, rest) = rest.split_once(literal.as_str())?;
        }
        *parts.next()? = rest.strip_suffix(last.as_str())?;
        Some(captures)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.text)
    }
}

/// What the wildcards of a pattern stand for in one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captures<'n> {
    whole: &'n str,
    parts: [&'n str; WILDCARDS_MAX],
}

impl<'n> Captures<'n> {
    /// The whole name for 0, the text of the `index`th wildcard else; empty where the pattern has fewer.
    pub fn get(&self, index: usize) -> &'n str {
        match index.checked_sub(1) {
            None => self.whole,
            Some(part) => self.parts.get(part).copied().unwrap_or_default(),
        }
    }
}
