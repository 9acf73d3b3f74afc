//! What stands beside the text of an answer, and the search that it may come from, in neutral terms and in this dialect's.

use serde_json::value::RawValue;

use crate::ir::{Citation, Location, Logprob, Tool, ToolKind, WebSearch};
use crate::json::{Num, Raw, Str, Writer};
use crate::wire_object;

wire_object! {
    /// An annotation of any type.
    struct AnnotationWire<'a> {
        url: Str<'a> = "url",
        title: Str<'a> = "title",
        file_id: Str<'a> = "file_id",
        filename: Str<'a> = "filename",
        start_index: Num<'a> = "start_index",
        end_index: Num<'a> = "end_index",
    }
}

wire_object! {
    /// A token of `logprobs`.
    struct TokenWire<'a> {
        token: Str<'a> = "token",
        logprob: Num<'a> = "logprob",
        top_logprobs: Vec<TokenWire<'a>> = "top_logprobs",
    }
}

wire_object! {
    /// A `web_search` tool.
    struct SearchWire<'a> {
        filters: FiltersWire<'a> = "filters",
        user_location: PlaceWire<'a> = "user_location",
        search_context_size: Str<'a> = "search_context_size",
    }
}

wire_object! {
    struct FiltersWire<'a> {
        allowed_domains: Vec<Str<'a>> = "allowed_domains",
        blocked_domains: Vec<Str<'a>> = "blocked_domains",
    }
}

wire_object! {
    struct PlaceWire<'a> {
        city: Str<'a> = "city",
        region: Str<'a> = "region",
        country: Str<'a> = "country",
        timezone: Str<'a> = "timezone",
    }
}

/// Reads the annotations of a text block: the list, or one of them. Places are counted in characters here, too.
pub fn read_citations<'a>(raw: &'a Raw<'_>, _text: &str) -> Vec<Citation<'a>> {
    list_or_one::<AnnotationWire<'a>>(raw).into_iter().filter_map(citation).collect()
}

/// The elements of a list, or one of them alone; one that cannot be read is left out.
fn list_or_one<'a, T: serde::Deserialize<'a>>(raw: &'a Raw<'_>) -> Vec<T> {
    if !raw.is_array() {
        return raw.read().into_iter().collect();
    }
    let list: Vec<&'a RawValue> = raw.read().unwrap_or_default();
    list.into_iter().filter_map(|one| serde_json::from_str(one.get()).ok()).collect()
}

fn citation(wire: AnnotationWire<'_>) -> Option<Citation<'_>> {
    let place = |at: Option<Num<'_>>| at.and_then(|at| at.as_u64()).and_then(|at| usize::try_from(at).ok());
    if wire.url.is_none() && wire.file_id.is_none() {
        return None;
    }
    Some(Citation {
        url: wire.url,
        title: wire.title.or(wire.filename),
        cited: None,
        document: None,
        file_id: wire.file_id,
        span: place(wire.start_index).zip(place(wire.end_index)).filter(|(from, to)| from <= to),
    })
}

/// Writes a citation as an annotation of a text of `length` characters, which stands in where the citation names no
/// place. `false`, and nothing is written, when it names neither a page nor a file.
pub(super) fn write_citation(w: &mut Writer<'_>, citation: &Citation<'_>, length: usize) -> bool {
    let (from, to) = citation.span.unwrap_or((0, length));
    match (citation.url.as_deref(), citation.file_id.as_deref()) {
        (Some(url), _) => w.object(|w| {
            w.key("type").str("url_citation");
            w.key("start_index").u64(from as u64);
            w.key("end_index").u64(to as u64);
            w.key("url").str(url);
            w.key("title").str(citation.title.as_deref().unwrap_or(url));
        }),
        (None, Some(id)) => w.object(|w| {
            w.key("type").str("file_citation");
            w.key("file_id").str(id);
            w.key("filename").str(citation.title.as_deref().unwrap_or(id));
            w.key("index").u64(to as u64);
        }),
        (None, None) => return false,
    }
    true
}

/// Reads log probabilities: the list of a part or of a delta.
pub fn read_logprobs<'a>(raw: &'a Raw<'_>) -> Vec<Logprob<'a>> {
    let one = |wire: TokenWire<'a>| {
        let top = wire.top_logprobs.unwrap_or_default().into_iter();
        let top = top.filter_map(|wire| Some((wire.token?, wire.logprob?))).collect();
        Some(Logprob { token: wire.token?, logprob: wire.logprob?, top })
    };
    list_or_one(raw).into_iter().filter_map(one).collect()
}

/// Writes one token.
pub(super) fn write_logprob(w: &mut Writer<'_>, logprob: &Logprob<'_>) {
    let members = |w: &mut Writer<'_>, token: &Str<'_>, value: &Num<'_>| {
        w.key("token").str(token);
        w.key("bytes").array(|w| token.bytes().for_each(|byte| w.u64(u64::from(byte))));
        w.key("logprob").num(value);
    };
    w.object(|w| {
        members(w, &logprob.token, &logprob.logprob);
        w.key("top_logprobs").array(|w| {
            for (token, value) in &logprob.top {
                w.object(|w| members(w, token, value));
            }
        });
    });
}

/// Reads `web_search`, `web_search_preview` and their dated names.
pub fn read_web_search<'a>(tool: &'a Tool<'_>) -> Option<WebSearch<'a>> {
    let ToolKind::Hosted { raw } = &tool.kind else { return None };
    if !tool.name.starts_with("web_search") {
        return None;
    }
    let wire: SearchWire<'a> = raw.read().unwrap_or_default();
    let filters = wire.filters.unwrap_or_default();
    let place = |place: PlaceWire<'a>| Location {
        city: place.city,
        region: place.region,
        country: place.country,
        timezone: place.timezone,
    };
    Some(WebSearch {
        uses_max: None,
        allowed_domains: filters.allowed_domains.unwrap_or_default(),
        blocked_domains: filters.blocked_domains.unwrap_or_default(),
        location: wire.user_location.map(place),
        context_size: wire.search_context_size,
    })
}

/// Writes a search as this dialect's tool. What it cannot say is told by [`unsaid`].
pub(super) fn write_web_search(w: &mut Writer<'_>, search: &WebSearch<'_>) {
    w.object(|w| {
        w.key("type").str("web_search");
        if !search.allowed_domains.is_empty() {
            w.key("filters").object(|w| {
                w.key("allowed_domains").array(|w| search.allowed_domains.iter().for_each(|domain| w.str(domain)));
            });
        }
        if let Some(place) = &search.location {
            w.key("user_location").object(|w| {
                w.key("type").str("approximate");
                w.opt_str("city", place.city.as_deref());
                w.opt_str("region", place.region.as_deref());
                w.opt_str("country", place.country.as_deref());
                w.opt_str("timezone", place.timezone.as_deref());
            });
        }
        w.opt_str("search_context_size", search.context_size.as_deref());
    });
}

/// The members of a search that [`write_web_search`] leaves out.
pub(super) fn unsaid(search: &WebSearch<'_>) -> impl Iterator<Item = &'static str> {
    let blocked = (!search.blocked_domains.is_empty()).then_some("blocked_domains");
    search.uses_max.as_ref().map(|_| "max_uses").into_iter().chain(blocked)
}
