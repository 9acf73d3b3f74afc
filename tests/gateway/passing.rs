//! What passes to a provider of the caller's dialect, and whose objects are whose.

use serde_json::{Value, json};

use super::call::Call;
use super::protocol::Protocol;
use super::rig::{Gateway, Mock};
use super::stage::Stage;

const FORM: &str = "--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\n\
    content-disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n\r\n{\"a\":1}\r\n--b--\r\n";

fn upload(path: &str) -> Call {
    let call = Call { headers: Vec::new(), ..Call::post(path, FORM) };
    call.header("content-type", "multipart/form-data; boundary=b")
}

fn delete(path: &str) -> Call {
    Call { method: "DELETE", ..Call::get(path) }
}

async fn stage(accounts: &[&str]) -> (Mock, Gateway) {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, accounts)).await;
    (mock, gateway)
}

#[tokio::test]
async fn a_file_stays_with_the_account_that_made_it() {
    let (mock, gateway) = stage(&["a", "b", "c"]).await;
    let made = gateway.send(&upload("/v1/files?key=secret")).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(made.header("content-type"), Some("application/json"));
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let before = mock.requests().await.len();
    assert_eq!(mock.requests().await[0]["target"], "/v1/files", "the client's key does not travel");
    for _ in 0..3 {
        assert_eq!(gateway.send(&Call::get(&format!("/v1/files/{id}"))).await.json()["id"], id.as_str());
    }
    let content = gateway.send(&Call::get(&format!("/v1/files/{id}/content"))).await;
    assert_eq!(
        (content.body.as_slice(), content.header("content-type")),
        (b"{\"a\":1}".as_slice(), Some("application/octet-stream"))
    );
    let batch = json!({"input_file_id": id, "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let batch = gateway.send(&Call::post("/v1/batches", batch.to_string())).await;
    assert_eq!(batch.status, 200, "the file's account is asked: {}", batch.text());
    let batch = batch.json()["id"].as_str().unwrap().to_owned();
    let cancelled = gateway.send(&Call::post(&format!("/v1/batches/{batch}/cancel"), "")).await;
    assert_eq!(cancelled.json()["status"], "cancelled", "{}", cancelled.text());
    assert_eq!(gateway.send(&Call::get("/v1/files")).await.json()["data"].as_array().unwrap().len(), 1);
    assert_eq!(gateway.send(&delete(&format!("/v1/files/{id}"))).await.json()["deleted"], true);
    assert_eq!(mock.requests().await.len(), before + 8, "nobody is asked in vain");
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn an_object_of_which_nothing_is_known_is_looked_for() {
    let (mock, first) = stage(&["a", "b", "c", "d", "e"]).await;
    let id = first.send(&upload("/v1/files")).await.json()["id"].as_str().unwrap().to_owned();
    let stage = ["e", "d", "c", "b", "a"];
    let second = Gateway::start(&Stage::with(mock.port, &stage)).await;
    assert_eq!(second.send(&Call::get(&format!("/v1/files/{id}"))).await.json()["id"], id.as_str());
    let asked = mock.requests().await.len();
    assert_eq!(second.send(&Call::get(&format!("/v1/files/{id}"))).await.status, 200);
    assert_eq!(mock.requests().await.len(), asked + 1, "now it is known");
    let missing = second.send(&Call::get("/v1/files/file-none0")).await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["error"]["message"], "No such File object: file-none0", "the provider's own words");
    assert_eq!(mock.requests().await.len(), asked + 6);
    assert_eq!(second.send(&Protocol::Chat.call("chat/m", "hello", false)).await.status, 200, "no account was locked");
}

#[tokio::test]
async fn anthropic_and_gemini_have_objects_too() {
    let (mock, gateway) = stage(&["a", "b"]).await;
    let version =
        |call: Call| call.header("anthropic-version", "2023-06-01").header("anthropic-beta", "files-api-2025-04-14");
    let file = gateway.send(&version(upload("/v1/files"))).await.json();
    assert_eq!(file["type"], "file", "{file}");
    let path = format!("/v1/files/{}", file["id"].as_str().unwrap());
    assert_eq!(gateway.send(&version(Call::get(&path))).await.json(), file);
    let batch = gateway.send(&version(Call::post("/v1/messages/batches", r#"{"requests":[]}"#))).await.json();
    let path = format!("/v1/messages/batches/{}", batch["id"].as_str().unwrap());
    assert_eq!(gateway.send(&version(Call::get(&path))).await.json(), batch);
    let start = Call::post("/upload/v1beta/files", r#"{"file":{"displayName":"a"}}"#)
        .header("x-goog-upload-protocol", "resumable")
        .header("x-goog-upload-command", "start");
    let started = gateway.send(&start).await;
    let url = started.header("x-goog-upload-url").unwrap().to_owned();
    let path = url.strip_prefix("http://localhost").unwrap_or_else(|| panic!("{url} is not the gateway's"));
    let rest = Call::post(path, "bytes")
        .header("x-goog-upload-command", "upload, finalize")
        .header("x-goog-upload-offset", "0");
    let uploaded = gateway.send(&rest).await;
    assert_eq!(uploaded.header("x-goog-upload-status"), Some("final"), "{}", uploaded.text());
    let name = uploaded.json()["file"]["name"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        assert_eq!(gateway.send(&Call::get(&format!("/v1beta/{name}"))).await.json()["name"], name.as_str());
    }
    let cache = gateway.send(&Call::post("/v1beta/cachedContents", r#"{"model":"models/g"}"#)).await.json();
    let path = format!("/v1beta/{}", cache["name"].as_str().unwrap());
    assert_eq!(gateway.send(&Call::get(&path)).await.json(), cache);
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "cachedContent": cache["name"]});
    let maker = mock.last("a").await["number"].as_u64() > mock.last("b").await["number"].as_u64();
    let maker = if maker { "a" } else { "b" };
    for _ in 0..4 {
        let before = mock.count(maker).await;
        gateway.send(&Call::post("/v1beta/models/gemini%2Fm:generateContent", body.to_string())).await;
        assert_eq!(mock.count(maker).await, before + 1, "who made the cache is asked");
    }
}

#[tokio::test]
async fn stored_answers_can_be_asked_for_again() {
    let (mock, gateway) = stage(&["a", "b", "c"]).await;
    for _ in 0..3 {
        let made = gateway.send(&Protocol::Responses.call("responses/m", "hello", false)).await.json();
        let path = format!("/v1/responses/{}", made["id"].as_str().unwrap());
        assert_eq!(gateway.send(&Call::get(&path)).await.json()["id"], made["id"]);
        assert_eq!(gateway.send(&Call::get(&format!("{path}/input_items"))).await.json()["object"], "list");
        assert_eq!(gateway.send(&delete(&path)).await.status, 200);
    }
    let compact = Call::post("/v1/responses/compact", r#"{"model":"responses/gpt-5","input":"x"}"#);
    let answer = gateway.send(&compact).await;
    assert_eq!(answer.json()["object"], "response.compaction", "wire_059: {}", answer.text());
    assert_eq!(mock.requests().await.last().unwrap()["body"]["model"], "gpt-5");
    let moderation = gateway.send(&Call::post("/v1/moderations", r#"{"input":"x"}"#)).await;
    assert_eq!(moderation.json()["results"][0]["flagged"], false);
}

#[tokio::test]
async fn wire_131_an_accounts_troubles_are_not_the_clients() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["own"]).credential("key-invalid")).await;
    let answer = gateway.send(&upload("/v1/files")).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    let (_, message) = Protocol::Chat.error(&answer);
    assert!(message.contains("operator") && !message.contains("key"), "{message}");
    let body = json!({"model": "chat/e", "input": "x"}).to_string();
    for call in [Call::get("/v1/files/file-1"), Call::post("/v1/embeddings", body)] {
        // The account rests now.
        assert_eq!(gateway.send(&call).await.status, 429);
    }
}

#[tokio::test]
async fn without_an_upstream_of_the_dialect_or_the_switch_the_answer_says_so() {
    let mock = Mock::start("").await;
    let text = Stage::with(mock.port, &["a"]).more("passthrough: { enabled: false }");
    let gateway = Gateway::start(&text).await;
    let answer = gateway.send(&Call::get("/v1/files")).await;
    assert!(answer.status == 404 && Protocol::Chat.error(&answer).1.contains("switched off"), "{}", answer.text());
    let only = format!(
        "server: {{ listen: '127.0.0.1:{}', admin_listen: '127.0.0.1:{}', threads: 2 }}\nstate: {{ enabled: false }}\n\
         upstreams: [{{ id: x, dialect: openai_chat, base_url: 'http://127.0.0.1:{}/v1' }}]\n\
         accounts: [{{ id: x, upstream: x, credential: key-x }}]\nmodels: [{{ match: '*', upstream: x }}]\n",
        gateway.port, gateway.admin, mock.port
    );
    gateway.rewrite(&only);
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    let version = Call::get("/v1/messages/batches").header("anthropic-version", "2023-06-01");
    for (call, protocol) in [
        (version, Protocol::Anthropic),
        (Call::get("/v1beta/cachedContents"), Protocol::Gemini),
        (Call::get("/v1/responses/resp_1"), Protocol::Responses),
    ] {
        let answer = gateway.send(&call).await;
        assert_eq!(answer.status, 404, "{}", answer.text());
        assert!(protocol.error(&answer).1.contains("no such upstream"), "{}", answer.text());
    }
    assert_eq!(gateway.send(&Call::get("/v1/files")).await.status, 200, "OpenAI Chat has files");
}

#[tokio::test]
async fn wire_128_models_say_what_can_be_asked_of_them() {
    let mock = Mock::start("").await;
    let stage = Stage::with(mock.port, &["a"]).model("match: text-embedding-3, upstream: chat");
    let gateway = Gateway::start(&stage.model("match: talker, upstream: anthropic")).await;
    let methods = |name: &str| Call::get(&format!("/v1beta/models/{name}"));
    let of = |value: Value| value["supportedGenerationMethods"].to_string();
    let embeds = of(gateway.send(&methods("text-embedding-3")).await.json());
    assert!(embeds.contains("embedContent") && !embeds.contains("generateContent"), "{embeds}");
    let talks = of(gateway.send(&methods("talker")).await.json());
    assert!(talks.contains("countTokens") && !talks.contains("embedContent"), "{talks}");
}

#[tokio::test]
async fn a_file_in_a_request_goes_to_the_account_that_has_it() {
    let (mock, gateway) = stage(&["a", "b"]).await;
    let ask = |id: &str, salt: usize| {
        let parts =
            json!([{"type": "text", "text": format!("{salt}: read")}, {"type": "file", "file": {"file_id": id}}]);
        let body = json!({"model": "chat/m", "messages": [{"role": "user", "content": parts}]});
        Call::post("/v1/chat/completions", body.to_string())
    };
    let id = gateway.send(&upload("/v1/files")).await.json()["id"].as_str().unwrap().to_owned();
    let maker = if mock.count("a").await == 1 { "a" } else { "b" };
    for salt in 0..4 {
        let answer = gateway.send(&ask(&id, salt)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(mock.count(maker).await, 5, "who has the file is asked");
    for salt in 0..4 {
        assert_eq!(gateway.send(&ask("file-elsewhere1", salt)).await.status, 200);
    }
    let other = if maker == "a" { "b" } else { "a" };
    assert!(mock.count(other).await > 0, "anybody is asked for a file of which nothing is known");
    gateway.comes_to_rest().await;
}
