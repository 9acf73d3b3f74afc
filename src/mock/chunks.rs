//! A text in the pieces in which it is streamed.

use super::tokens;
use std::borrow::Cow;

/// Upper bound of `long:<n>`: a stream of this many chunks lasts for hours at real speed.
pub(crate) const LONG_CHUNKS_MAX: u64 = 10_000_000;

/// The pieces of a streamed text.
#[derive(Clone, Debug)]
pub(crate) enum Chunks {
    /// Written out.
    List(Vec<String>),
    /// `n` numbered words, made when they are needed so that long streams cost no memory.
    Counted(u64),
}

impl Chunks {
    /// Splits at word ends, at most `words` words in a piece.
    pub(crate) fn of_words(text: &str, words: usize) -> Self {
        let all: Vec<&str> = text.split_inclusive(' ').collect();
        Self::List(all.chunks(words.max(1)).map(<[&str]>::concat).collect())
    }

    /// Splits after every `size` characters; used for arguments, which break anywhere.
    pub(crate) fn of_characters(text: &str, size: usize) -> Self {
        let letters: Vec<char> = text.chars().collect();
        Self::List(letters.chunks(size.max(1)).map(|piece| piece.iter().collect()).collect())
    }

    /// How many pieces there are.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::List(list) => list.len() as u64,
            Self::Counted(n) => *n,
        }
    }

    /// Piece `at`; empty past the end.
    pub(crate) fn get(&self, at: u64) -> Cow<'_, str> {
        match self {
            Self::List(list) => Cow::Borrowed(list.get(at as usize).map_or("", String::as_str)),
            Self::Counted(_) => Cow::Owned(format!("word{at} ")),
        }
    }

    /// All pieces joined.
    pub(crate) fn whole(&self) -> String {
        (0..self.len()).map(|at| self.get(at)).collect()
    }

    /// Tokens billed by `model`: at least one for each piece, so that the sum over a cut stream is what was sent.
    pub(crate) fn tokens(&self, model: &str) -> u64 {
        (0..self.len()).map(|at| piece_tokens(model, &self.get(at))).sum()
    }
}

/// Tokens that `model` bills for one streamed piece. A model with `dense` in its name has another tokenizer: three bytes
/// make one.
pub(crate) fn piece_tokens(model: &str, piece: &str) -> u64 {
    let tokens = if model.contains("dense") { (piece.len() as u64).div_ceil(3) } else { tokens::count(piece) };
    tokens.max(1)
}
