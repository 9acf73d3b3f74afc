//! What stands beside the text of an answer, and the search that it may come from: from Chat's words to neutral terms and
//! back.

use super::decode::SEARCH_OPTIONS;
use super::wire::Later;
use crate::ir::{Citation, Location, Logprob, Tool, ToolKind, WebSearch};
use crate::json::{Num, Raw, Str, Writer};
use crate::wire_object;

/// Citations read of one text.
const CITATIONS_MAX: usize = 4096;

wire_object! {
    struct AnnotationWire<'a> {
        url_citation: Later<'a> = "url_citation",
        file_citation: Later<'a> = "file_citation",
    }
}

wire_object! {
    struct SourceWire<'a> {
        url: Str<'a> = "url",
        title: Str<'a> = "title",
        content: Str<'a> = "content",
        file_id: Str<'a> = "file_id",
        start: Num<'a> = "start_index",
        end: Num<'a> = "end_index",
    }
}

wire_object! {
    struct LogprobsWire<'a> {
        content: Vec<TokenWire<'a>> = "content",
        refusal: Vec<TokenWire<'a>> = "refusal",
    }
}

wire_object! {
    struct TokenWire<'a> {
        token: Str<'a> = "token",
        logprob: Num<'a> = "logprob",
        top: Vec<TokenWire<'a>> = "top_logprobs",
    }
}

wire_object! {
    /// `web_search_options`, or a tool object of a compatible server that says the same.
    struct SearchWire<'a> {
        context_size: Str<'a> = "search_context_size",
        location: PlaceWire<'a> = "user_location",
        filters: FiltersWire<'a> = "filters",
        allowed: Vec<Str<'a>> = "allowed_domains",
        excluded: Vec<Str<'a>> = "excluded_domains",
        uses_max: Num<'a> = "max_uses",
        parameters: Later<'a> = "parameters",
    }
}

wire_object! {
    struct FiltersWire<'a> {
        allowed: Vec<Str<'a>> = "allowed_domains",
        blocked: Vec<Str<'a>> = "blocked_domains",
    }
}

wire_object! {
    struct PlaceWire<'a> {
        approximate: Later<'a> = "approximate",
        city: Str<'a> = "city",
        region: Str<'a> = "region",
        country: Str<'a> = "country",
        timezone: Str<'a> = "timezone",
    }
}

/// Reads the citations of a text block: a message's `annotations`, or one of them. Sources are `url_citation` and
/// `file_citation`, also when their members stand flat in the annotation, as some servers write them.
pub fn read_citations<'a>(raw: &'a Raw<'_>, text: &str) -> Vec<Citation<'a>> {
    let length = text.chars().count();
    let one = |text: &'a str| -> Option<Citation<'a>> {
        let wire: AnnotationWire<'a> = serde_json::from_str(text).ok()?;
        let inner = wire.url_citation.or(wire.file_citation).map_or(text, |inner| inner.get());
        let source: SourceWire<'a> = serde_json::from_str(inner).ok()?;
        let at = |number: Option<Num<'_>>| number.as_ref().and_then(Num::as_u64).map(|at| (at as usize).min(length));
        let span = at(source.start).zip(at(source.end)).filter(|(start, end)| start <= end);
        let found = Citation {
            url: source.url,
            title: source.title.filter(|title| !title.is_empty()),
            cited: source.content,
            document: None,
            file_id: source.file_id,
            span,
        };
        (found.url.is_some() || found.file_id.is_some()).then_some(found)
    };
    if raw.is_array() {
        let list: Vec<Later<'a>> = raw.read().unwrap_or_default();
        return list.into_iter().take(CITATIONS_MAX).filter_map(|item| one(item.get())).collect();
    }
    one(raw.get()).into_iter().collect()
}

/// Reads log probabilities: a choice's `logprobs`. Those of words of refusal follow those of the content.
pub fn read_logprobs<'a>(raw: &'a Raw<'_>) -> Vec<Logprob<'a>> {
    let Some(wire) = raw.read::<LogprobsWire<'a>>() else { return Vec::new() };
    let tokens = wire.content.into_iter().flatten().chain(wire.refusal.into_iter().flatten());
    tokens
        .filter_map(|token| {
            let top = token.top.into_iter().flatten();
            let top = top.filter_map(|other| Some((other.token?, other.logprob?))).collect();
            Some(Logprob { token: token.token?, logprob: token.logprob?, top })
        })
        .collect()
}

