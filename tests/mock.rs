//! The provider simulator over real sockets, with a small raw client that trusts no HTTP library.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the lints exempt test functions, not their helpers")]

use interlingua::mock::{MockHandle, MockOptions, Script, bind, key_hash};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

struct Rig {
    address: SocketAddr,
    handle: MockHandle,
    _stop: oneshot::Sender<()>,
}

async fn rig(script: &str) -> Rig {
    let mut options = MockOptions::new("127.0.0.1:0".parse().unwrap());
    options.script = Some(Script::parse(script).unwrap());
    let mock = bind(options).await.unwrap();
    let (address, handle) = (mock.address(), mock.handle());
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(mock.serve(async {
        let _ = stopped.await;
    }));
    Rig { address, handle, _stop: stop }
}

/// What a raw exchange gave.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
    /// How the connection failed, if it did.
    end: Option<ErrorKind>,
    /// The body came to its proper end.
    whole: bool,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The data of every SSE event that is JSON.
    fn events(&self) -> Vec<Value> {
        let lines = self.text().split(['\n', '\r']).filter_map(|line| line.strip_prefix("data: "));
        lines.filter_map(|data| serde_json::from_str(data).ok()).collect()
    }
}

/// One request on a connection of its own; `headers` are whole lines. Gives all bytes that came back.
async fn raw(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &str,
    body: &[u8],
) -> (Vec<u8>, Option<ErrorKind>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: m\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes).await.err().map(|error| error.kind());
    (bytes, end)
}

async fn send(address: SocketAddr, method: &str, target: &str, headers: &str, body: &[u8]) -> Reply {
    let (bytes, end) = raw(address, method, target, headers, body).await;
    let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Reply { status: 0, head: String::new(), body: bytes, end, whole: false };
    };
    let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut reply = Reply { status, head, body: bytes[at + 4..].to_vec(), end, whole: false };
    if reply.header("transfer-encoding") == Some("chunked") {
        (reply.body, reply.whole) = dechunk(&reply.body);
    } else {
        reply.whole = reply.body.len() == reply.header("content-length").unwrap_or("0").parse::<usize>().unwrap();
    }
    reply
}

