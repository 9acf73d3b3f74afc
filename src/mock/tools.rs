//! A tool server at `/mcp` that speaks MCP over streamable HTTP: one tool, `echo`.

use super::seal::Seal;
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use std::time::Duration;

/// Pause between the events of a stream.
const PAUSE: Duration = Duration::from_millis(100);
/// Events of a stream of notifications.
const NOTICES: u64 = 3;

/// An answer: its body comes in pieces.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: Option<&'static str>,
    pub(crate) session: Option<String>,
    /// Each after a pause.
    pub(crate) pieces: Vec<(Duration, String)>,
}

fn plain(status: u16, value: &Value) -> Answer {
    let kind = Some("application/json");
    Answer { status, kind, session: None, pieces: vec![(Duration::ZERO, value.to_string())] }
}

fn failed(status: u16, message: &str) -> Answer {
    plain(status, &json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": message}}))
}

fn event(id: u64, value: &Value) -> String {
    format!("id: {id}\ndata: {value}\n\n")
}

/// Answers one request. Sessions are made of the seal, so none is kept.
pub(crate) fn answer(method: &Method, headers: &HeaderMap, body: &Bytes, seal: Seal, number: u64) -> Answer {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = header("authorization").strip_prefix("Bearer ").unwrap_or_default();
    if key.is_empty() || key.contains("invalid") {
        return failed(401, "Unauthorized");
    }
    let session = seal.hex("session", 1, 0, 32);
    let knows = header("mcp-session-id") == session;
    match *method {
        Method::DELETE if knows => Answer { status: 204, kind: None, session: None, pieces: Vec::new() },
        Method::GET if knows && header("accept").contains("text/event-stream") => notices(header("last-event-id")),
        Method::GET if knows => failed(406, "Not Acceptable: the client must accept text/event-stream"),
        Method::POST => posted(body, headers, knows, session, number),
        Method::GET | Method::DELETE => failed(404, "Session not found"),
        _ => failed(405, "Method not allowed"),
    }
}

fn notices(last: &str) -> Answer {
    let first = last.parse::<u64>().map_or(1, |last| last.saturating_add(1));
    let notice = |id| {
        let params = json!({"level": "info", "data": format!("notice {id}")});
        event(id, &json!({"jsonrpc": "2.0", "method": "notifications/message", "params": params}))
    };
    let pieces = (first..first.saturating_add(NOTICES)).map(|id| (PAUSE, notice(id))).collect();
    Answer { status: 200, kind: Some("text/event-stream"), session: None, pieces }
}

fn posted(body: &Bytes, headers: &HeaderMap, knows: bool, session: String, number: u64) -> Answer {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let accept = header("accept");
    if !accept.contains("application/json") || !accept.contains("text/event-stream") {
        return failed(406, "Not Acceptable: the client must accept both application/json and text/event-stream");
    }
    let Ok(call) = serde_json::from_slice::<Value>(body) else { return failed(400, "Parse error") };
    let id = &call["id"];
    if call["method"] == "initialize" {
        let result = json!({
            "protocolVersion": "2025-06-18", "capabilities": {"tools": {}, "logging": {}},
            "serverInfo": {"name": "echo", "version": "1"},
        });
        let answer = plain(200, &json!({"jsonrpc": "2.0", "id": id, "result": result}));
        return Answer { session: Some(session), ..answer };
    }
    if !knows {
        return failed(404, "Session not found");
    }
    if header("mcp-protocol-version").is_empty() {
        return failed(400, "Bad Request: MCP-Protocol-Version is missing");
    }
    if id.is_null() {
        return Answer { status: 202, kind: None, session: None, pieces: Vec::new() };
    }
    match call["method"].as_str().unwrap_or_default() {
        "tools/list" => {
            let schema = json!({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]});
            let tools = json!([{"name": "echo", "description": "Says it again", "inputSchema": schema}]);
            plain(200, &json!({"jsonrpc": "2.0", "id": id, "result": {"tools": tools}}))
        }
        "tools/call" => {
            let said = call["params"]["arguments"]["text"].as_str().unwrap_or_default();
            let progress = json!({
                "jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "working"},
            });
            let result = json!({"content": [{"type": "text", "text": format!("echo: {said}")}], "isError": false});
            let result = json!({"jsonrpc": "2.0", "id": id, "result": result});
            let pieces = vec![(Duration::ZERO, event(number, &progress)), (PAUSE, event(number + 1, &result))];
            Answer { status: 200, kind: Some("text/event-stream"), session: None, pieces }
        }
        "ping" => plain(200, &json!({"jsonrpc": "2.0", "id": id, "result": {}})),
        other => {
            let error = json!({"code": -32601, "message": format!("Method not found: {other}")});
            plain(200, &json!({"jsonrpc": "2.0", "id": id, "error": error}))
        }
    }
}
