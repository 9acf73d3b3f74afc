//! What stands beside the text of an answer, and the search that it may come from, in neutral terms.
//!
//! Google counts places in a text in **bytes** (ai.google.dev/api/generate-content#Segment); the neutral form counts
//! characters. A segment also repeats its words, which tells whether the bytes are of this text at all: an answer of several
//! parts has segments of each.
//!
//! A block's citations are a list of objects, each with one member of the candidate (`groundingMetadata`,
//! `citationMetadata`) as written. Where an answer has several texts, [`PART`] beside it says which one the block was.

use crate::ir::{Citation, Logprob, Tool, ToolKind, WebSearch};
use crate::json::{Num, Raw, Str};
use crate::wire_object;

/// The member that tells the number of a block among the parts of its answer.
pub(super) const PART: &str = "partIndex";
/// Stretches and sources that are read of one answer.
const CITATIONS_MAX: usize = 4_096;

wire_object! {
    /// One element of a block's citations.
    struct EntryWire<'a> {
        grounding: GroundingWire<'a> = "groundingMetadata",
        citations: CitationsWire<'a> = "citationMetadata",
        part: Num<'a> = "partIndex",
    }
}

wire_object! {
    /// `groundingMetadata`.
    struct GroundingWire<'a> {
        chunks: Vec<ChunkWire<'a>> = "groundingChunks",
        supports: Vec<SupportWire<'a>> = "groundingSupports",
    }
}

wire_object! {
    /// A source: a page, a stretch of a stored document, or a place.
    struct ChunkWire<'a> {
        web: SourceWire<'a> = "web",
        retrieved: SourceWire<'a> = "retrievedContext",
        maps: SourceWire<'a> = "maps",
    }
}

wire_object! {
    /// What a source says of itself.
    struct SourceWire<'a> {
        uri: Str<'a> = "uri",
        title: Str<'a> = "title",
        text: Str<'a> = "text",
    }
}

wire_object! {
    /// A stretch of the answer with its sources.
    struct SupportWire<'a> {
        segment: SegmentWire<'a> = "segment",
        chunks: Vec<Num<'a>> = "groundingChunkIndices",
    }
}

wire_object! {
    /// A stretch of the answer. Zeros are left out.
    struct SegmentWire<'a> {
        part: Num<'a> = "partIndex",
        start: Num<'a> = "startIndex",
        end: Num<'a> = "endIndex",
        text: Str<'a> = "text",
    }
}

wire_object! {
    /// `citationMetadata`: the Gemini API has `citationSources`, Vertex AI `citations`.
    struct CitationsWire<'a> {
        sources: Vec<CitedWire<'a>> = "citationSources",
        citations: Vec<CitedWire<'a>> = "citations",
    }
}

wire_object! {
    /// A stretch that repeats a source.
    struct CitedWire<'a> {
        start: Num<'a> = "startIndex",
        end: Num<'a> = "endIndex",
        uri: Str<'a> = "uri",
        title: Str<'a> = "title",
    }
}

/// Reads the citations of a text block: the whole list, or one element.
pub fn read_citations<'a>(raw: &'a Raw<'_>, text: &str) -> Vec<Citation<'a>> {
    let entries: Vec<EntryWire<'a>> =
        if raw.is_array() { raw.read().unwrap_or_default() } else { raw.read().into_iter().collect() };
    let mut found = Vec::new();
    for entry in entries {
        let part = entry.part.as_ref().and_then(Num::as_u64);
        if let Some(grounding) = entry.grounding {
            read_grounding(grounding, part, text, &mut found);
        }
        if let Some(cited) = entry.citations {
            read_cited(cited, text, &mut found);
        }
    }
    found
}

fn read_grounding<'a>(wire: GroundingWire<'a>, part: Option<u64>, text: &str, found: &mut Vec<Citation<'a>>) {
    let chunks = wire.chunks.unwrap_or_default();
    let supports = wire.supports.unwrap_or_default();
    let part_of =
        |support: &SupportWire<'_>| number(support.segment.as_ref().and_then(|segment| segment.part.as_ref()));
    let last = supports.iter().map(part_of).max();
    let mut used = vec![false; chunks.len()];
    let mut places = Places::new(text);
    for support in &supports {
        let here = part.is_none_or(|part| part == part_of(support) as u64);
        let span = if here { support.segment.as_ref().and_then(|segment| places.segment(segment)) } else { None };
        for index in support.chunks.iter().flatten().filter_map(|index| usize::try_from(index.as_u64()?).ok()) {
            let Some(chunk) = chunks.get(index) else { continue };
            if let Some(used) = used.get_mut(index) {
                *used = true;
            }
            if here && found.len() < CITATIONS_MAX {
                found.extend(source(chunk).map(|source| Citation { span, ..source }));
            }
        }
    }
    // Sources of the answer as a whole, told once.
    if part.is_none() || part == last.map(|last| last as u64) {
        let rest = chunks.iter().zip(used).filter(|(_, used)| !used);
        let room = CITATIONS_MAX.saturating_sub(found.len());
        found.extend(rest.filter_map(|(chunk, _)| source(chunk)).take(room));
    }
}

/// A source without its place. The text of a page is not told, only that of stored documents and places.
fn source<'a>(chunk: &ChunkWire<'a>) -> Option<Citation<'a>> {
    let source = chunk.web.as_ref().or(chunk.retrieved.as_ref()).or(chunk.maps.as_ref())?;
    Some(Citation {
        url: source.uri.clone(),
        title: source.title.clone(),
        cited: source.text.clone(),
        ..Citation::default()
    })
}

