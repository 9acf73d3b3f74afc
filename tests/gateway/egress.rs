//! Egress proxies: everything of an account goes through its proxy, or nowhere.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::call::Call;
use super::process::free_port;
use super::protocol::{ALL, Protocol, events};
use super::provider::{Provider, hello};
use super::proxies::{Kind, Proxy};
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;

const LOGIN: &str = "someone:canary-7f3a";

/// An account `p` whose provider has a name that only its proxy knows.
fn stage(provider: u16, proxy: &str) -> Stage {
    let url = format!("http://provider.invalid:{provider}/v1");
    Stage::new(provider)
        .account("unused", "models: [unused]")
        .entry(
            &format!("id: p, dialect: openai_chat, base_url: '{url}', proxy: '{proxy}', timeouts: {{ connect: 1s }}"),
            "id: p, upstream: p, credential: key-p, models: [m]",
        )
        .model("match: m, upstream: p")
        .resilience("wait_for_slot: 0s, breaker: { enabled: false }")
}

async fn ask(gateway: &Gateway, stream: bool) -> Result<String, String> {
    Protocol::Chat.said(&gateway.send(&Protocol::Chat.call("m", "hello", stream)).await, stream)
}

async fn failures(gateway: &Gateway) -> i64 {
    gateway.metrics().await.sum("interlingua_attempts_total", &[("account", "p"), ("outcome", "proxy")])
}

fn said() -> Result<String, String> {
    const SAID: Result<&str, String> = Ok("You said: hello");
    SAID.map(str::to_owned)
}

#[tokio::test]
async fn answers_and_streams_go_through_either_kind_of_proxy_on_kept_tunnels() {
    let mock = Mock::start("").await;
    for (kind, scheme) in [(Kind::Http, "http"), (Kind::Socks, "socks5h")] {
        for login in [None, Some(LOGIN)] {
            let proxy = Proxy::start(kind, login).await;
            let at = login.map(|login| format!("{login}@")).unwrap_or_default();
            let gateway = Gateway::start(&stage(mock.port, &format!("{scheme}://{at}127.0.0.1:{}", proxy.port))).await;
            for stream in [false, true, false, true] {
                assert_eq!(ask(&gateway, stream).await, said(), "{scheme} {login:?} {stream}");
            }
            for protocol in ALL {
                let answer = gateway.send(&protocol.call("m", "hello", true)).await;
                assert_eq!(protocol.said(&answer, true), said(), "{scheme} {protocol:?}");
            }
            let wanted = format!("provider.invalid:{}", mock.port);
            assert!(proxy.opened().iter().all(|target| *target == wanted), "the name is the proxy's to look up");
            assert!(proxy.opened().len() <= 2, "one for each worker: {:?}", proxy.opened());
            assert!(!gateway.process.log().contains("canary"), "{}", gateway.process.log());
        }
    }
}

#[tokio::test]
async fn socks5_without_h_gives_the_proxy_an_address() {
    let (mock, proxy) = (Mock::start("").await, Proxy::start(Kind::Socks, None).await);
    let url = format!("socks5://localhost:{}", proxy.port);
    let text = stage(mock.port, &url).yaml(free_port(), free_port()).replace("provider.invalid", "127.0.0.1");
    let gateway = Gateway::start(&stage(mock.port, &url)).await;
    assert!(ask(&gateway, false).await.is_err(), "the name cannot be looked up here");
    gateway.rewrite(&text);
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    assert_eq!(ask(&gateway, false).await, said());
    assert_eq!(proxy.opened(), [format!("127.0.0.1:{}", mock.port)]);
}

#[tokio::test]
async fn a_proxy_that_cannot_be_used_is_named_and_nothing_reaches_the_provider() {
    let mock = Mock::start("").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = listener.local_addr().expect("an address").port();
    for (scheme, kind) in [("http", Kind::Http), ("socks5h", Kind::Socks), ("socks5", Kind::Socks)] {
        let (locked, refusing) = (Proxy::start(kind, Some(LOGIN)).await, Proxy::start(kind, None).await);
        refusing.refuse(true);
        let gateway = Gateway::start(&stage(mock.port, &format!("{scheme}://127.0.0.1:{}", free_port()))).await;
        let mut failed = 0;
        for (at, why) in [
            (format!("someone:wrong-canary@127.0.0.1:{}", locked.port), "wrong login"),
            (format!("127.0.0.1:{}", locked.port), "no login"),
            (format!("127.0.0.1:{}", refusing.port), "refused"),
            (format!("someone:canary@127.0.0.1:{}", free_port()), "closed"),
            (format!("127.0.0.1:{silent}"), "silent"),
            (format!("127.0.0.1:{}", mock.port), "no proxy at all"),
            ("someone:canary@proxy.invalid:3128".to_owned(), "no address"),
        ] {
            // The provider itself could be reached.
            let text = stage(mock.port, &format!("{scheme}://{at}"));
            gateway.rewrite(&text.yaml(gateway.port, gateway.admin).replace("provider.invalid", "127.0.0.1"));
            assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
            for stream in [false, true] {
                let answer = gateway.send(&Protocol::Chat.call("m", "hello", stream)).await;
                assert_eq!(answer.status, 502, "{scheme} {why}: {}", answer.text());
                assert!(answer.text().contains("egress proxy"), "{scheme} {why}: {}", answer.text());
                assert!(!answer.text().contains("canary") && !answer.text().contains("127.0.0.1"), "{}", answer.text());
            }
            failed += 2;
            assert_eq!(failures(&gateway).await, failed, "{scheme} {why}: {}", gateway.process.log());
            assert!(!gateway.process.log().contains("canary"), "{scheme} {why}: {}", gateway.process.log());
        }
        assert!(locked.opened().is_empty() && refusing.opened().is_empty());
    }
    let sent = mock.requests().await;
    assert!(sent.iter().all(|request| !request.to_string().contains("hello")), "{sent:?}");
    assert_eq!(mock.count("p").await, 0, "nothing went round a proxy");
}

