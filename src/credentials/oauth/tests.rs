use super::*;
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
        Arc::new(OAuth { client_id, client_secret, refresh_token: secret(refresh_token), token_url })
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

#[tokio::test]
async fn one_of_many_fetches_and_all_have_it() {
    let rig = Rig::start().await;
    let oauth = rig.oauth("key-a");
    let asks: Vec<_> = (0..20)
        .map(|_| {
            let (tokens, oauth) = (Arc::clone(&rig.tokens), Arc::clone(&oauth));
            tokio::spawn(async move { tokens.access_token("a", &oauth, START).await.unwrap() })
        })
        .collect();
    let mut found = Vec::new();
    for ask in asks {
        found.push(ask.await.unwrap());
    }
    assert!(found.iter().all(|token| *token == found[0] && !token.is_none()));
    assert_eq!(rig.refreshes().await, 1);
}

#[tokio::test]
async fn a_token_is_fetched_ahead_of_its_end_while_the_old_one_is_used() {
    let rig = Rig::start().await;
    let oauth = rig.oauth("key-a");
    let first = rig.tokens.access_token("a", &oauth, START).await.unwrap();
    let at = |ms: u64| rig.tokens.access_token("a", &oauth, START.plus(ms));
    assert!(at(HOUR_MS - AHEAD_MS - 2_000).await.unwrap() == first);
    assert_eq!(rig.refreshes().await, 1);
    assert!(at(HOUR_MS - AHEAD_MS).await.unwrap() == first, "nobody waits");
    let mut next = first.clone();
    for _ in 0..500 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        next = at(HOUR_MS - AHEAD_MS).await.unwrap();
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