fn dechunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(at) = rest.windows(2).position(|window| window == b"\r\n") else { return (body, false) };
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
        rest = &rest[at + 2..];
        if size == 0 || rest.len() < size + 2 {
            body.extend_from_slice(&rest[..rest.len().min(size)]);
            return (body, size == 0);
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

const KEY: &str = "authorization: Bearer key-a\r\n";
const ANTHROPIC_KEY: &str = "x-api-key: key-a\r\nanthropic-version: 2023-06-01\r\n";
const GEMINI_KEY: &str = "x-goog-api-key: key-a\r\n";
const DIALECTS: [&str; 4] = ["openai_chat", "openai_responses", "anthropic", "gemini"];

/// A question in a dialect: target, headers, body.
fn question(dialect: &str, model: &str, text: &str, stream: bool) -> (String, &'static str, Value) {
    let messages = json!([{"role": "user", "content": text}]);
    match dialect {
        "openai_chat" => {
            ("/v1/chat/completions".into(), KEY, json!({"model": model, "stream": stream, "messages": messages}))
        }
        "openai_responses" => ("/v1/responses".into(), KEY, json!({"model": model, "stream": stream, "input": text})),
        "anthropic" => {
            let body = json!({"model": model, "stream": stream, "max_tokens": 99, "messages": messages});
            ("/v1/messages".into(), ANTHROPIC_KEY, body)
        }
        _ => {
            let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            let body = json!({"contents": [{"role": "user", "parts": [{"text": text}]}]});
            (format!("/v1beta/models/{model}:{verb}"), GEMINI_KEY, body)
        }
    }
}

async fn ask(rig: &Rig, dialect: &str, model: &str, text: &str, stream: bool) -> Reply {
    let (target, headers, body) = question(dialect, model, text, stream);
    send(rig.address, "POST", &target, headers, body.to_string().as_bytes()).await
}

async fn post(rig: &Rig, target: &str, headers: &str, body: &Value) -> Reply {
    send(rig.address, "POST", target, headers, body.to_string().as_bytes()).await
}

/// The text that an answer says, whichever way it came.
fn said(dialect: &str, reply: &Reply) -> String {
    let sse = reply.header("content-type").unwrap().starts_with("text/event-stream");
    let values = if sse { reply.events() } else { vec![reply.json()] };
    let pointers: &[&str] = match dialect {
        "openai_chat" => &["/choices/0/delta/content", "/choices/0/message/content"],
        "openai_responses" => &["/delta", "/output/0/content/0/text"],
        "anthropic" => &["/delta/text", "/content/0/text"],
        _ => &["/candidates/0/content/parts/0/text"],
    };
    let texts = values.iter().flat_map(|value| pointers.iter().filter_map(|pointer| value.pointer(pointer)?.as_str()));
    texts.collect()
}

#[tokio::test]
async fn every_dialect_answers_in_both_forms_with_its_own_headers() {
    let rig = rig("").await;
    for dialect in DIALECTS {
        for stream in [false, true] {
            let reply = ask(&rig, dialect, "some-model", "Grüezi 👩‍💻 [x]", stream).await;
            assert_eq!((reply.status, reply.whole), (200, true), "{dialect} {}", reply.text());
            assert_eq!(said(dialect, &reply), "You said: Grüezi 👩‍💻 [x]", "{dialect} {stream}");
            let identified = match dialect {
                "anthropic" => reply.header("request-id").unwrap().starts_with("req_011"),
                "gemini" => reply.header("server-timing").is_some(),
                _ => reply.header("x-request-id").unwrap().starts_with("req_"),
            };
            assert!(identified, "{}", reply.head);
        }
    }
}

#[tokio::test]
async fn answers_are_the_same_for_the_same_seed_and_order() {
    let (first, second) = (rig("").await, rig("").await);
    let stripped = async |rig: &Rig, dialect: &str| {
        let mut value = ask(rig, dialect, "mock-think", "hi", false).await.json();
        for member in ["created", "created_at", "completed_at"] {
            value.as_object_mut().unwrap().shift_remove(member);
        }
        value
    };
    for dialect in DIALECTS {
        let one = stripped(&first, dialect).await;
        assert_eq!(one, stripped(&second, dialect).await, "{dialect}");
        assert_ne!(one, stripped(&first, dialect).await, "ids differ from request to request");
        stripped(&second, dialect).await;
    }
}

#[tokio::test]
async fn the_first_place_that_names_a_scenario_wins() {
    let rig = rig("{default: refusal, rules: [{match: {key: key-a, model: 'ruled*'}, scenario: empty}]}").await;
    let reason = |reply: Reply| reply.json()["stop_reason"].as_str().unwrap().to_owned();
    assert_eq!(reason(ask(&rig, "anthropic", "plain", "hi", false).await), "refusal");
    assert_eq!(reason(ask(&rig, "anthropic", "ruled", "hi", false).await), "end_turn");
    assert_eq!(reason(ask(&rig, "anthropic", "ruled", "hi [[max_tokens]]", false).await), "max_tokens");
    assert_eq!(reason(ask(&rig, "anthropic", "mock-stop_sequence", "hi [[max_tokens]]", false).await), "stop_sequence");
    let (target, headers, body) = question("anthropic", "mock-stop_sequence", "hi", false);
    let headers = format!("{headers}x-mock-scenario: echo\r\n");
    assert_eq!(reason(post(&rig, &target, &headers, &body).await), "end_turn");
    let reply = post(&rig, &target, &format!("{headers}x-mock-fault: nonsense\r\n"), &body).await;
    assert!(reply.status == 400 && reply.text().contains("is no fault"), "{}", reply.text());
}

#[tokio::test]
async fn wire_008_gemini_streams_a_json_array_without_alt_sse() {
    let rig = rig("").await;
    let (_, headers, body) = question("gemini", "m", "hello brave new world", true);
    let stream =
        async |model: &str| post(&rig, &format!("/v1/models/{model}:streamGenerateContent"), headers, &body).await;
    let reply = stream("m").await;
    assert_eq!(reply.header("content-type"), Some("application/json; charset=UTF-8"));
    let all = reply.json();
    assert!(all.as_array().unwrap().len() > 1);
    assert_eq!(all.as_array().unwrap().last().unwrap()["candidates"][0]["finishReason"], "STOP");
    let failed = stream("m+fault=error-after:1").await.json();
    assert_eq!(failed.as_array().unwrap().last().unwrap()["error"]["status"], "UNAVAILABLE");
    let refused = stream("m+fault=503").await;
    assert_eq!((refused.status, &refused.json()[0]["error"]["code"]), (503, &json!(503)));
}

#[tokio::test]
async fn a_missing_or_unknown_key_gets_the_providers_own_answer() {
    let rig = rig("{known_keys_only: true, keys: {key-a: {}}}").await;
    let answer = async |dialect: &str, headers: &str| {
        let (target, _, body) = question(dialect, "m", "hi", false);
        let reply = post(&rig, &target, headers, &body).await;
        (reply.status, reply.json()["error"].clone(), reply.json()["request_id"].clone())
    };
    let (status, error, _) = answer("openai_chat", "").await;
    assert_eq!((status, &error["type"], &error["code"]), (401, &json!("invalid_request_error"), &Value::Null));
    let (status, error, _) = answer("openai_responses", "authorization: Bearer key-b\r\n").await;
    assert_eq!((status, &error["code"]), (401, &json!("invalid_api_key")));
    let (status, error, id) = answer("anthropic", "anthropic-version: 2023-06-01\r\n").await;
    assert_eq!((status, &error["type"]), (401, &json!("authentication_error")));
    assert!(id.as_str().unwrap().starts_with("req_"));
    let (status, error, _) = answer("anthropic", "x-api-key: key-a\r\n").await;
    assert_eq!((status, &error["message"]), (400, &json!("anthropic-version: header is required")));
    let (status, error, _) = answer("gemini", "").await;
    assert_eq!((status, &error["status"]), (403, &json!("PERMISSION_DENIED")));
    let (status, error, _) = answer("gemini", "x-goog-api-key: key-b\r\n").await;
    assert_eq!((status, &error["details"][0]["reason"]), (400, &json!("API_KEY_INVALID")));
    assert_eq!(ask(&rig, "gemini", "m", "hi", false).await.status, 200);
}

#[tokio::test]
async fn statuses_have_the_providers_bodies_and_hints() {
    let rig = rig("").await;
    for dialect in DIALECTS {
        let fault = async |fault: &str, stream| ask(&rig, dialect, &format!("m+fault={fault}"), "hi", stream).await;
        for status in [400, 401, 402, 403, 404, 413, 500, 503, 529] {
            let reply = fault(&status.to_string(), status % 2 == 0).await;
            assert_eq!((reply.status, reply.whole), (status, true), "{dialect}");
            let body = reply.json();
            assert!(!body["error"]["message"].as_str().unwrap().is_empty());
            match dialect {
                "anthropic" => assert_eq!(body["type"], "error"),
                "gemini" => assert_eq!(body["error"]["code"], status),
                _ => assert!(body["error"]["type"].is_string()),
            }
        }
        let limited = fault("429:2", true).await;
        let delay = limited.json()["error"]["details"][2]["retryDelay"].clone();
        let hint = (limited.status, limited.header("retry-after"), delay);
        let google = dialect == "gemini";
        assert_eq!(hint, (429, (!google).then_some("2"), if google { json!("2s") } else { Value::Null }), "{dialect}");
        assert_eq!(fault("429-quota", false).await.status, 429);
        assert_eq!(fault("context", false).await.status, 400);
        let bare = fault("429-bare", false).await;
        assert!(bare.status == 429 && bare.header("retry-after").is_none());
        let page = fault("html:502", false).await;
        assert_eq!((page.status, page.header("content-type")), (502, Some("text/html")));
    }
}

#[tokio::test]
async fn connections_are_cut_where_the_fault_says() {
    let rig = rig("").await;
    for dialect in DIALECTS {
        for stream in [false, true] {
            let cut = async |fault: &str| ask(&rig, dialect, &format!("m+fault={fault}"), "hello world", stream).await;
            let closed = cut("close").await;
            assert_eq!((closed.status, closed.body.len(), closed.end), (0, 0, None), "{dialect}");
            assert_eq!(cut("reset").await.end, Some(ErrorKind::ConnectionReset), "{dialect}");
            let part = cut("close-after:40").await;
            assert_eq!((part.status, part.body.len(), part.whole, part.end), (200, 40, false, None), "{dialect}");
            let part = cut("reset-after:40").await;
            assert_eq!(
                (part.status, part.body.len(), part.end),
                (200, 40, Some(ErrorKind::ConnectionReset)),
                "{dialect}"
            );
            let half = cut("close-mid-event:0").await;
            assert!(half.status == 200 && !half.whole && !half.body.ends_with(b"\n\n"), "{dialect}");
        }
    }
}

#[tokio::test]
async fn streams_are_spoilt_where_the_fault_says() {
    let rig = rig("").await;
    for dialect in DIALECTS {
        let stream = async |model: &str| ask(&rig, dialect, model, "hello brave new world", true).await;
        let whole = stream("m").await;
        let first = stream("m+fault=error-first").await;
        assert!(
            first.whole && first.events().len() == 1 && first.text().contains("overloaded"),
            "{dialect} {}",
            first.text()
        );
        let later = stream("m+fault=error-after:1").await;
        let text = later.text();
        assert!(
            later.whole && text.contains("You said") && !text.contains("world") && text.contains("overloaded"),
            "{text}"
        );
        let empty = stream("m+fault=empty").await;
        assert!(empty.whole && empty.body.is_empty(), "{dialect}");
        let terminal = stream("m+fault=no-terminal").await;
        let missing = usize::from(dialect != "openai_chat"); // There the last event is no JSON.
        assert_eq!(terminal.events().len() + missing, whole.events().len(), "{dialect}");
        assert!(terminal.whole && terminal.text().contains("world") && !terminal.text().contains("[DONE]"));
        let finish = stream("m+fault=no-finish").await;
        assert!(
            !finish.text().contains("finish_reason\":\"stop") && !finish.text().contains("stop_reason\":\"end_turn")
        );
        let malformed = stream("m+fault=malformed:1").await;
        assert_eq!(malformed.events().len() + 1, whole.events().len(), "{dialect}");
        for same in ["split", "comments", "crlf", "cr", "split,crlf,comments"] {
            let reply = stream(&format!("m+fault={same}")).await;
            assert_eq!(said(dialect, &reply), said(dialect, &whole), "{dialect} {same}");
            assert_eq!(reply.text().starts_with(": heartbeat"), same.contains("comments"));
            assert_eq!(reply.text().contains("\r\n"), same.contains("crlf"), "{same}");
            assert_eq!(reply.text().contains('\n'), same != "cr", "{same}");
        }
        let typed = stream("m+fault=content-type:application/octet-stream").await;
        assert_eq!(typed.header("content-type"), Some("application/octet-stream"));
    }
}

#[tokio::test]
async fn split_sends_one_byte_at_a_time() {
    let rig = rig("").await;
    let (target, headers, body) = question("openai_chat", "m+fault=split", "hi", true);
    let (bytes, _) = raw(rig.address, "POST", &target, headers, body.to_string().as_bytes()).await;
    let body = &bytes[bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4..];
    // Every chunk of the transfer coding is `1 CRLF byte CRLF`, and the last one `0 CRLF CRLF`.
    let (chunks, last) = body.split_at(body.len() - 5);
    assert_eq!(last, b"0\r\n\r\n");
    assert!(
        chunks.len() > 600 && chunks.chunks(6).all(|chunk| chunk.starts_with(b"1\r\n") && chunk.ends_with(b"\r\n"))
    );
}

#[tokio::test]
async fn delays_come_at_the_head_the_first_content_and_each_frame() {
    let rig = rig("").await;
    let timed = async |fault: &str| {
        let start = Instant::now();
        let reply = ask(&rig, "openai_chat", &format!("mock-long:3+fault={fault}"), "hi", true).await;
        assert!(reply.whole);
        start.elapsed()
    };
    assert!(timed("delay-head:80").await >= Duration::from_millis(80));
    assert!(timed("delay-first:80").await >= Duration::from_millis(80));
    assert!(timed("delay-chunk:40").await >= Duration::from_millis(160), "four frames and more follow the first");
    for silent in ["hang", "hang-after:1"] {
        assert!(tokio::time::timeout(Duration::from_millis(200), timed(silent)).await.is_err(), "{silent}");
    }
}

#[tokio::test]
async fn buckets_answer_like_the_provider_and_open_again() {
    let rig = rig("{keys: {key-a: {rpm: 120}}}").await;
    let mut refused = ask(&rig, "openai_chat", "m", "hi", false).await;
    for _ in 0..200 {
        assert_eq!(refused.header("x-ratelimit-limit-requests"), Some("120"));
        if refused.status == 429 {
            break;
        }
        refused = ask(&rig, "openai_chat", "m", "hi", false).await;
    }
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), Some("0"));
    assert_eq!(refused.json()["error"]["code"], "rate_limit_exceeded");
    let wait: u64 = refused.header("retry-after-ms").unwrap().parse().unwrap();
    assert!(wait <= 500, "{wait}");
    tokio::time::sleep(Duration::from_millis(wait + 5)).await;
    assert_eq!(ask(&rig, "openai_chat", "m", "hi", false).await.status, 200);
}

