//! What stands beside the text of an answer, and the search that it may come from, in neutral terms.

use crate::ir::{Citation, Logprob, Tool, WebSearch};
use crate::json::Raw;

/// Reads the citations of a text block.
pub fn read_citations<'a>(_raw: &'a Raw<'_>, _text: &str) -> Vec<Citation<'a>> {
    Vec::new()
}

/// Reads log probabilities.
pub fn read_logprobs<'a>(_raw: &'a Raw<'_>) -> Vec<Logprob<'a>> {
    Vec::new()
}

/// Reads a tool that the provider runs itself as a web search.
pub fn read_web_search<'a>(_tool: &'a Tool<'_>) -> Option<WebSearch<'a>> {
    None
}
