//! Platforms that carry the dialects otherwise than their vendors: Vertex AI, Azure OpenAI, Code Assist.
//!
//! Each is strict about what is its own: paths, the place of the key, what stands in the body instead of the path.

use super::dialect::Dialect;
use super::oauth::{Holder, project};
use super::refusal::Refusal;
use super::route::{Operation, Route, percent_decode, query_value};
use super::state::State;
use super::view::items;
use http::{HeaderMap, Method, Uri};
use serde_json::{Value, json};

/// How a dialect is carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Platform {
    /// As its vendor does.
    #[default]
    Direct,
    /// Google Vertex AI.
    Vertex,
    /// Azure OpenAI.
    Azure,
    /// Google Code Assist.
    CodeAssist,
}

/// Words of `anthropic-beta` that Vertex AI takes here.
const BETAS: [&str; 3] = ["interleaved-thinking-2025-05-14", "context-1m-2025-08-07", "tool-search-tool-2025-10-19"];

/// Finds the route of a platform's path.
pub(crate) fn find(method: &Method, uri: &Uri) -> Option<Route> {
    if *method != Method::POST {
        return None;
    }
    let path = uri.path();
    vertex(path, uri).or_else(|| azure(path, uri)).or_else(|| code_assist(path, uri))
}

fn route(platform: Platform, dialect: Dialect, operation: Operation) -> Route {
    Route { dialect, operation, model: None, stream: false, alt_sse: false, platform }
}

fn vertex(path: &str, uri: &Uri) -> Option<Route> {
    let rest = path.strip_prefix("/v1/projects/").or_else(|| path.strip_prefix("/v1beta1/projects/"))?;
    let parts: Vec<&str> = rest.splitn(6, '/').collect();
    let [project, "locations", location, "publishers", publisher, last] = parts[..] else { return None };
    let (model, verb) = last.strip_prefix("models/")?.rsplit_once(':')?;
    if project.is_empty() || location.is_empty() || model.contains('/') {
        return None;
    }
    let model = Some(percent_decode(model));
    let found = |dialect, operation| route(Platform::Vertex, dialect, operation);
    match (publisher, verb) {
        ("google", "generateContent") => Some(Route { model, ..found(Dialect::Gemini, Operation::Generate) }),
        ("google", "streamGenerateContent") => {
            let alt_sse = query_value(uri, "alt").as_deref() == Some("sse");
            Some(Route { model, stream: true, alt_sse, ..found(Dialect::Gemini, Operation::Generate) })
        }
        ("google", "countTokens") => Some(Route { model, ..found(Dialect::Gemini, Operation::CountTokens) }),
        ("anthropic", "rawPredict") if model.as_deref() == Some("count-tokens") => {
            Some(found(Dialect::Anthropic, Operation::CountTokens))
        }
        ("anthropic", "rawPredict") => Some(Route { model, ..found(Dialect::Anthropic, Operation::Generate) }),
        ("anthropic", "streamRawPredict") => {
            Some(Route { model, stream: true, ..found(Dialect::Anthropic, Operation::Generate) })
        }
        _ => None,
    }
}

fn azure(path: &str, uri: &Uri) -> Option<Route> {
    let found = |dialect| Some(route(Platform::Azure, dialect, Operation::Generate));
    match path {
        "/openai/v1/chat/completions" => return found(Dialect::Chat),
        "/openai/v1/responses" => return found(Dialect::Responses),
        _ => {}
    }
    // The older API: without its version nothing is found.
    query_value(uri, "api-version").filter(|version| version.starts_with("20"))?;
    if path == "/openai/responses" {
        return found(Dialect::Responses);
    }
    let deployment = path.strip_prefix("/openai/deployments/")?.strip_suffix("/chat/completions")?;
    let model = (!deployment.contains('/')).then(|| percent_decode(deployment))?;
    Some(Route { model: Some(model), ..route(Platform::Azure, Dialect::Chat, Operation::Generate) })
}