#[tokio::test]
async fn rules_fail_the_nth_request_and_can_be_replaced_at_run_time() {
    let rig = rig("rules: [{match: {key: key-a, nth: 2}, faults: ['503']}]").await;
    let statuses = async || {
        let mut list = Vec::new();
        for _ in 0..3 {
            list.push(ask(&rig, "anthropic", "m", "hi", false).await.status);
        }
        list
    };
    assert_eq!(statuses().await, [200, 503, 200]);
    assert_eq!(send(rig.address, "POST", "/_mock/script", "", b"rules: [{faults: [nope]}]").await.status, 400);
    assert_eq!(statuses().await, [200; 3]);
    let script = json!({"rules": [{"match": {"dialect": "anthropic"}, "faults": ["529"]}]});
    assert_eq!(post(&rig, "/_mock/script", "", &script).await.status, 200);
    assert_eq!(statuses().await, [529; 3]);
    rig.handle.set_script(Script::default()).unwrap();
    assert_eq!(statuses().await, [200; 3]);
}

#[tokio::test]
async fn requests_and_statistics_are_recorded_without_credentials() {
    let rig = rig("").await;
    ask(&rig, "openai_chat", "m", "first", false).await;
    ask(&rig, "anthropic", "m+fault=429:1", "second", true).await;
    let body = json!({"contents": [{"parts": [{"text": "third"}]}]});
    post(&rig, "/v1beta/models/m:generateContent?key=canary-secret", "", &body).await;
    let get = async |target: &str| send(rig.address, "GET", target, "", b"").await;
    let all = get("/_mock/requests").await;
    assert!(!all.text().contains("key-a") && !all.text().contains("canary-secret"));
    assert_eq!(all.json()["count"], 3);
    assert_eq!(all.json()["requests"][0]["body"]["messages"][0]["content"], "first");
    assert_eq!(all.json()["requests"][1]["status"], 429);
    let filtered = get("/_mock/requests?key=key-a&path=/v1/messages&last=5").await.json();
    assert_eq!((&filtered["count"], &filtered["requests"][0]["dialect"]), (&json!(1), &json!("anthropic")));
    let stats = get("/_mock/stats").await.json();
    let own = &stats["keys"][key_hash("key-a")];
    assert_eq!((&own["requests"], &own["statuses"]), (&json!(2), &json!({"200": 1, "429": 1})));
    assert_eq!(stats["total"]["in_flight"], 0);
    send(rig.address, "DELETE", "/_mock/requests", "", b"").await;
    assert_eq!(rig.handle.requests()["count"], 0);
}

