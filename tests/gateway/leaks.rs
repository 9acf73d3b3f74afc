//! Secrets stay where they belong, and nothing private of a client travels.

use std::collections::BTreeSet;

use super::call::Call;
use super::protocol::{ALL, Protocol};
use super::provider::{Provider, hello};
use super::rig::{Gateway, Mock};
use super::stage::Stage;

/// Every secret has one of these in it, and nothing else has.
const CANARIES: [&str; 4] =
    ["canary-CLIENT-7f3a91c2", "canary-ACCOUNT-5be01d44", "canary-HEADER-c0ffee12", "canary-ADMIN-99ab31fe"];
/// A window of so many characters of a secret is a leak.
const WINDOW: usize = 8;

/// Asserts that no part of a secret stands in `text`.
fn clean(text: &str, place: &str) {
    for canary in CANARIES {
        let secret = canary.rsplit('-').next().expect("a tail");
        for at in 0..=secret.len() - WINDOW {
            let window = &secret[at..at + WINDOW];
            let found = text.find(window).map(|at| &text[at.saturating_sub(200)..(at + 40).min(text.len())]);
            assert!(found.is_none(), "{place} tells {canary}: …{}…", found.unwrap_or_default());
        }
    }
}

#[tokio::test]
async fn no_secret_appears_in_logs_metrics_or_answers() {
    let mock = Mock::start("known_keys_only: true\nkeys: {}").await;
    let [client, account, header, admin] = CANARIES;
    let stage = Stage::new(mock.port)
        .account("own", "")
        .credential(&format!("sk-{account}"))
        .server(&format!("admin_keys: [{admin}], show_losses: true"))
        .upstream(&format!("headers: {{ x-secret: {header} }}"))
        // Otherwise the first refused key would keep every later fault from being met.
        .resilience("cooldown: { enabled: false }, grace_retry: { enabled: false }")
        .resilience("pace: { enabled: false }, breaker: { enabled: false }")
        .more(&format!("clients:\n  - {{ id: laptop, keys: [{client}] }}"));
    let gateway = Gateway::start_logging(&stage, "trace").await;
    for script in [
        "known_keys_only: true", // The provider refuses the key, and quotes parts of it.
        "known_keys_only: false",
        "rules: [{faults: ['429:1']}]",
        "rules: [{faults: ['401']}]",
        "rules: [{faults: ['400']}]",
        "rules: [{faults: [close]}]",
        "rules: [{faults: ['error-first:500']}]",
        "rules: [{faults: ['html:502']}]",
    ] {
        mock.script(script).await;
        for protocol in ALL {
            for (target, place) in [
                ("chat", "authorization"),
                ("anthropic", "x-api-key"),
                ("gemini", "?key="),
                ("responses", "x-goog-api-key"),
            ] {
                let call = protocol.call(&format!("{target}/m"), "hello", target == "chat");
                let call = match place {
                    "authorization" => call.header(place, &format!("Bearer {client}")),
                    "?key=" => {
                        let joint = if call.path.contains('?') { '&' } else { '?' };
                        Call { path: format!("{}{joint}key={client}", call.path), ..call }
                    }
                    _ => call.header(place, client),
                };
                let answer = gateway.send(&call).await;
                clean(&format!("{:?}", answer.headers), "a response header");
                clean(&answer.text(), &format!("the answer {}", answer.status));
            }
        }
    }
    let met: BTreeSet<String> = mock.requests().await.iter().map(|request| request["status"].to_string()).collect();
    assert!(mock.requests().await.len() >= 8 * 16, "every request reached the provider: {met:?}");
    for status in ["200", "400", "401", "429", "502"] {
        assert!(met.contains(status), "{status} was met: {met:?}");
    }
    // A wrong path with a key in its query, a broken request, and a bad file that holds secrets.
    let lost = gateway.send(&Call::get(&format!("/nowhere?key={client}"))).await;
    clean(&lost.text(), "a 404");
    gateway.rewrite(&stage.yaml(gateway.port, gateway.admin).replace("clients:", "clientz:"));
    let bad =
        Call::post("/api/reload", "").header("authorization", &format!("Bearer {admin}")).send(gateway.admin).await;
    assert_eq!(bad.status, 422);
    clean(&bad.text(), "the report of a bad file");
    let metrics = gateway.send(&Call::get("/metrics").header("x-api-key", client)).await;
    assert_eq!(metrics.status, 200);
    clean(&metrics.text(), "/metrics");
    let log = gateway.process.log();
    assert!(log.contains("TRACE") && log.len() > 20_000, "the log is at trace: {} bytes", log.len());
    clean(&log, "the log");
    // The simulator keeps hashes of credentials, but all other values as they came.
    for request in mock.requests().await {
        let mut request = request.clone();
        assert!(request["headers"]["x-secret"].take().is_string(), "the operator's header travels");
        clean(&request.to_string(), "what was sent to the provider");
    }
}