fn code_assist(path: &str, uri: &Uri) -> Option<Route> {
    let found = |operation| route(Platform::CodeAssist, Dialect::Gemini, operation);
    match path.strip_prefix("/v1internal:")? {
        "generateContent" => Some(found(Operation::Generate)),
        "streamGenerateContent" => {
            let alt_sse = query_value(uri, "alt").as_deref() == Some("sse");
            Some(Route { stream: true, alt_sse, ..found(Operation::Generate) })
        }
        "countTokens" => Some(found(Operation::CountTokens)),
        _ => None,
    }
}

/// The caller's key. An access token that was given out here stands for its refresh token.
///
/// # Errors
/// The platform's own answer to a missing key.
pub(crate) fn key(state: &State, route: &Route, headers: &HeaderMap) -> Result<String, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bearer = text("authorization").strip_prefix("Bearer ").unwrap_or_default();
    let missing = || Refusal::new(401, "Request is missing required authentication credential.");
    match route.platform {
        Platform::Azure => {
            let key = if bearer.is_empty() { text("api-key") } else { bearer };
            if key.is_empty() {
                let message = "Access denied due to invalid subscription key or wrong API endpoint.";
                return Err(Refusal::new(401, message).code("401"));
            }
            Ok(key.to_owned())
        }
        Platform::CodeAssist => match state.oauth.lock().holder(bearer) {
            Holder::Owner(owner) => Ok(owner),
            Holder::Unknown | Holder::Ended => Err(missing()),
        },
        Platform::Vertex | Platform::Direct if bearer.is_empty() => Err(missing()),
        Platform::Vertex | Platform::Direct => owner(state, bearer.to_owned()),
    }
}

/// Whose key it is: an access token that was given out here stands for its refresh token.
///
/// # Errors
/// The answer to a token whose login has ended.
pub(crate) fn owner(state: &State, key: String) -> Result<String, Refusal> {
    match state.oauth.lock().holder(&key) {
        Holder::Owner(owner) => Ok(owner),
        Holder::Unknown => Ok(key),
        Holder::Ended => Err(Refusal::new(401, "Request had invalid authentication credentials.")),
    }
}

/// The dialect's own body in that of the platform; also the model, where the body names it.
///
/// # Errors
/// What the platform refuses.
pub(crate) fn open(
    route: &Route,
    key: &str,
    headers: &HeaderMap,
    body: Value,
) -> Result<(Value, Option<String>), Refusal> {
    match (route.platform, route.dialect) {
        (Platform::Vertex, Dialect::Anthropic) => claude(route, headers, body).map(|body| (body, None)),
        (Platform::Vertex, Dialect::Gemini) => {
            if !body["model"].is_null() {
                return Err(unknown("model", ""));
            }
            if route.operation == Operation::CountTokens {
                known(
                    &body,
                    &["contents", "systemInstruction", "system_instruction", "tools", "generationConfig"],
                    "",
                )?;
            }
            no_ids(&body)?;
            Ok((body, None))
        }
        (Platform::CodeAssist, _) => envelope(route, key, body),
        (Platform::Azure, _) if route.model.is_some() => {
            let mut body = body;
            body["model"] = json!(route.model);
            Ok((body, None))
        }
        _ => Ok((body, None)),
    }
}