#[tokio::test]
async fn the_bill_equals_the_usage_and_cut_streams_are_billed_for_what_was_told() {
    let rig = rig("").await;
    let mut total = 0;
    for scenario in ["text", "think", "usage", "long:20"] {
        for stream in [false, true] {
            let (target, headers, mut body) = question("openai_chat", &format!("mock-{scenario}"), "hi", stream);
            if stream {
                body["stream_options"] = json!({"include_usage": true});
            }
            let reply = post(&rig, &target, headers, &body).await;
            let last = if stream { reply.events().pop().unwrap() } else { reply.json() };
            total += last["usage"]["total_tokens"].as_u64().unwrap();
        }
    }
    let billed = || rig.handle.stats()["keys"][key_hash("key-a")]["billed"].clone();
    assert_eq!(billed()["total"], total);
    let before = billed()["output"].as_u64().unwrap();
    ask(&rig, "anthropic", "mock-long:1000+fault=close-mid-event:10", "hi", true).await;
    let spent = billed()["output"].as_u64().unwrap() - before;
    assert!((10..=40).contains(&spent), "{spent}");
    assert_eq!(rig.handle.stats()["total"]["aborted"], 1);
}

#[tokio::test]
async fn the_same_prefix_is_cached_for_the_same_key() {
    let rig = rig("").await;
    let long = "a long text that is sent twice";
    let read = async || {
        let chat = ask(&rig, "openai_chat", "m", long, false).await.json();
        let gemini = ask(&rig, "gemini", "m", long, false).await.json();
        let cached = [
            &chat["usage"]["prompt_tokens_details"]["cached_tokens"],
            &gemini["usageMetadata"]["cachedContentTokenCount"],
        ];
        cached.map(|count| count.as_u64().unwrap_or(0))
    };
    assert_eq!(read().await, [0, 0]);
    assert!(read().await.iter().all(|count| *count > 3));
    let system = json!([{"type": "text", "text": long, "cache_control": {"type": "ephemeral"}}]);
    let messages = json!([{"role": "user", "content": "hi"}]);
    let marked = json!({"model": "m", "max_tokens": 9, "system": system, "messages": messages});
    let first = post(&rig, "/v1/messages", ANTHROPIC_KEY, &marked).await.json()["usage"].clone();
    let second = post(&rig, "/v1/messages", ANTHROPIC_KEY, &marked).await.json()["usage"].clone();
    assert!(first["cache_creation_input_tokens"].as_u64().unwrap() > 3);
    assert_eq!(second["cache_read_input_tokens"], first["cache_creation_input_tokens"]);
    assert_eq!((&second["input_tokens"], &second["cache_creation_input_tokens"]), (&first["input_tokens"], &json!(0)));
}

