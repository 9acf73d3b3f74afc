use std::sync::atomic::{AtomicBool, Ordering};

use super::super::grant::{AHEAD_MS, SPREAD};
use super::super::http::Question;
use super::super::kept::Keep;
use super::*;
use crate::config::BaseUrl;
use crate::mock::{Mock, MockOptions, bind};

const START: Millis = Millis(1_760_000_000_000);
const HOUR_MS: u64 = 3_600_000;

/// The simulator, and how often its token endpoint was asked.
struct Rig {
    base: BaseUrl,
    tokens: Arc<Tokens>,
    _task: tokio::task::JoinHandle<()>,
}

impl Rig {
    async fn start() -> Self {
        let mock: Mock = bind(MockOptions::new("127.0.0.1:0".parse().unwrap())).await.unwrap();
        let base = BaseUrl::parse(&format!("http://{}", mock.address())).unwrap();
        let task = tokio::spawn(mock.serve(std::future::pending()));
        Rig { base, tokens: Arc::new(Tokens::new(Arc::new(Http::new()))), _task: task }
    }

    fn oauth(&self, refresh_token: &str) -> Arc<OAuth> {
        let token_url = BaseUrl { path: "/oauth/token".into(), ..self.base.clone() };
        let secret = |text: &str| Secret::new(text).unwrap();
        let (client_id, client_secret) = (secret("mine"), Secret::none());
        let way = Way::Refresh { client_id, client_secret, refresh_token: secret(refresh_token) };
        Arc::new(OAuth { way, token_url })
    }

    async fn refreshes(&self) -> u64 {
        let question = Question {
            method: "GET",
            base: &self.base,
            suffix: "/_mock/oauth",
            headers: Vec::new(),
            kind: "",
            body: String::new(),
        };
        let told = Http::new().ask(&question).await.unwrap();
        let value: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
        value["refreshes"].as_u64().unwrap()
    }
}

/// A disk that can fail.
struct Drawer {
    folder: tempfile::TempDir,
    held: Mutex<HashMap<String, String>>,
    fails: AtomicBool,
}

impl Drawer {
    fn new() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        Arc::new(Drawer { folder, held: Mutex::default(), fails: AtomicBool::new(false) })
    }

    /// The refresh token that a start would begin with.
    fn held(&self) -> Option<String> {
        let held = self.held.lock();
        let value: serde_json::Value = serde_json::from_str(held.get("account/a/rotated")?).unwrap();
        Some(value["refresh_token"].as_str().unwrap().to_owned())
    }

    fn ok(&self) -> Result<(), KeepError> {
        let fails = self.fails.load(Ordering::Relaxed);
        if fails { Err(KeepError::Failed("the disk is full".to_owned())) } else { Ok(()) }
    }
}

#[async_trait::async_trait]
impl Keep for Drawer {
    fn get(&self, name: &str) -> Result<Option<String>, KeepError> {
        self.ok()?;
        Ok(self.held.lock().get(name).cloned())
    }

    async fn put(&self, name: &str, secret: &str) -> Result<(), KeepError> {
        self.ok()?;
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.held.lock().insert(name.to_owned(), secret.to_owned());
        Ok(())
    }
}

/// Another process: it shares nothing but the disk.
fn process(drawer: &Arc<Drawer>) -> Arc<Tokens> {
    let tokens = Tokens::new(Arc::new(Http::new()));
    let keep: Arc<dyn Keep> = drawer.clone();
    assert!(tokens.keep(Keeping::new(keep, &drawer.folder.path().join("state.db"))));
    Arc::new(tokens)
}

/// The tokens of many that ask at the same time, in these processes.
async fn crowd(processes: &[&Arc<Tokens>], oauth: &Arc<OAuth>, at: Millis) -> Vec<Secret> {
    let asks: Vec<_> = (0..64)
        .map(|number| {
            let (tokens, oauth) = (Arc::clone(processes[number % processes.len()]), Arc::clone(oauth));
            tokio::spawn(async move { tokens.access_token("a", &oauth, at).await.unwrap() })
        })
        .collect();
    let mut found = Vec::new();
    for ask in asks {
        found.push(ask.await.unwrap());
    }
    found
}

#[tokio::test]
async fn one_of_many_fetches_and_all_have_it() {
    let rig = Rig::start().await;
    let oauth = rig.oauth("key-a");
    for (round, at) in [(1, START), (2, START.plus(2 * HOUR_MS))] {
        let found = crowd(&[&rig.tokens], &oauth, at).await;
        assert!(found.iter().all(|token| *token == found[0] && !token.is_none()));
        assert_eq!(rig.refreshes().await, round, "of 64 that find it expired, one");
    }
}

#[tokio::test]
async fn of_two_processes_one_fetches_what_changes_and_both_have_it() {
    let (rig, drawer) = (Rig::start().await, Drawer::new());
    let (old, new) = (process(&drawer), process(&drawer));
    let oauth = rig.oauth("key-rotating");
    for (round, at) in [(1, START), (2, START.plus(2 * HOUR_MS)), (3, START.plus(4 * HOUR_MS))] {
        let found = crowd(&[&old, &new], &oauth, at).await;
        assert!(found.iter().all(|token| *token == found[0]));
        assert_eq!((rig.refreshes().await, drawer.held()), (round, Some(format!("key-rotating~{round}"))));
    }
    let (used, at) = (old.access_token("a", &oauth, START.plus(4 * HOUR_MS)).await.unwrap(), START.plus(4 * HOUR_MS));
    assert!(old.refused("a", &oauth, &used));
    assert!(
        old.access_token("a", &oauth, at).await.unwrap() != used,
        "what the provider refused is not taken from disk"
    );
}

