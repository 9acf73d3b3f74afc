//! `/_mock/…`: what was received, the statistics, the script. Without authentication: the simulator is a tool of the
//! developer's own machine.

use super::record::Filter;
use super::recording::Recording;
use super::route::query_value;
use super::script::{ActiveScript, Script};
use super::state::State;
use bytes::Bytes;
use http::{Method, Uri};
use serde_json::{Value, json};
use std::sync::Arc;

/// Answers an administrative request: status and body.
pub(crate) fn answer(state: &State, method: &Method, uri: &Uri, body: &[u8]) -> (u16, Value) {
    match (method.as_str(), uri.path()) {
        ("GET", "/_mock/requests") => {
            let last = query_value(uri, "last").and_then(|last| last.parse().ok());
            let filter = Filter { key: query_value(uri, "key"), path: query_value(uri, "path"), last };
            (200, state.ring.lock().list(&filter))
        }
        ("DELETE", "/_mock/requests") => {
            state.ring.lock().clear();
            (200, json!({"ok": true}))
        }
        ("GET", "/_mock/stats") => (200, state.stats.lock().json()),
        ("DELETE", "/_mock/stats") => {
            state.stats.lock().clear();
            (200, json!({"ok": true}))
        }
        ("POST", "/_mock/script") => match replace(state, body) {
            Ok(()) => (200, json!({"ok": true})),
            Err(message) => (400, json!({"error": message})),
        },
        ("PUT", path) if path.starts_with("/_mock/recordings/") => keep(state, uri, body),
        ("POST", "/_mock/quota") => match state.oauth.lock().set_quota(body) {
            Ok(()) => (200, json!({"ok": true})),
            Err(message) => (400, json!({"error": message})),
        },
        ("POST", "/_mock/oauth") => match state.oauth.lock().register(body) {
            Ok(()) => (200, json!({"ok": true})),
            Err(message) => (400, json!({"error": message})),
        },
        ("GET", "/_mock/oauth") => (200, state.oauth.lock().json()),
        ("GET", "/_mock/health") => (200, json!({"ok": true})),
        _ => (
            404,
            json!({"error": "/_mock has GET and DELETE requests, GET and DELETE stats, GET and POST oauth, POST script, PUT recordings/{name}, POST quota, GET health"}),
        ),
    }
}

fn keep(state: &State, uri: &Uri, body: &[u8]) -> (u16, Value) {
    let name = uri.path().trim_start_matches("/_mock/recordings/");
    let number = |name: &str| query_value(uri, name).map(|value| value.parse::<u64>());
    let (status, pieces) = (number("status").transpose(), number("pieces").transpose());
    let (Ok(status), Ok(pieces)) = (status, pieces) else {
        return (400, json!({"error": "status and pieces are numbers"}));
    };
    let recording = Recording {
        status: status.and_then(|status| u16::try_from(status).ok()).unwrap_or(200),
        content_type: query_value(uri, "content-type").unwrap_or_else(|| "application/json".to_owned()),
        body: Bytes::copy_from_slice(body),
        pieces,
    };
    if state.recordings.lock().keep(name, recording) {
        (200, json!({"ok": true}))
    } else {
        (413, json!({"error": "too many recordings"}))
    }
}

fn replace(state: &State, body: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(body).map_err(|_| "the script is not UTF-8".to_owned())?;
    let script = Script::parse(text).map_err(|error| error.to_string())?;
    let active = ActiveScript::new(script).map_err(|error| error.to_string())?;
    state.script.store(Arc::new(active));
    Ok(())
}
