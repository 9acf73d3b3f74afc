//! The paths that pass, as data. What is not here does not pass.

use interlingua_filters::Dialect;

/// The paths of one vendor below one word.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// The first part of the path below the version.
    pub prefix: &'static str,
    /// Whose it is: the dialect of the caller, and of its errors.
    pub dialect: Dialect,
    /// Dialects of upstreams that can have it, the best first.
    pub upstreams: &'static [Dialect],
    /// Whether the prefix itself is served elsewhere, and only what is below passes.
    pub below_only: bool,
}

const OPENAI: &[Dialect] = &[Dialect::OpenAiResponses, Dialect::OpenAiChat];
const RESPONSES: &[Dialect] = &[Dialect::OpenAiResponses];
const CHAT: &[Dialect] = &[Dialect::OpenAiChat];
const ANTHROPIC: &[Dialect] = &[Dialect::Anthropic];
const GEMINI: &[Dialect] = &[Dialect::Gemini];

const fn family(prefix: &'static str, dialect: Dialect, upstreams: &'static [Dialect]) -> Family {
    Family { prefix, dialect, upstreams, below_only: false }
}

const fn below(prefix: &'static str, dialect: Dialect, upstreams: &'static [Dialect]) -> Family {
    Family { prefix, dialect, upstreams, below_only: true }
}

/// All of them. A prefix may occur once for each dialect: then the caller's headers tell.
pub(super) const TABLE: &[Family] = &[
    // Stored answers, `/responses/compact`, and conversations: of the Responses API alone.
    below("/responses", Dialect::OpenAiResponses, RESPONSES),
    family("/conversations", Dialect::OpenAiResponses, RESPONSES),
    // Stored chat completions.
    below("/chat/completions", Dialect::OpenAiChat, CHAT),
    family("/files", Dialect::OpenAiChat, OPENAI),
    family("/uploads", Dialect::OpenAiChat, OPENAI),
    family("/batches", Dialect::OpenAiChat, OPENAI),
    family("/fine_tuning", Dialect::OpenAiChat, OPENAI),
    family("/moderations", Dialect::OpenAiChat, OPENAI),
    family("/vector_stores", Dialect::OpenAiChat, OPENAI),
    family("/containers", Dialect::OpenAiChat, OPENAI),
    family("/evals", Dialect::OpenAiChat, OPENAI),
    family("/skills", Dialect::OpenAiChat, OPENAI),
    family("/videos", Dialect::OpenAiChat, OPENAI),
    family("/audio/translations", Dialect::OpenAiChat, OPENAI),
    family("/images/variations", Dialect::OpenAiChat, OPENAI),
    family("/messages/batches", Dialect::Anthropic, ANTHROPIC),
    family("/files", Dialect::Anthropic, ANTHROPIC),
    family("/skills", Dialect::Anthropic, ANTHROPIC),
    family("/files", Dialect::Gemini, GEMINI),
    family("/cachedContents", Dialect::Gemini, GEMINI),
    family("/batches", Dialect::Gemini, GEMINI),
    family("/operations", Dialect::Gemini, GEMINI),
    family("/tunedModels", Dialect::Gemini, GEMINI),
    family("/fileSearchStores", Dialect::Gemini, GEMINI),
    family("/corpora", Dialect::Gemini, GEMINI),
];

/// Prefixes of Gemini that `/upload` may stand before.
const UPLOADS: [&str; 2] = ["/files", "/fileSearchStores"];

/// The family of a path below the version, for a caller whose headers and version speak `dialect`.
pub(in crate::proxy) fn find(dialect: Dialect, path: &str, upload: bool) -> Option<&'static Family> {
    if upload && (dialect != Dialect::Gemini || !UPLOADS.iter().any(|prefix| is_below(path, prefix, false))) {
        return None;
    }
    let mut found = TABLE.iter().filter(|family| is_below(path, family.prefix, family.below_only));
    let first = found.clone().next()?;
    let shared = TABLE.iter().filter(|family| family.prefix == first.prefix).count() > 1;
    if shared || first.dialect == Dialect::Gemini {
        return found.find(|family| family.dialect == dialect);
    }
    Some(first)
}

/// Whether `path` is `prefix` or stands below it; Gemini also writes `prefix:verb`. A path with dots as a part leads
/// elsewhere than it seems.
fn is_below(path: &str, prefix: &str, below_only: bool) -> bool {
    let Some(rest) = path.strip_prefix(prefix) else { return false };
    let starts = rest.starts_with(['/', ':']) || (rest.is_empty() && !below_only);
    starts && !climbs(path)
}

/// Whether a part of the path is `.` or `..`, written out or percent-encoded, or a backslash stands in it.
fn climbs(path: &str) -> bool {
    let plain = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    plain.split(['/', '\\']).any(|part| part == "." || part == "..") || plain.contains('\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(dialect: Dialect, path: &str) -> Option<(&'static str, Dialect)> {
        find(dialect, path, false).map(|family| (family.prefix, family.dialect))
    }

    #[test]
    fn a_prefix_of_two_vendors_is_told_by_the_caller() {
        for dialect in [Dialect::OpenAiChat, Dialect::Anthropic, Dialect::Gemini] {
            assert_eq!(found(dialect, "/files"), Some(("/files", dialect)));
            assert_eq!(found(dialect, "/files/file-1/content"), Some(("/files", dialect)));
        }
        assert_eq!(found(Dialect::Gemini, "/files/a:download"), Some(("/files", Dialect::Gemini)));
        assert_eq!(found(Dialect::OpenAiChat, "/cachedContents"), None);
        assert_eq!(found(Dialect::OpenAiChat, "/messages/batches/b/results").unwrap().1, Dialect::Anthropic);
    }

    #[test]
    fn what_is_not_in_the_table_does_not_pass() {
        for path in
            ["", "/", "/filesystem", "/organization/admin_api_keys", "/responses", "/chat/completions", "/realtime"]
        {
            assert_eq!(found(Dialect::OpenAiChat, path), None, "{path}");
        }
        assert!(find(Dialect::OpenAiChat, "/files", true).is_none());
        assert!(find(Dialect::Gemini, "/files", true).is_some());
        assert!(find(Dialect::Gemini, "/cachedContents", true).is_none());
    }

    #[test]
    fn a_path_cannot_climb_out_of_its_prefix() {
        for path in [
            "/files/../organization",
            "/files/%2e%2e/organization",
            "/files/%2E./x",
            "/files/..%2forganization",
            "/files/a%5c..%5cb",
            "/files/.",
        ] {
            assert_eq!(found(Dialect::OpenAiChat, path), None, "{path}");
        }
        assert!(found(Dialect::OpenAiChat, "/files/report..pdf").is_some());
    }
}
