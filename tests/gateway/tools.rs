//! Tool servers: MCP over streamable HTTP, through the gateway.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::call::Call;
use super::rig::{Gateway, Mock};
use super::stage::Stage;
use super::wire::Wire;

const KEY: &str = "client-key-of-the-laptop";

async fn stage() -> (Mock, Gateway) {
    let mock = Mock::start("").await;
    let port = mock.port;
    let more = format!(
        "clients:\n  - {{ id: laptop, keys: [{KEY}] }}\nmcp:\n  echo: {{ url: 'http://127.0.0.1:{port}/mcp', credential: key-tools, headers: {{ x-tenant: t }} }}\n  \
         refused: {{ url: 'http://127.0.0.1:{port}/mcp', credential: key-invalid }}\n  gone: {{ url: 'http://127.0.0.1:1/mcp' }}\n"
    );
    let gateway = Gateway::start(&Stage::with(mock.port, &["a"]).more(&more)).await;
    (mock, gateway)
}

fn call(body: &Value, session: Option<&str>) -> Call {
    let call = Call::post("/mcp/echo", body.to_string())
        .header("authorization", &format!("Bearer {KEY}"))
        .header("accept", "application/json, text/event-stream");
    match session {
        Some(id) => call.header("mcp-session-id", id).header("mcp-protocol-version", "2025-06-18"),
        None => call,
    }
}

fn initialize() -> Value {
    let params =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
}

async fn session(gateway: &Gateway) -> String {
    let answer = gateway.send(&call(&initialize(), None)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["result"]["serverInfo"]["name"], "echo");
    answer.header("mcp-session-id").expect("a session").to_owned()
}

#[tokio::test]
async fn a_session_from_its_beginning_to_its_end() {
    let (mock, gateway) = stage().await;
    let id = session(&gateway).await;
    let noted = gateway.send(&call(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), Some(&id))).await;
    assert_eq!((noted.status, noted.body.len()), (202, 0));
    let list = gateway.send(&call(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}), Some(&id))).await;
    assert_eq!(list.json()["result"]["tools"][0]["name"], "echo");
    let params = json!({"name": "echo", "arguments": {"text": "hello"}});
    let asked = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params});
    let said = gateway.send(&call(&asked, Some(&id))).await;
    assert_eq!(said.header("content-type"), Some("text/event-stream"));
    assert!(said.text().contains("echo: hello"), "{}", said.text());
    let end = Call { method: "DELETE", body: Vec::new(), ..call(&Value::Null, Some(&id)) };
    assert_eq!(gateway.send(&end).await.status, 204);
    let requests = mock.requests().await;
    let sent = requests.last().unwrap();
    assert_eq!(sent["headers"]["x-tenant"], "t");
    let all = Value::from(requests).to_string();
    assert!(!all.contains(KEY), "the client's key stays here");
    gateway.comes_to_rest().await;
    let metrics = gateway.metrics_with(KEY).await;
    assert_eq!(metrics.sum("interlingua_requests_total", &[("protocol", "mcp"), ("status", "200")]), 3);
}

#[tokio::test]
async fn notifications_come_one_by_one_and_go_on_where_they_ended() {
    let (_mock, gateway) = stage().await;
    let id = session(&gateway).await;
    let listen = Call::get("/mcp/echo")
        .header("x-api-key", KEY)
        .header("accept", "text/event-stream")
        .header("mcp-session-id", &id)
        .header("last-event-id", "7");
    let mut wire = Wire::connect(gateway.port).await;
    let begun = Instant::now();
    wire.send(&listen.sized()).await;
    let head = wire.head().await.expect("a head");
    assert_eq!((head.status, head.header("content-length")), (200, None));
    let opened = begun.elapsed();
    assert!(wire.until("notice 8").await.starts_with("id: 8\n"));
    assert!(!wire.until("notice 9").await.contains("notice 10"), "each event leaves when it comes");
    assert!(opened < Duration::from_millis(250), "the header does not wait for an event: {opened:?}");
    wire.until("notice 10").await;
    assert_eq!(wire.piece().await, Ok(None), "the end is a proper one");
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn refusals_of_the_server_pass_and_those_of_the_credential_do_not() {
    let (mock, gateway) = stage().await;
    let ping = json!({"jsonrpc": "2.0", "id": 4, "method": "ping"});
    let lost = gateway.send(&call(&ping, Some("no-such-session"))).await;
    assert_eq!((lost.status, &lost.json()["error"]["message"]), (404, &json!("Session not found")));
    assert_eq!(mock.requests().await.len(), 1, "asked once");
    for (name, status, word) in
        [("refused", 503, "operator"), ("gone", 502, "reached"), ("none", 404, "echo, gone, refused")]
    {
        let path = format!("/mcp/{name}");
        let answer = gateway.send(&Call { path, ..call(&initialize(), None) }).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        let error = answer.json();
        assert_eq!(error["jsonrpc"], "2.0");
        assert!(error["error"]["message"].as_str().unwrap().contains(word), "{error}");
    }
    let stranger = Call::post("/mcp/echo", "{}");
    assert_eq!(gateway.send(&stranger).await.status, 401);
    assert_eq!(gateway.send(&Call { method: "PUT", ..call(&Value::Null, None) }).await.status, 405);
    let id = session(&gateway).await;
    assert_eq!(gateway.send(&call(&ping, Some(&id))).await.status, 200, "the account of a tool server is never locked");
}

#[tokio::test]
async fn wire_136_a_client_that_leaves_ends_its_stream() {
    let (_mock, gateway) = stage().await;
    let id = session(&gateway).await;
    let listen = Call::get("/mcp/echo").header("x-api-key", KEY).header("accept", "text/event-stream");
    let mut wire = Wire::connect(gateway.port).await;
    wire.send(&listen.header("mcp-session-id", &id).sized()).await;
    assert_eq!(wire.head().await.expect("a head").status, 200);
    wire.until("notice 1").await;
    drop(wire);
    let until = Instant::now() + Duration::from_secs(2);
    while gateway.metrics_with(KEY).await.sum("interlingua_account_in_flight", &[("account", "mcp/echo")]) > 0 {
        assert!(Instant::now() < until, "the slot is not given back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
