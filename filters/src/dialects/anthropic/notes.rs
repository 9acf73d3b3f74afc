//! What stands beside the text of an answer, and the search that it may come from, in neutral terms and in this
//! dialect's words.
//!
//! A citation here belongs to a whole text block; where in the block is not said. Citations of other providers are
//! written as `web_search_result_location`, the one form that has an address. Its `encrypted_index` would be the
//! provider's; the gateway's own mark stands there instead, so that such a citation is known when the client sends it
//! back, and is taken out before a provider that would refuse it.

use crate::Dialect;
use crate::ir::{Citation, Location, Logprob, Signature, Tool, ToolKind, WebSearch};
use crate::json::{Num, Raw, Str, Writer};
use crate::wire_object;

/// Citations read of one block; more say nothing new.
const CITATIONS_MAX: usize = 1_024;

wire_object! {
    struct CitationWire<'a> {
        kind: Str<'a> = "type",
        cited: Str<'a> = "cited_text",
        url: Str<'a> = "url",
        title: Str<'a> = "title",
        document_title: Str<'a> = "document_title",
        document: Num<'a> = "document_index",
        file_id: Str<'a> = "file_id",
        source: Str<'a> = "source",
        encrypted_index: Str<'a> = "encrypted_index",
    }
}

wire_object! {
    struct SearchWire<'a> {
        uses_max: Num<'a> = "max_uses",
        allowed: Vec<Str<'a>> = "allowed_domains",
        blocked: Vec<Str<'a>> = "blocked_domains",
        location: LocationWire<'a> = "user_location",
    }
}

wire_object! {
    struct LocationWire<'a> {
        city: Str<'a> = "city",
        region: Str<'a> = "region",
        country: Str<'a> = "country",
        timezone: Str<'a> = "timezone",
    }
}

/// Reads the citations of a text block: a list of them, or one. Each one is of the whole `text`.
pub fn read_citations<'a>(raw: &'a Raw<'_>, text: &str) -> Vec<Citation<'a>> {
    let list: Vec<CitationWire<'a>> = match raw.get().as_bytes().first() {
        Some(b'[') => raw.read().unwrap_or_default(),
        Some(b'{') => raw.read().into_iter().collect(),
        _ => Vec::new(),
    };
    let span = Some((0, text.chars().count())).filter(|(_, end)| *end > 0);
    list.into_iter().take(CITATIONS_MAX).map(|wire| neutral(wire, span)).collect()
}

fn neutral(wire: CitationWire<'_>, span: Option<(usize, usize)>) -> Citation<'_> {
    let CitationWire { cited, url, title, document_title, document, file_id, source, .. } = wire;
    // A search result names its source as the client did: an address, or any other name of it.
    let (page, name) = match source {
        Some(source) if is_web(&source) => (Some(source), None),
        other => (None, other),
    };
    Citation {
        url: url.or(page),
        title: title.or(document_title).or(name),
        cited,
        document: document.as_ref().and_then(Num::as_u64),
        file_id,
        span,
    }
}

fn is_web(address: &str) -> bool {
    address.starts_with("https://") || address.starts_with("http://")
}

/// This dialect has no log probabilities.
pub fn read_logprobs<'a>(_raw: &'a Raw<'_>) -> Vec<Logprob<'a>> {
    Vec::new()
}

/// Reads a tool that the provider runs itself as a web search, whatever its version (`web_search_20250305`).
pub fn read_web_search<'a>(tool: &'a Tool<'_>) -> Option<WebSearch<'a>> {
    let ToolKind::Hosted { raw } = &tool.kind else { return None };
    if !tool.name.starts_with("web_search_") {
        return None;
    }
    let wire: SearchWire<'a> = raw.read().unwrap_or_default();
    let location = wire.location.map(|place| Location {
        city: place.city,
        region: place.region,
        country: place.country,
        timezone: place.timezone,
    });
    Some(WebSearch {
        uses_max: wire.uses_max,
        allowed_domains: wire.allowed.unwrap_or_default(),
        blocked_domains: wire.blocked.unwrap_or_default(),
        location,
        context_size: None,
    })
}

/// Writes a citation of `issuer`'s; it must have an address.
pub(super) fn write_citation(citation: &Citation<'_>, issuer: Dialect, w: &mut Writer<'_>) {
    let mark = Signature { issuer, value: Str::from("") };
    w.object(|w| {
        w.key("type").str("web_search_result_location");
        w.key("cited_text").str(citation.cited.as_deref().unwrap_or_default());
        w.key("url").str(citation.url.as_deref().unwrap_or_default());
        match &citation.title {
            Some(title) => w.key("title").str(title),
            None => w.key("title").null(),
        }
        w.key("encrypted_index").str(&mark.carried(Dialect::Anthropic));
    });
}

/// The citations of a block that the provider gave itself, when there are others beside them: those the gateway wrote
/// for another provider.
pub(super) fn without_foreign(citations: &Raw<'_>) -> Option<Vec<Raw<'static>>> {
    if !Signature::is_carried_in(citations.get().as_bytes()) {
        return None;
    }
    let list: Vec<Raw<'_>> = citations.read()?;
    Some(list.into_iter().filter(|raw| !is_foreign(raw)).map(Raw::into_owned).collect())
}

fn is_foreign(raw: &Raw<'_>) -> bool {
    let index = raw.read::<CitationWire<'_>>().and_then(|wire| wire.encrypted_index);
    index.is_some_and(|index| Signature::from_slot(Dialect::Anthropic, index).issuer != Dialect::Anthropic)
}

/// Writes a web search as this provider's tool.
pub(super) fn write_web_search(search: &WebSearch<'_>, w: &mut Writer<'_>) {
    w.object(|w| {
        w.key("type").str("web_search_20250305");
        w.key("name").str("web_search");
        w.opt_num("max_uses", search.uses_max.as_ref());
        // The provider takes one of the two lists only; the allowed ones say more.
        let lists = [("allowed_domains", &search.allowed_domains), ("blocked_domains", &search.blocked_domains)];
        if let Some((key, list)) = lists.into_iter().find(|(_, list)| !list.is_empty()) {
            w.key(key).array(|w| list.iter().for_each(|domain| w.str(domain)));
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
    });
}