#[tokio::test]
async fn a_changed_token_is_kept_before_it_is_used_and_outranks_the_configured_one() {
    let (rig, drawer) = (Rig::start().await, Drawer::new());
    let oauth = rig.oauth("key-rotating");
    for round in 1..6 {
        process(&drawer).access_token("a", &oauth, START.plus(round * 2 * HOUR_MS)).await.unwrap();
        assert_eq!(drawer.held(), Some(format!("key-rotating~{round}")));
    }
    let other = rig.oauth("key-rotating-other");
    process(&drawer).access_token("a", &other, START.plus(20 * HOUR_MS)).await.unwrap();
    assert_eq!(drawer.held().as_deref(), Some("key-rotating-other~1"), "the operator has configured another one");
    let plain = rig.oauth("key-plain");
    process(&drawer).access_token("a", &plain, START.plus(30 * HOUR_MS)).await.unwrap();
    assert_eq!(drawer.held().as_deref(), Some("key-rotating-other~1"), "what does not change is not kept");
}

#[tokio::test]
async fn a_disk_that_fails_costs_no_request_and_is_tried_again() {
    let (rig, drawer) = (Rig::start().await, Drawer::new());
    let (first, oauth) = (process(&drawer), rig.oauth("key-rotating"));
    first.access_token("a", &oauth, START).await.unwrap();
    drawer.fails.store(true, Ordering::Relaxed);
    for round in 1..3 {
        first.access_token("a", &oauth, START.plus(round * 2 * HOUR_MS)).await.unwrap();
    }
    assert_eq!(drawer.held().as_deref(), Some("key-rotating~1"));
    let error = process(&drawer).access_token("a", &oauth, START).await.unwrap_err();
    assert!(matches!(&error, TokenError::Kept(why) if why == "the disk is full"), "an old token is not tried: {error}");
    drawer.fails.store(false, Ordering::Relaxed);
    for _ in 0..500 {
        if drawer.held().as_deref() == Some("key-rotating~3") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(drawer.held().as_deref(), Some("key-rotating~3"));
    process(&drawer).access_token("a", &oauth, START.plus(10 * HOUR_MS)).await.unwrap();
    assert_eq!(drawer.held().as_deref(), Some("key-rotating~4"));
}

#[tokio::test]
async fn a_token_is_fetched_ahead_of_its_end_while_the_old_one_is_used() {
    let rig = Rig::start().await;
    let oauth = rig.oauth("key-a");
    let first = rig.tokens.access_token("a", &oauth, START).await.unwrap();
    let at = |ms: u64| rig.tokens.access_token("a", &oauth, START.plus(ms));
    assert!(at(HOUR_MS - AHEAD_MS - 2_000).await.unwrap() == first);
    assert_eq!(rig.refreshes().await, 1);
    let spread = AHEAD_MS / SPREAD;
    assert!(at(HOUR_MS - AHEAD_MS + spread).await.unwrap() == first, "nobody waits");
    let mut next = first.clone();
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        next = at(HOUR_MS - AHEAD_MS + spread).await.unwrap();
        if next != first {
            break;
        }
    }
    assert!(next != first);
    assert_eq!(rig.refreshes().await, 2);
    assert!(at(10 * HOUR_MS).await.unwrap() != next, "one that has ended is waited for");
    assert!(rig.tokens.refused("a", &oauth, &at(10 * HOUR_MS).await.unwrap()));
    assert!(!rig.tokens.refused("a", &oauth, &next), "an older one says nothing of the one in use");
    at(10 * HOUR_MS).await.unwrap();
    assert_eq!(rig.refreshes().await, 4);
}

#[tokio::test]
async fn failures_are_remembered_and_revocations_for_good() {
    let rig = Rig::start().await;
    let down = rig.oauth("key-down");
    for (at, asked) in [(0, 1), (FAILED_FOR_MS - 1, 1), (FAILED_FOR_MS, 2)] {
        let error = rig.tokens.access_token("d", &down, START.plus(at)).await.unwrap_err();
        assert!(matches!(&error, TokenError::Refused { status: 503, code } if code == "temporarily_unavailable"));
        assert_eq!(rig.refreshes().await, asked);
    }
    let revoked = rig.oauth("key-revoked");
    for at in [0, HOUR_MS, 1000 * HOUR_MS] {
        let error = rig.tokens.access_token("r", &revoked, START.plus(at)).await.unwrap_err();
        assert!(matches!(error, TokenError::Revoked));
        assert!(!error.to_string().contains("key-revoked"));
    }
    assert_eq!(rig.refreshes().await, 3);
    assert_eq!(rig.tokens.retain(|account, _| account == "r"), Vec::<String>::new());
    assert_eq!(rig.tokens.retain(|_, _| false), ["r"], "it may be let in again");
}

#[tokio::test]
async fn nobody_there_is_an_error_without_secrets() {
    let rig = Rig::start().await;
    let nowhere = OAuth {
        token_url: BaseUrl::parse("http://127.0.0.1:1/token").unwrap(),
        ..OAuth::clone(&rig.oauth("key-canary"))
    };
    let error = rig.tokens.access_token("a", &Arc::new(nowhere), START).await.unwrap_err();
    assert!(matches!(error, TokenError::Unreachable(_)));
    assert!(!format!("{error} {error:?}").contains("canary"));
}