/// Reads a tool that the provider runs itself as a web search: the member `web_search_options`, a tool of the type
/// `web_search…`, or OpenRouter's.
pub fn read_web_search<'a>(tool: &'a Tool<'_>) -> Option<WebSearch<'a>> {
    let ToolKind::Hosted { raw } = &tool.kind else { return None };
    let known = tool.name == SEARCH_OPTIONS
        || tool.name.starts_with("web_search")
        || tool.name.rsplit(':').next() == Some("web_search");
    if !known {
        return None;
    }
    let whole: SearchWire<'a> = raw.read().unwrap_or_default();
    // OpenRouter's tool says what it wants one level deeper.
    let inner = whole.parameters.and_then(|inner| serde_json::from_str(inner.get()).ok());
    let wire: SearchWire<'a> = inner.unwrap_or(whole);
    let filters = wire.filters.unwrap_or_default();
    Some(WebSearch {
        uses_max: wire.uses_max,
        allowed_domains: wire.allowed.or(filters.allowed).unwrap_or_default(),
        blocked_domains: wire.excluded.or(filters.blocked).unwrap_or_default(),
        location: wire.location.and_then(location),
        context_size: wire.context_size,
    })
}

fn location(place: PlaceWire<'_>) -> Option<Location<'_>> {
    // Chat has the place in an object of its own.
    let inner = place.approximate.and_then(|inner| serde_json::from_str(inner.get()).ok());
    let place: PlaceWire<'_> = inner.unwrap_or(place);
    let found = Location { city: place.city, region: place.region, country: place.country, timezone: place.timezone };
    (found != Location::default()).then_some(found)
}

/// Writes `citation` as an entry of `annotations`, whose text begins `offset` characters into the message's; false when
/// it has no address, because Chat knows sources of the web only. `length` is the text's in characters: a citation that
/// says no place is of all of it. `index` is the entry's number, for lists in deltas.
pub(super) fn write_citation(
    w: &mut Writer<'_>,
    citation: &Citation<'_>,
    (offset, length): (usize, usize),
    index: Option<u64>,
) -> bool {
    let Some(url) = &citation.url else { return false };
    let (start, end) = citation.span.unwrap_or((0, length));
    w.object(|w| {
        // The SDK's accumulator wants an index in every list entry (wire 146).
        if let Some(index) = index {
            w.key("index").u64(index);
        }
        w.key("type").str("url_citation");
        w.key("url_citation").object(|w| {
            w.key("url").str(url);
            // Clients want a title; the address stands in for one.
            w.key("title").str(citation.title.as_ref().unwrap_or(url));
            w.key("start_index").u64((offset + start) as u64);
            w.key("end_index").u64((offset + end) as u64);
        });
    });
    true
}

/// Writes a choice's `logprobs`.
pub(super) fn write_logprobs(w: &mut Writer<'_>, tokens: &[Logprob<'_>]) {
    w.object(|w| {
        w.key("content").array(|w| {
            for token in tokens {
                w.object(|w| {
                    write_token(w, &token.token, &token.logprob);
                    w.key("top_logprobs").array(|w| {
                        token.top.iter().for_each(|(text, logprob)| w.object(|w| write_token(w, text, logprob)));
                    });
                });
            }
        });
        w.key("refusal").null();
    });
}

fn write_token(w: &mut Writer<'_>, text: &str, logprob: &Num<'_>) {
    w.key("token").str(text);
    w.key("logprob").num(logprob);
    // A part of a character has no text of its own: its bytes are not known here.
    if text.contains(char::REPLACEMENT_CHARACTER) {
        w.key("bytes").null();
    } else {
        w.key("bytes").array(|w| text.bytes().for_each(|byte| w.u64(u64::from(byte))));
    }
}

/// Writes `web_search_options`.
pub(super) fn write_web_search(w: &mut Writer<'_>, search: &WebSearch<'_>) {
    w.key(SEARCH_OPTIONS).object(|w| {
        w.opt_str("search_context_size", search.context_size.as_deref());
        if let Some(place) = &search.location {
            w.key("user_location").object(|w| {
                w.key("type").str("approximate");
                w.key("approximate").object(|w| {
                    w.opt_str("city", place.city.as_deref());
                    w.opt_str("region", place.region.as_deref());
                    w.opt_str("country", place.country.as_deref());
                    w.opt_str("timezone", place.timezone.as_deref());
                });
            });
        }
    });
}
