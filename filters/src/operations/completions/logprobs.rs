//! Log probabilities of Chat in the words of legacy completions: lists side by side instead of a list of objects.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::json::{Num, Raw, Str, Writer};

/// Choices whose texts are measured; OpenAI gives at most 128.
const CHOICES_MAX: usize = 128;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Logprobs<'a> {
    #[serde(borrow)]
    content: Option<Vec<Token<'a>>>,
}

#[derive(Deserialize)]
struct Token<'a> {
    #[serde(borrow)]
    token: Str<'a>,
    #[serde(borrow)]
    logprob: Num<'a>,
    #[serde(borrow, default)]
    top_logprobs: Vec<Token<'a>>,
}

/// How many characters of each choice's text were given so far.
#[derive(Debug, Default)]
pub(super) struct Offsets(BTreeMap<u64, u64>);

impl Offsets {
    /// Writes the log probabilities of a piece of the choice `index`; `null` when there are none.
    pub(super) fn write(&mut self, index: u64, raw: Option<&Raw<'_>>, w: &mut Writer<'_>) {
        let tokens = raw.and_then(Raw::read::<Logprobs<'_>>).and_then(|read| read.content).unwrap_or_default();
        if tokens.is_empty() {
            return w.null();
        }
        let mut offset = self.0.get(&index).copied().unwrap_or(0);
        w.object(|w| {
            w.key("tokens").array(|w| tokens.iter().for_each(|token| w.str(&token.token)));
            w.key("token_logprobs").array(|w| tokens.iter().for_each(|token| w.num(&token.logprob)));
            w.key("top_logprobs").array(|w| {
                for token in &tokens {
                    w.object(|w| token.top_logprobs.iter().for_each(|top| w.key(&top.token).num(&top.logprob)));
                }
            });
            w.key("text_offset").array(|w| {
                for token in &tokens {
                    w.u64(offset);
                    offset += token.token.chars().count() as u64;
                }
            });
        });
        if self.0.len() < CHOICES_MAX || self.0.contains_key(&index) {
            self.0.insert(index, offset);
        }
    }
}
