//! Which path means what, for which dialect.

use super::dialect::Dialect;
use super::extra::Extra;
use super::platform::{self, Platform};
use http::{HeaderMap, Method, Uri};

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A reply.
    Generate,
    /// The number of tokens of a prompt.
    CountTokens,
    /// The list of models.
    ListModels,
    /// One model.
    GetModel(String),
    /// Something else.
    Extra(Extra),
}

/// The meaning of a request line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Whose protocol it is.
    pub(crate) dialect: Dialect,
    /// What is asked.
    pub(crate) operation: Operation,
    /// The model, where the path names it (Gemini).
    pub(crate) model: Option<String>,
    /// Gemini's `streamGenerateContent`; the other dialects say it in the body.
    pub(crate) stream: bool,
    /// Gemini's `alt=sse`; without it a stream is a JSON array.
    pub(crate) alt_sse: bool,
    /// How the dialect is carried.
    pub(crate) platform: Platform,
}

impl Route {
    /// Finds the route; `None` is the provider's 404.
    pub(crate) fn find(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let path = uri.path().trim_end_matches('/');
        if let Some(route) = platform::find(method, uri) {
            return Some(route);
        }
        let platform = Platform::Direct;
        let plain = |dialect, operation| {
            Some(Self { dialect, operation, model: None, stream: false, alt_sse: false, platform })
        };
        let rest = path.strip_prefix("/v1/responses/input_tokens");
        if let Some((dialect, extra)) = Extra::find(method.as_str(), path, query_value(uri, "upload_id"))
            && rest.is_none()
            && path != "/v1/messages/count_tokens"
        {
            let dialect = dialect.unwrap_or_else(|| caller(uri, headers));
            return plain(dialect, Operation::Extra(extra));
        }
        if *method == Method::POST {
            match path {
                "/v1/chat/completions" => return plain(Dialect::Chat, Operation::Generate),
                "/v1/responses" => return plain(Dialect::Responses, Operation::Generate),
                "/v1/messages" => return plain(Dialect::Anthropic, Operation::Generate),
                "/v1/responses/input_tokens" => return plain(Dialect::Responses, Operation::CountTokens),
                "/v1/messages/count_tokens" => return plain(Dialect::Anthropic, Operation::CountTokens),
                _ => return gemini_call(path, query_value(uri, "alt").as_deref() == Some("sse")),
            }
        }
        if *method != Method::GET {
            return None;
        }
        let rest = path.strip_prefix("/v1beta/models").or_else(|| path.strip_prefix("/v1/models"))?;
        let dialect = if path.starts_with("/v1beta") { Dialect::Gemini } else { caller(uri, headers) };
        match rest.strip_prefix('/') {
            Some(id) => plain(dialect, Operation::GetModel(percent_decode(id))),
            None if rest.is_empty() => plain(dialect, Operation::ListModels),
            None => None,
        }
    }
}

/// `GET /v1/models` belongs to three providers; the credential's place tells whose client it is.
fn caller(uri: &Uri, headers: &HeaderMap) -> Dialect {
    if headers.contains_key("anthropic-version") || headers.contains_key("x-api-key") {
        Dialect::Anthropic
    } else if headers.contains_key("x-goog-api-key") || query_value(uri, "key").is_some() {
        Dialect::Gemini
    } else {
        Dialect::Chat
    }
}

fn gemini_call(path: &str, alt_sse: bool) -> Option<Route> {
    let rest = path.strip_prefix("/v1beta/").or_else(|| path.strip_prefix("/v1/"))?;
    let (model, verb) = rest.rsplit_once(':')?;
    let (operation, stream) = match verb {
        "generateContent" => (Operation::Generate, false),
        "streamGenerateContent" => (Operation::Generate, true),
        "countTokens" => (Operation::CountTokens, false),
        "embedContent" => (Operation::Extra(Extra::EmbedContent), false),
        "batchEmbedContents" => (Operation::Extra(Extra::BatchEmbedContents), false),
        _ => return None,
    };
    let model = percent_decode(model.strip_prefix("models/").unwrap_or(model));
    let platform = Platform::Direct;
    Some(Route { dialect: Dialect::Gemini, operation, model: Some(model), stream, alt_sse, platform })
}

/// The first value of a query parameter, decoded.
pub(crate) fn query_value(uri: &Uri, name: &str) -> Option<String> {
    uri.query()?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then(|| percent_decode(value))
    })
}

/// Undoes percent-encoding; a broken escape stays as it is.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let escaped = escaped.filter(|_| *first == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(method: &str, uri: &str, headers: &[(&'static str, &str)]) -> Option<Route> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Route::find(&method.parse().unwrap(), &uri.parse().unwrap(), &map)
    }

    #[test]
    fn wire_141_gemini_is_found_under_v1_and_v1beta_with_and_without_models() {
        for path in
            ["/v1/models/a%2Bb:generateContent", "/v1beta/models/a+b:generateContent", "/v1beta/a+b:generateContent"]
        {
            assert_eq!(find("POST", path, &[]).unwrap().model.as_deref(), Some("a+b"), "{path}");
        }
        let stream = find("POST", "/v1beta/models/x/y+long:5:streamGenerateContent?key=k&alt=sse", &[]).unwrap();
        assert_eq!(stream.model.as_deref(), Some("x/y+long:5"));
        assert!(stream.stream && stream.alt_sse);
    }

    #[test]
    fn wire_128_the_model_list_belongs_to_three_providers() {
        let dialect = |uri, headers: &[(&'static str, &str)]| find("GET", uri, headers).unwrap().dialect;
        assert_eq!(dialect("/v1/models", &[]), Dialect::Chat);
        assert_eq!(dialect("/v1/models", &[("anthropic-version", "2023-06-01")]), Dialect::Anthropic);
        assert_eq!(dialect("/v1/models", &[("x-goog-api-key", "k")]), Dialect::Gemini);
        assert_eq!(dialect("/v1/models?key=k", &[]), Dialect::Gemini);
        assert_eq!(dialect("/v1beta/models/x", &[]), Dialect::Gemini);
        assert_eq!(find("GET", "/v1/modelsx", &[]), None);
        assert_eq!(find("POST", "/v1/nowhere", &[]), None);
    }

    #[test]
    fn percent_decoding_survives_broken_escapes() {
        assert_eq!(percent_decode("%2B%zz%"), "+%zz%");
    }
}
