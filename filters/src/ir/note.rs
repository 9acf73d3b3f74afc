//! What is noted beside an answer's text: where it comes from, and how sure the model was.
//!
//! Both travel in the words of their dialect ([`Raw`](crate::json::Raw)) and are read into these types only when another
//! dialect must write them.

use crate::json::{Num, Str};

/// A source of a stretch of text (OpenAI annotations, Anthropic citations, Gemini grounding).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Citation<'a> {
    /// Address of the source, where it has one.
    pub url: Option<Str<'a>>,
    /// Title of the page or document.
    pub title: Option<Str<'a>>,
    /// The words of the source that are cited.
    pub cited: Option<Str<'a>>,
    /// The document's position among the request's documents, from 0 (Anthropic `document_index`).
    pub document: Option<u64>,
    /// Id of a stored file (OpenAI `file_citation`).
    pub file_id: Option<Str<'a>>,
    /// The stretch of the answer's text block that it belongs to, in characters (not bytes), the end exclusive.
    pub span: Option<(usize, usize)>,
}

impl Citation<'_> {
    /// Whether it quotes words of a page. Only Anthropic has a place for them.
    pub fn quotes(&self) -> bool {
        self.url.is_some() && self.cited.as_ref().is_some_and(|words| !words.is_empty())
    }
}

/// How probable one token of the answer was.
#[derive(Clone, Debug, PartialEq)]
pub struct Logprob<'a> {
    /// The token's text.
    pub token: Str<'a>,
    /// Natural logarithm of its probability.
    pub logprob: Num<'a>,
    /// The likeliest tokens at this place, with theirs.
    pub top: Vec<(Str<'a>, Num<'a>)>,
}

/// A search of the web that the provider runs itself (Anthropic `web_search_20250305`, Responses `web_search`, Chat
/// `web_search_options`, Gemini `googleSearch`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebSearch<'a> {
    /// Most searches in one answer.
    pub uses_max: Option<Num<'a>>,
    /// Only pages of these domains.
    pub allowed_domains: Vec<Str<'a>>,
    /// No pages of these domains.
    pub blocked_domains: Vec<Str<'a>>,
    /// Where the user is, as far as the client says.
    pub location: Option<Location<'a>>,
    /// How much of the pages is read: `low`, `medium`, `high` (OpenAI `search_context_size`).
    pub context_size: Option<Str<'a>>,
}

/// An approximate place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Location<'a> {
    /// City.
    pub city: Option<Str<'a>>,
    /// Region or state.
    pub region: Option<Str<'a>>,
    /// Two letters (ISO 3166-1).
    pub country: Option<Str<'a>>,
    /// Name of the IANA time zone.
    pub timezone: Option<Str<'a>>,
}