fn read_cited<'a>(wire: CitationsWire<'a>, text: &str, found: &mut Vec<Citation<'a>>) {
    let mut places = Places::new(text);
    for cited in wire.sources.into_iter().chain(wire.citations).flatten() {
        if found.len() >= CITATIONS_MAX {
            return;
        }
        let span = cited.end.as_ref().and_then(|end| places.span(number(cited.start.as_ref()), number(Some(end))));
        found.push(Citation { url: cited.uri, title: cited.title, span, ..Citation::default() });
    }
}

/// A number that is left out when it is zero.
fn number(value: Option<&Num<'_>>) -> usize {
    value.and_then(Num::as_u64).and_then(|value| usize::try_from(value).ok()).unwrap_or(0)
}

/// Byte offsets of a text as counts of characters. Offsets that grow are found without counting anew.
struct Places<'t> {
    text: &'t str,
    bytes: usize,
    chars: usize,
}

impl<'t> Places<'t> {
    fn new(text: &'t str) -> Self {
        Places { text, bytes: 0, chars: 0 }
    }

    /// The segment's place; `None` when it is of another text.
    fn segment(&mut self, segment: &SegmentWire<'_>) -> Option<(usize, usize)> {
        let (start, end) = (number(segment.start.as_ref()), number(segment.end.as_ref()));
        let Some(words) = segment.text.as_deref() else { return self.span(start, end) };
        if self.text.get(start..end) == Some(words) {
            return self.span(start, end);
        }
        let at = self.text.find(words).filter(|_| !words.is_empty())?;
        self.span(at, at + words.len())
    }

    /// A stretch of bytes; `None` when it is none of this text.
    fn span(&mut self, start: usize, end: usize) -> Option<(usize, usize)> {
        let length = self.text.get(start..end)?.chars().count();
        if start < self.bytes {
            (self.bytes, self.chars) = (0, 0);
        }
        self.chars += self.text.get(self.bytes..start)?.chars().count();
        self.bytes = start;
        Some((self.chars, self.chars + length))
    }
}

wire_object! {
    /// `logprobsResult`.
    struct LogprobsWire<'a> {
        chosen: Vec<TokenWire<'a>> = "chosenCandidates",
        top: Vec<TopWire<'a>> = "topCandidates",
    }
}

wire_object! {
    /// The likeliest tokens at one place.
    struct TopWire<'a> {
        tokens: Vec<TokenWire<'a>> = "candidates",
    }
}

wire_object! {
    /// A token.
    struct TokenWire<'a> {
        token: Str<'a> = "token",
        logprob: Num<'a> = "logProbability",
    }
}

/// Reads a `logprobsResult`.
pub fn read_logprobs<'a>(raw: &'a Raw<'_>) -> Vec<Logprob<'a>> {
    let Some(wire) = raw.read::<LogprobsWire<'a>>() else { return Vec::new() };
    let mut top = wire.top.unwrap_or_default().into_iter();
    let said = |token: TokenWire<'a>| Some((token.token.unwrap_or_default(), token.logprob?));
    let chosen = wire.chosen.unwrap_or_default().into_iter();
    chosen
        .filter_map(|token| {
            let top = top.next().and_then(|top| top.tokens).unwrap_or_default();
            let (token, logprob) = said(token)?;
            Some(Logprob { token, logprob, top: top.into_iter().filter_map(said).collect() })
        })
        .collect()
}

wire_object! {
    /// A tool that may be a search.
    struct SearchToolWire<'a> {
        search: SearchWire<'a> = "googleSearch",
        snake: SearchWire<'a> = "google_search",
        retrieval: SearchWire<'a> = "googleSearchRetrieval",
        snake_retrieval: SearchWire<'a> = "google_search_retrieval",
    }
}

wire_object! {
    /// `googleSearch`.
    struct SearchWire<'a> {
        excluded: Vec<Str<'a>> = "excludeDomains",
        snake_excluded: Vec<Str<'a>> = "exclude_domains",
    }
}

/// Reads a tool that the provider runs itself as a web search.
pub fn read_web_search<'a>(tool: &'a Tool<'_>) -> Option<WebSearch<'a>> {
    let ToolKind::Hosted { raw } = &tool.kind else { return None };
    let wire: SearchToolWire<'a> = raw.read()?;
    let search = wire.search.or(wire.snake).or(wire.retrieval).or(wire.snake_retrieval)?;
    let blocked_domains = search.excluded.or(search.snake_excluded).unwrap_or_default();
    Some(WebSearch { blocked_domains, ..WebSearch::default() })
}

/// The parts that a `groundingMetadata` has segments of, each once; `None` when it names no source.
pub(super) fn grounded_parts(raw: &Raw<'_>) -> Option<Vec<usize>> {
    let wire: GroundingWire<'_> = raw.read()?;
    wire.chunks.filter(|chunks| !chunks.is_empty())?;
    let segments = wire.supports.iter().flatten().filter_map(|support| support.segment.as_ref());
    let mut parts: Vec<usize> = segments.map(|segment| number(segment.part.as_ref())).collect();
    parts.sort_unstable();
    parts.dedup();
    Some(parts)
}