/// Claude on Vertex AI: the version stands in the body, the model in the path, and the mode in both.
fn claude(route: &Route, headers: &HeaderMap, mut body: Value) -> Result<Value, Refusal> {
    if body["anthropic_version"] != "vertex-2023-10-16" {
        return Err(Refusal::invalid("anthropic_version: Field required"));
    }
    if headers.contains_key("anthropic-version") {
        return Err(Refusal::invalid("interlingua mock: the version belongs into the body on Vertex AI"));
    }
    for value in headers.get_all("anthropic-beta") {
        let words = value.to_str().unwrap_or("?").split(',').map(str::trim);
        if let Some(word) = words.clone().find(|word| !BETAS.contains(word)) {
            return Err(Refusal::invalid(format!("Unexpected value(s) `{word}` for the `anthropic-beta` header.")));
        }
    }
    if let Some(object) = body.as_object_mut() {
        object.remove("anthropic_version");
    }
    let Some(model) = &route.model else {
        // The endpoint that counts.
        return if body["model"].is_string() { Ok(body) } else { Err(Refusal::invalid("model: Field required")) };
    };
    if !body["model"].is_null() {
        return Err(Refusal::invalid("model: Extra inputs are not permitted"));
    }
    if (body["stream"] == true) != route.stream {
        return Err(Refusal::invalid("interlingua mock: `stream` and the method must say the same"));
    }
    body["model"] = json!(model);
    Ok(body)
}

fn no_ids(body: &Value) -> Result<(), Refusal> {
    for (at, content) in items(&body["contents"]).iter().enumerate() {
        for (part_at, part) in items(&content["parts"]).iter().enumerate() {
            for name in ["functionCall", "functionResponse"] {
                if !part[name]["id"].is_null() {
                    return Err(unknown("id", &format!(" at 'contents[{at}].parts[{part_at}].{name}'")));
                }
            }
        }
    }
    Ok(())
}

fn envelope(route: &Route, key: &str, mut body: Value) -> Result<(Value, Option<String>), Refusal> {
    let counting = route.operation == Operation::CountTokens;
    let (top, inside): (&[&str], &[&str]) = if counting {
        (&["request"], &["model", "contents"])
    } else {
        (
            &["model", "project", "user_prompt_id", "request", "enabled_credit_types"],
            &[
                "contents",
                "systemInstruction",
                "cachedContent",
                "tools",
                "toolConfig",
                "labels",
                "safetySettings",
                "generationConfig",
                "session_id",
            ],
        )
    };
    known(&body, top, "")?;
    let mut request = body["request"].take();
    if !request.is_object() {
        return Err(Refusal::invalid("Request contains an invalid argument."));
    }
    known(&request, inside, " at 'request'")?;
    let mut parts = items(&request["contents"]).iter().flat_map(|content| items(&content["parts"]));
    if counting && parts.any(|part| !part["thought"].is_null() || !part["thoughtSignature"].is_null()) {
        return Err(Refusal::invalid("interlingua mock: thoughts cannot be counted"));
    }
    for tool in items(&request["tools"]) {
        if items(&tool["functionDeclarations"]).iter().any(|one| !one["parametersJsonSchema"].is_null()) {
            return Err(unknown("parametersJsonSchema", " at 'request.tools[0].function_declarations[0]'"));
        }
    }
    let named = if counting { &request["model"] } else { &body["model"] };
    let Some(model) = named.as_str().map(|model| model.trim_start_matches("models/").to_owned()) else {
        return Err(Refusal::invalid("Model is required."));
    };
    let wanted = project(key);
    if !counting && body["project"].as_str() != wanted.as_deref() {
        return Err(Refusal::new(403, "Permission denied on resource project."));
    }
    if let Some(object) = request.as_object_mut() {
        object.remove("session_id");
        object.remove("model");
    }
    Ok((request, Some(model)))
}

pub(super) fn known(value: &Value, names: &[&str], place: &str) -> Result<(), Refusal> {
    let members = value.as_object().into_iter().flatten();
    let stranger = members.map(|(name, _)| name).find(|name| !names.contains(&name.as_str()));
    stranger.map_or(Ok(()), |name| Err(unknown(name, place)))
}

fn unknown(name: &str, place: &str) -> Refusal {
    Refusal::invalid(format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."))
}

/// An answer as the platform sends it.
pub(crate) fn close(platform: Platform, answer: Value) -> Value {
    match platform {
        Platform::CodeAssist if answer.get("totalTokens").is_none() => {
            json!({"response": answer, "traceId": "trace-of-the-mock", "remainingCredits": []})
        }
        _ => answer,
    }
}