#[tokio::test]
async fn strictness_is_a_switch_of_the_script() {
    let rig = rig("").await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let reply = post(&rig, "/v1/messages", ANTHROPIC_KEY, &body).await;
    assert_eq!((reply.status, &reply.json()["error"]["message"]), (400, &json!("max_tokens: Field required")));
    rig.handle.set_script(Script::parse("strict: false").unwrap()).unwrap();
    assert_eq!(post(&rig, "/v1/messages", ANTHROPIC_KEY, &body).await.status, 200);
    for bad in [&b"{"[..], b"[]", b"\xff"] {
        for dialect in DIALECTS {
            let (target, headers, _) = question(dialect, "m", "", false);
            assert_eq!(send(rig.address, "POST", &target, headers, bad).await.status, 400);
        }
    }
    assert_eq!(send(rig.address, "POST", "/v1/unknown", KEY, b"{}").await.status, 404);
}

#[tokio::test]
async fn wire_051_and_052_previous_response_id_works_for_its_own_key() {
    let rig = rig("").await;
    let tools = json!([{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}]);
    let first = json!({"model": "mock-think-tool", "input": "call f", "tools": tools});
    let first = post(&rig, "/v1/responses", KEY, &first).await.json();
    let output =
        json!([{"type": "function_call_output", "call_id": first["output"][1]["call_id"], "output": "it rains"}]);
    let second =
        json!({"model": "mock-think-tool", "input": output, "tools": tools, "previous_response_id": first["id"]});
    let reply = post(&rig, "/v1/responses", KEY, &second).await;
    assert!(reply.status == 200 && reply.text().contains("The tool returned: it rains"), "{}", reply.text());
    let stranger = post(&rig, "/v1/responses", "authorization: Bearer key-b\r\n", &second).await;
    assert_eq!(stranger.json()["error"]["code"], "previous_response_not_found");
}