#[tokio::test]
async fn a_proxy_that_dies_inside_a_stream_ends_it_and_the_next_request_fails_closed() {
    let mock = Mock::start("rules: [{match: {key: key-p}, faults: ['hang-after:2']}]").await;
    let proxy = Proxy::start(Kind::Http, None).await;
    let gateway = Gateway::start(&stage(mock.port, &format!("http://127.0.0.1:{}", proxy.port))).await;
    let port = gateway.port;
    let call = Protocol::Chat.call("m", "hello there, this is a text of several pieces", true);
    let under_way = tokio::spawn(async move { call.send(port).await });
    let began = || async { mock.count("p").await == 1 };
    assert!(eventually(Duration::from_secs(5), began).await);
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(proxy);
    let answer = tokio::time::timeout(Duration::from_secs(10), under_way).await.expect("an end").expect("an answer");
    assert_eq!(answer.status, 200);
    let events = events(&answer.text()).expect("whole events");
    assert_eq!(Protocol::Chat.ends(&events).1, 1, "one typed error ends it: {events:?}");
    assert!(!Protocol::Chat.text(&events).is_empty());
    assert!(ask(&gateway, false).await.is_err());
    assert_eq!(mock.count("p").await, 1, "nothing went round the proxy");
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn an_account_s_own_proxy_wins_and_its_tunnels_are_its_own() {
    let mock = Mock::start("").await;
    let (own, shared) = (Proxy::start(Kind::Http, None).await, Proxy::start(Kind::Socks, None).await);
    let own_url = format!("proxy: 'http://127.0.0.1:{}'", own.port);
    let stage = stage(mock.port, &format!("socks5h://127.0.0.1:{}", shared.port))
        .entry("", &format!("id: a, upstream: p, credential: key-a, tier: pro, {own_url}, models: [a]"))
        .entry("", &format!("id: b, upstream: p, credential: key-b, tier: pro, {own_url}, models: [b]"))
        .model("match: a, upstream: p")
        .model("match: b, upstream: p");
    let gateway = Gateway::start(&stage).await;
    for model in ["a", "b", "m", "a", "b", "m"] {
        let answer = gateway.send(&Protocol::Chat.call(model, "hello", false)).await;
        assert_eq!(Protocol::Chat.said(&answer, false), said(), "{model}");
    }
    assert_eq!((mock.count("a").await, mock.count("b").await, mock.count("p").await), (2, 2, 2));
    // Kept, for each worker; and not shared by the two accounts.
    assert!((2..=4).contains(&own.opened().len()) && shared.opened().len() <= 2, "{:?}", own.opened());
    drop(own);
    for model in ["a", "b"] {
        assert_ne!(gateway.send(&Protocol::Chat.call(model, "hello", false)).await.status, 200, "{model}");
    }
    assert_eq!(ask(&gateway, false).await, said(), "who has another way is not concerned");
    assert_eq!((mock.count("a").await, mock.count("b").await), (2, 2));
}

#[tokio::test]
async fn tokens_and_warm_ups_and_second_requests_go_through_the_proxy_too() {
    let mock = Mock::start("rules: [{match: {key: key-slow}, faults: ['delay-head:20000']}]").await;
    let proxy = Proxy::start(Kind::Socks, Some(LOGIN)).await;
    let url = format!("proxy: 'socks5h://{LOGIN}@127.0.0.1:{}'", proxy.port);
    let root = format!("http://provider.invalid:{}", mock.port);
    let oauth = format!(
        "oauth: {{ client_id: mine, refresh_token: key-v, token_url: 'http://127.0.0.1:{}/oauth/token' }}",
        mock.port
    );
    let stage = Stage::new(mock.port)
        .account("unused", "models: [unused]")
        .entry(
            &format!("id: v, provider: vertex, project: p, base_url: '{root}'"),
            &format!("id: v, upstream: v, {url}, {oauth}"),
        )
        .entry(
            &format!("id: h, dialect: openai_chat, base_url: '{root}/v1', {url}"),
            "id: slow, upstream: h, credential: key-slow, tier: pro, models: [h]",
        )
        .entry("", "id: quick, upstream: h, credential: key-quick, tier: free, models: [h, warm]")
        .model("match: v, upstream: v")
        .model("match: h, upstream: h")
        .resilience("hedging: { enabled: true, after: 100ms, share_percent: 100 }")
        .resilience("warm_up: { enabled: true, models: [warm], interval: 100ms }");
    let gateway = Gateway::start(&stage).await;
    let answer = gateway.send(&Protocol::Gemini.call("v", "hello", false)).await;
    assert_eq!(Protocol::Gemini.said(&answer, false), said());
    let answer = gateway.send(&Protocol::Chat.call("h", "hello", true)).await;
    assert_eq!(Protocol::Chat.said(&answer, true), said(), "hedged");
    let refreshed = Call::get("/_mock/oauth").send(mock.port).await.json();
    assert_eq!(refreshed["refreshes"], 1);
    let warmed = || async { gateway.metrics().await.sum("interlingua_warm_ups_total", &[("result", "ok")]) >= 1 };
    assert!(eventually(Duration::from_secs(10), warmed).await, "{}", gateway.process.log());
    let wanted = format!("provider.invalid:{}", mock.port);
    let (named, other): (Vec<_>, Vec<_>) = proxy.opened().into_iter().partition(|target| *target == wanted);
    assert!(named.len() >= 3, "{named:?}");
    assert_eq!(other, [format!("127.0.0.1:{}", mock.port)], "the token endpoint");
    let before = proxy.opened().len();
    let tested = Call::post("/api/accounts/quick/test", "").send(gateway.admin).await;
    assert_eq!(tested.status, 200, "{}", tested.text());
    assert!(proxy.opened().len() > before, "a look at the account, too: {}", tested.text());
    assert!(!gateway.process.log().contains("canary"), "{}", gateway.process.log());
}

#[tokio::test]
async fn the_health_monitor_does_not_look_past_a_proxy() {
    for of_account in [false, true] {
        let provider = Provider::start(vec![hello("")]).await;
        let (port, proxy) = (free_port(), provider.port);
        let url = format!("proxy: 'http://127.0.0.1:{port}'");
        let (upstream, account) = if of_account { ("", url.as_str()) } else { (url.as_str(), "") };
        let comma = |text: &str| if text.is_empty() { String::new() } else { format!(", {text}") };
        let stage = Stage::new(provider.port)
            .account("unused", "models: [unused]")
            .entry(
                &format!("id: p, dialect: openai_chat, base_url: 'http://127.0.0.1:{proxy}/v1'{}", comma(upstream)),
                &format!("id: p, upstream: p, credential: key-p{}", comma(account)),
            )
            .model("match: m, upstream: p")
            .resilience("breaker: { failures: 1, open: 10m, open_max: 10m, last_resort: 10m }, wait_for_slot: 0s")
            .resilience("health: { interval: 200ms }");
        let gateway = Gateway::start(&stage).await;
        for _ in 0..3 {
            assert!(ask(&gateway, false).await.is_err());
        }
        let looks = [("upstream", "p"), ("result", "failed")];
        let looked = || async { gateway.metrics().await.sum("interlingua_health_checks_total", &looks) >= 2 };
        assert!(eventually(Duration::from_secs(10), looked).await, "{}", gateway.process.log());
        assert_eq!(provider.connections.load(std::sync::atomic::Ordering::Relaxed), 0, "of_account {of_account}");
    }
}

#[tokio::test]
async fn tls_runs_inside_of_the_tunnel_to_the_provider_s_name_and_is_not_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut hello = vec![0; 16 * 1024];
        let read = stream.read(&mut hello).await.expect("a hello");
        hello.truncate(read);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        hello
    });
    let proxy = Proxy::start(Kind::Http, None).await;
    let stage = stage(port, &format!("http://127.0.0.1:{}", proxy.port)).resilience("attempts_max: 1");
    let gateway = Gateway::start(&stage).await;
    let text = stage.yaml(gateway.port, gateway.admin).replace("http://provider.invalid", "https://provider.invalid");
    gateway.rewrite(&text);
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    assert!(ask(&gateway, false).await.is_err());
    let tls = [("account", "p"), ("outcome", "tls")];
    assert_eq!(gateway.metrics().await.sum("interlingua_attempts_total", &tls), 1, "{}", gateway.process.log());
    let hello = heard.await.expect("a hello");
    let named = hello.windows(b"provider.invalid".len()).any(|bytes| bytes == b"provider.invalid");
    assert!(hello.first() == Some(&0x16) && named, "a TLS hello that names the provider: {hello:?}");
    assert!(!hello.windows(5).any(|bytes| bytes == b"key-p"));
}
