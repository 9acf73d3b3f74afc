//! `/_mock/…`: what was received, the statistics, the script. Without authentication: the simulator is a tool of the
//! developer's own machine.

use super::record::Filter;
use super::route::query_value;
use super::script::{ActiveScript, Script};
use super::state::State;
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
        ("GET", "/_mock/oauth") => (200, state.oauth.lock().json()),
        ("GET", "/_mock/health") => (200, json!({"ok": true})),
        _ => (
            404,
            json!({"error": "/_mock has GET and DELETE requests, GET and DELETE stats, GET oauth, POST script, GET health"}),
        ),
    }
}

fn replace(state: &State, body: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(body).map_err(|_| "the script is not UTF-8".to_owned())?;
    let script = Script::parse(text).map_err(|error| error.to_string())?;
    let active = ActiveScript::new(script).map_err(|error| error.to_string())?;
    state.script.store(Arc::new(active));
    Ok(())
}
