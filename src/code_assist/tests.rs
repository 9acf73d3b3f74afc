use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::credentials::{OAuth, Tokens, Way};
use crate::mock::{MockOptions, bind};
use crate::pool::Millis;

const START: Millis = Millis(1_760_000_000_000);

struct Rig {
    http: Arc<Http>,
    base: BaseUrl,
    projects: Projects,
    tokens: Tokens,
}

impl Rig {
    async fn start() -> Self {
        let mock = bind(MockOptions::new("127.0.0.1:0".parse().unwrap())).await.unwrap();
        let base = BaseUrl::parse(&format!("http://{}", mock.address())).unwrap();
        tokio::spawn(mock.serve(std::future::pending()));
        let http = Arc::new(Http::new());
        let projects = Projects::with_pause(Arc::clone(&http), Duration::from_millis(5));
        Rig { tokens: Tokens::new(Arc::clone(&http)), projects, http, base }
    }

    async fn open(&self, refresh_token: &str) -> (Arc<OAuth>, Endpoint) {
        let token_url = BaseUrl { path: "/oauth/token".into(), ..self.base.clone() };
        let secret = |text: &str| Secret::new(text).unwrap();
        let (client_id, refresh_token) = (secret("mine"), secret(refresh_token));
        let way = Way::Refresh { client_id, client_secret: Secret::none(), refresh_token };
        let oauth = Arc::new(OAuth { way, token_url });
        let token = self.tokens.access_token("a", &oauth, START).await.unwrap();
        (oauth, Endpoint { base: self.base.clone(), token, way: None })
    }

    async fn project(
        &self,
        refresh_token: &str,
        configured: Option<&str>,
        at: u64,
    ) -> Result<Option<String>, ProjectError> {
        let (oauth, endpoint) = self.open(refresh_token).await;
        self.projects.project(refresh_token, &oauth, configured, &endpoint, START.plus(at)).await
    }

    async fn asked(&self, what: &str) -> u64 {
        let (_, endpoint) = self.open("key-probe").await;
        let question = Question {
            method: "GET",
            base: &endpoint.base,
            suffix: "/_mock/oauth",
            headers: Vec::new(),
            kind: "",
            body: String::new(),
        };
        let told = self.http.ask(&question).await.unwrap();
        serde_json::from_slice::<Value>(&told.body).unwrap()[what].as_u64().unwrap()
    }
}

#[tokio::test]
async fn the_project_comes_with_the_tier_and_is_kept_for_an_hour() {
    let rig = Rig::start().await;
    for (at, loads) in [(0, 1), (3_599_999, 1), (3_600_000, 2)] {
        assert_eq!(rig.project("key-a", None, at).await.unwrap().as_deref(), Some("project-of-key-a"));
        assert_eq!(rig.asked("loads").await, loads);
    }
}

#[tokio::test]
async fn a_new_account_is_put_on_the_free_tier_without_a_project() {
    let rig = Rig::start().await;
    // The simulator refuses a project here, as Google does.
    assert_eq!(rig.project("key-new", Some("p-1"), 0).await.unwrap(), None);
    assert_eq!((rig.asked("onboards").await, rig.asked("looks").await), (1, 1));
    assert_eq!(rig.project("key-new", None, 0).await.unwrap(), None, "it has its tier now");
    assert_eq!(rig.asked("onboards").await, 1);
}

#[tokio::test]
async fn an_unconfirmed_account_needs_its_owner_and_is_not_asked_again_at_once() {
    let rig = Rig::start().await;
    for (at, loads) in [(0, 1), (29_999, 1), (30_000, 2)] {
        let error = rig.project("key-unverified", None, at).await.unwrap_err();
        assert!(error.needs_operator());
        let told = error.to_string();
        assert!(told.contains("https://accounts.example/validate") && !told.contains("secret"), "{told}");
        assert_eq!(rig.asked("loads").await, loads);
    }
}

#[tokio::test]
async fn the_quota_is_read_by_model() {
    let rig = Rig::start().await;
    let (_, endpoint) = rig.open("key-a").await;
    let found = user_quota(&endpoint, Some("project-of-key-a")).await.unwrap();
    let left: Vec<_> =
        found.iter().map(|bucket| (bucket.model.as_str(), bucket.remaining, bucket.is_empty())).collect();
    assert_eq!(left, [("gemini-2.5-pro", Some(0.0), true), ("gemini-2.5-flash", Some(0.75), false)]);
    let refused = user_quota(&endpoint, Some("of-another")).await.unwrap_err();
    assert!(matches!(refused, CallError::Refused { status: 403, .. }));
}

#[test]
fn a_bucket_without_a_number_but_with_a_reset_is_empty() {
    let read = |bucket: Value| buckets(&json!({ "buckets": [bucket] })).pop();
    let reset = "2025-10-20T19:00:00Z";
    let empty = read(json!({"modelId": "m", "resetTime": reset})).unwrap();
    assert_eq!((empty.remaining, empty.reset), (Some(0.0), Some(Millis(1_760_986_800_000))));
    assert_eq!(read(json!({"modelId": "m"})).unwrap().remaining, None);
    assert_eq!(read(json!({"modelId": "m", "remainingAmount": "12", "resetTime": reset})).unwrap().remaining, None);
    assert_eq!(read(json!({"modelId": "m", "remainingFraction": 7})).unwrap().remaining, Some(1.0));
    assert_eq!(read(json!({"remainingFraction": 0.5})), None);
    assert_eq!(buckets(&json!([])), []);
}