#[tokio::test]
async fn wire_130_a_providers_error_that_quotes_what_is_private_is_redacted() {
    let body = r#"{"error":{"message":"The field is wrong: sk-canary-ACCOUNT-5be01d44. In org-Abc123Def456 of robot@acme-9.iam.gserviceaccount.com, Bearer sk-canary-ACCOUNT-5be01d44 too.","type":"server_error","param":null,"code":null}}"#;
    let refusal = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let provider = Provider::start(vec![super::provider::at_once(refusal)]).await;
    let gateway = Gateway::start_logging(&Stage::with(provider.port, &["a"]), "trace").await;
    for protocol in ALL {
        let answer = gateway.send(&protocol.call("chat/m", "x", false)).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("The field is wrong: [redacted]"), "{}", answer.text());
        assert!(!answer.text().contains("Abc123") && !answer.text().contains("acme-9"), "{}", answer.text());
        clean(&answer.text(), "an error");
    }
    clean(&gateway.process.log(), "the log");
}

#[tokio::test]
async fn nothing_private_of_the_client_travels() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a"])).await;
    let private = [
        "cookie",
        "authorization",
        "x-api-key",
        "x-goog-api-key",
        "x-forwarded-for",
        "forwarded",
        "via",
        "x-real-ip",
        "origin",
        "referer",
        "x-stainless-os",
        "x-goog-api-client",
        "proxy-authorization",
        "x-session-id",
        "accept-language",
        "te",
        "x-mock-fault",
        "openai-organization",
        "traceparent",
    ];
    for protocol in ALL {
        for target in ["chat", "responses", "anthropic", "gemini"] {
            for stream in [false, true] {
                let mut call =
                    protocol.call(&format!("{target}/m"), "hello", stream).header("user-agent", "codex_cli/1.0");
                for name in private {
                    call = call.header(name, CANARIES[0]);
                }
                call = call
                    .header("anthropic-version", "2023-06-01")
                    .header("anthropic-beta", "beta-1")
                    .header("openai-beta", "beta-2");
                assert_eq!(gateway.send(&call).await.status, 200);
                let request = mock.requests().await.pop().expect("a request");
                clean(&request.to_string(), &format!("{protocol:?} to {target}"));
                let headers = request["headers"].as_object().expect("headers");
                let agent = headers["user-agent"].as_str().expect("a name");
                assert!(agent.starts_with("interlingua/"), "{agent}");
                let sent: BTreeSet<&str> = headers.keys().map(String::as_str).collect();
                let credential = match target {
                    "anthropic" => "x-api-key",
                    "gemini" => "x-goog-api-key",
                    _ => "authorization",
                };
                let mut wanted: BTreeSet<&str> =
                    ["host", "user-agent", "content-type", "content-length", "accept", "accept-encoding", credential]
                        .into();
                match target {
                    "anthropic" => wanted.extend(["anthropic-version", "anthropic-beta"]),
                    "chat" | "responses" => wanted.extend(["openai-beta"]),
                    _ => {}
                }
                let surplus: Vec<_> = sent.difference(&wanted).collect();
                assert!(surplus.is_empty(), "{protocol:?} to {target}: {surplus:?}");
                assert!(!request["target"].as_str().expect("a path").contains("key="), "keys travel in headers");
            }
        }
    }
}

#[tokio::test]
async fn each_credential_reaches_its_own_provider_only() {
    let (own, other) = (Mock::start("rules: [{faults: ['503']}]").await, Mock::start("").await);
    let stage = Stage::new(own.port)
        .account("a", "tier: pro")
        .account("b", "tier: pro")
        .resilience("same_refusal_max: 0, affinity: { enabled: false }, grace_retry: { enabled: false }")
        .elsewhere("other", "openai_chat", other.port, ", tier: free")
        .model("match: both, upstream: [anthropic, other], dialect: as_declared");
    let gateway = Gateway::start(&stage).await;
    for protocol in ALL {
        for stream in [false, true] {
            assert_eq!(gateway.send(&protocol.call("both", "hello", stream)).await.status, 200);
        }
    }
    let asked = [own.count("a").await, own.count("b").await];
    assert!(asked[0] + asked[1] >= 8, "{asked:?}");
    assert_eq!(own.count("other").await, 0);
    assert_eq!((other.count("a").await, other.count("b").await, other.count("other").await), (0, 0, 8));
}

#[tokio::test]
async fn a_providers_headers_do_not_reach_the_client() {
    let provider = Provider::start(vec![hello("set-cookie: a=b\r\nserver: provider\r\nx-ratelimit-limit-requests: 9\r\nopenai-organization: org-1\r\nx-request-id: req-of-provider\r\n")]).await;
    let gateway = Gateway::start(&Stage::with(provider.port, &["a"])).await;
    let answer = gateway.send(&Protocol::Chat.call("chat/m", "x", false)).await;
    let names: BTreeSet<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    let known = ["content-type", "content-length", "x-request-id", "x-upstream-request-id", "date", "connection"];
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    assert_eq!(answer.header("x-upstream-request-id"), Some("req-of-provider"));
}