#[tokio::test]
async fn lists_and_counts() {
    let rig = rig("").await;
    let get = async |target: &str, headers: &str| send(rig.address, "GET", target, headers, b"").await.json();
    assert_eq!(get("/v1/models", KEY).await["object"], "list");
    assert_eq!(get("/v1/models", ANTHROPIC_KEY).await["has_more"], false);
    assert!(get("/v1/models", GEMINI_KEY).await["models"][0]["name"].as_str().unwrap().starts_with("models/"));
    assert_eq!(get("/v1beta/models/gemini-x", GEMINI_KEY).await["name"], "models/gemini-x");
    assert_eq!(get("/v1/models/gpt%2F5", KEY).await["id"], "gpt/5");
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi there"}]});
    let count = post(&rig, "/v1/messages/count_tokens?beta=true", ANTHROPIC_KEY, &body).await.json();
    assert!(count["input_tokens"].as_u64().unwrap() > 0 && count.as_object().unwrap().len() == 1);
    let body = json!({"contents": [{"parts": [{"text": "hi there"}]}]});
    let count = post(&rig, "/v1beta/models/m:countTokens", GEMINI_KEY, &body).await.json();
    assert!(count["totalTokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn h2c_with_prior_knowledge_is_spoken() {
    let rig = rig("").await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "the server answers with its SETTINGS frame");
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_flight() {
    let rig = rig("").await;
    let endless = ask(&rig, "openai_chat", "mock-long:1000000+fault=delay-chunk:5", "hi", true);
    assert!(tokio::time::timeout(Duration::from_millis(150), endless).await.is_err());
    for _ in 0..100 {
        let total = rig.handle.stats()["total"].clone();
        if total["in_flight"] == 0 {
            assert_eq!(total["aborted"], 1);
            assert!(total["billed"]["output"].as_u64().unwrap() < 1_000, "it stopped telling");
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("still in flight: {}", rig.handle.stats());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_at_once() {
    // Each stream takes two file descriptors of this process; 400 stay below the usual limit of 1,024.
    const STREAMS: usize = 400;
    let rig = rig("").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..STREAMS {
        let address = rig.address;
        tasks.spawn(async move {
            let (target, headers, body) = question("openai_chat", "mock-long:20+fault=delay-chunk:30", "hi", true);
            send(address, "POST", &target, headers, body.to_string().as_bytes()).await.whole
        });
    }
    let done = tasks.join_all().await;
    assert!(done.len() == STREAMS && done.iter().all(|whole| *whole));
    let most = rig.handle.stats()["total"]["in_flight_max"].as_u64().unwrap();
    assert!(most > 100, "they overlap: {most}");
    assert_eq!(rig.handle.stats()["total"]["in_flight"], 0);
}
