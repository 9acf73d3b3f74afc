//! What an attempt was heard to say, as far as it can be counted.

use crate::ir::stream::{BlockStart, Delta};
use crate::ir::{Event, Usage};
use crate::tokens;

/// Tokens of an attempt's words by the gateway's own estimate, without correction. Each piece of a stream holds whole
/// tokens, one at least, so they are counted piece by piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Of text and of calls' inputs.
    pub words: u64,
    /// Of thoughts.
    pub thoughts: u64,
    /// The block of thoughts that began last.
    pub(super) thought: Option<u32>,
}

impl Heard {
    /// Takes note of one guarded event of the attempt's own.
    pub fn hear(&mut self, event: &Event<'_>) {
        match event {
            Event::BlockStart { index, block: BlockStart::Reasoning { .. }, .. } => self.thought = Some(*index),
            Event::Delta { index, delta: Delta::Text(text) | Delta::Input(text) } => {
                let tokens = tokens::plain(text);
                let sum = if self.thought == Some(*index) { &mut self.thoughts } else { &mut self.words };
                *sum = sum.saturating_add(tokens);
            }
            _ => {}
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.words.saturating_add(self.thoughts)
    }

    /// What a whole answer that cost `told` teaches of such estimates: the estimate, and what was billed for it. Thoughts
    /// that were billed but not heard are left out: they say nothing of the words.
    pub fn lesson(&self, told: &Usage<'_>) -> (u64, u64) {
        let hidden = self.thoughts == 0 && told.reasoning > 0;
        (self.total(), if hidden { told.output } else { told.output_total() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_that_nobody_heard_teach_nothing_of_words() {
        let mut heard = Heard::default();
        heard.hear(&Event::BlockStart { index: 1, choice: 0, block: BlockStart::Text });
        heard.hear(&Event::Delta { index: 1, delta: Delta::Text("a word".into()) });
        heard.hear(&Event::Delta { index: 1, delta: Delta::Text("s".into()) });
        assert_eq!((heard.words, heard.thoughts), (3, 0));
        let told = Usage { output: 4, reasoning: 900, ..Usage::default() };
        assert_eq!(heard.lesson(&told), (3, 4));
        heard.hear(&Event::BlockStart {
            index: 2,
            choice: 0,
            block: BlockStart::Reasoning { redacted: false, id: None },
        });
        heard.hear(&Event::Delta { index: 2, delta: Delta::Text("well".into()) });
        assert_eq!((heard.lesson(&told), heard.thoughts), ((4, 904), 1));
    }
}
