//! Who is calling: the credential in the provider's own place, and the provider's own answer when it is missing.

use super::dialect::Dialect;
use super::refusal::Refusal;
use super::route::query_value;
use http::{HeaderMap, Uri};
use serde_json::json;

/// The caller's key.
///
/// # Errors
/// The provider's own answer to a missing key, or (Anthropic) a missing version header.
pub(crate) fn key(dialect: Dialect, uri: &Uri, headers: &HeaderMap) -> Result<String, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").trim();
    let bearer = text("authorization").split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let bearer = bearer.map_or("", |(_, token)| token.trim());
    let first = |keys: &[&str]| keys.iter().find(|key| !key.is_empty()).map(|key| (*key).to_owned());
    match dialect {
        Dialect::Chat | Dialect::Responses => first(&[bearer]).ok_or_else(missing_openai),
        Dialect::Anthropic => {
            let key =
                first(&[text("x-api-key"), bearer]).ok_or_else(|| Refusal::new(401, "x-api-key header is required"))?;
            if text("anthropic-version").is_empty() {
                return Err(Refusal::invalid("anthropic-version: header is required"));
            }
            Ok(key)
        }
        Dialect::Gemini => {
            let query = query_value(uri, "key").unwrap_or_default();
            first(&[text("x-goog-api-key"), &query, bearer]).ok_or_else(missing_gemini)
        }
    }
}

fn missing_openai() -> Refusal {
    Refusal::new(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth \
         (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the \
         API from your browser and are prompted for a username and password. You can obtain an API key from \
         https://platform.openai.com/account/api-keys.",
    )
}

fn missing_gemini() -> Refusal {
    Refusal::new(
        403,
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other \
         form of API consumer identity to call this API.",
    )
}

/// The answer to a key that the provider does not know.
pub(crate) fn unknown_key(dialect: Dialect, key: &str) -> Refusal {
    match dialect {
        Dialect::Chat | Dialect::Responses => {
            let head: String = key.chars().take(4).collect();
            let tail: String = key.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
            Refusal::new(
                401,
                format!(
                    "Incorrect API key provided: {head}****{tail}. You can find your API key at \
                     https://platform.openai.com/account/api-keys."
                ),
            )
            .code("invalid_api_key")
        }
        Dialect::Anthropic => Refusal::new(401, "invalid x-api-key"),
        Dialect::Gemini => Refusal::new(400, "API key not valid. Please pass a valid API key.")
            .detail(json!({
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"},
            }))
            .detail(json!({
                "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
                "locale": "en-US",
                "message": "API key not valid. Please pass a valid API key.",
            })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(dialect: Dialect, uri: &str, headers: &[(&'static str, &str)]) -> Result<String, Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        key(dialect, &uri.parse().unwrap(), &map)
    }

    #[test]
    fn wire_127_each_provider_has_its_own_place_for_the_key() {
        assert_eq!(ask(Dialect::Chat, "/", &[("authorization", "bearer k")]).unwrap(), "k");
        assert_eq!(ask(Dialect::Chat, "/", &[("x-api-key", "k")]).unwrap_err().status, 401);
        let version = ("anthropic-version", "2023-06-01");
        assert_eq!(ask(Dialect::Anthropic, "/", &[("x-api-key", "k"), version]).unwrap(), "k");
        assert_eq!(ask(Dialect::Anthropic, "/", &[("authorization", "Bearer k"), version]).unwrap(), "k");
        assert_eq!(ask(Dialect::Anthropic, "/", &[("x-api-key", "k")]).unwrap_err().status, 400);
        assert_eq!(ask(Dialect::Gemini, "/?key=k", &[]).unwrap(), "k");
        assert_eq!(ask(Dialect::Gemini, "/", &[("x-goog-api-key", "k")]).unwrap(), "k");
        assert_eq!(ask(Dialect::Gemini, "/", &[]).unwrap_err().status, 403);
    }

    #[test]
    fn wire_095_a_bad_gemini_key_is_a_400() {
        let refusal = unknown_key(Dialect::Gemini, "k");
        assert_eq!((refusal.status, &refusal.details[0]["reason"]), (400, &json!("API_KEY_INVALID")));
    }
}
