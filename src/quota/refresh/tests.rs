use serde_json::json;

use super::*;
use crate::config::BaseUrl;
use crate::config::{Store, load_file};
use crate::credentials::http::{Http, Question};
use crate::limits::Reason;
use crate::mock::{MockOptions, bind};
use crate::pool::{Affinity, Registry, Settings};
use crate::proxy::affinity_settings;
use crate::store::Durable;
use crate::telemetry::metrics::Metrics;

struct Rig {
    gateway: Gateway,
    base: BaseUrl,
}

impl Rig {
    async fn start() -> Self {
        let mock = bind(MockOptions::new("127.0.0.1:0".parse().unwrap())).await.unwrap();
        let root = format!("http://{}", mock.address());
        tokio::spawn(mock.serve(std::future::pending()));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("interlingua.yaml");
        let text = format!(
            "upstreams:
  - {{ id: ca, dialect: code_assist, base_url: '{root}' }}
accounts:
  - {{ id: a, upstream: ca, oauth: {{ client_id: mine, refresh_token: key-a, token_url: '{root}/oauth/token' }} }}
models: [{{ match: '*', upstream: ca }}]
code_assist: {{ enabled: true }}
resilience: {{ quota: {{ protected: [m] }} }}
"
        );
        std::fs::write(&file, text).unwrap();
        let config = load_file(&file, &|_| None).unwrap_or_else(|report| panic!("{report}"));
        let affinity = Affinity::new(affinity_settings(&config.resilience));
        let store = Arc::new(Store::new(config));
        let registry = Registry::new(Settings::default());
        let gateway = Gateway::new(Arc::clone(&store), registry, affinity, Metrics::new().unwrap(), Durable::none(), 1);
        gateway.follow(&store.load_full());
        Rig { gateway, base: BaseUrl::parse(&root).unwrap() }
    }

    async fn tell(&self, left: f64) {
        let body = json!({"key": "key-a", "left": {"m": left, "n": 0.9}}).to_string();
        let kind = "application/json";
        let question =
            Question { method: "POST", base: &self.base, suffix: "/_mock/quota", headers: Vec::new(), kind, body };
        assert_eq!(Http::new().ask(&question).await.unwrap().status, 200);
    }

    fn resting(&self) -> Vec<(String, Reason)> {
        let locks = self.gateway.registry.get("a").unwrap().cooldowns(now());
        locks.into_iter().map(|(family, lock)| (family.unwrap(), lock.reason)).collect()
    }
}

#[tokio::test]
async fn a_fresh_reading_sets_and_clears_what_rests() {
    let rig = Rig::start().await;
    rig.tell(0.05).await;
    assert!(rig.gateway.refresh_quota("a").await);
    assert_eq!(rig.resting(), [("m".to_owned(), Reason::QuotaProtected)]);
    rig.tell(0.5).await;
    assert!(rig.gateway.refresh_quota("a").await);
    assert_eq!(rig.resting(), []);
    rig.gateway.quota_refused("a", "m", None);
    assert_eq!(rig.resting(), [("m".to_owned(), Reason::QuotaExhausted)]);
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(rig.gateway.refresh_quota("a").await);
    assert_eq!(rig.resting(), [], "read after the refusal");
    assert!(!rig.gateway.refresh_quota("nobody").await);
}

#[tokio::test]
async fn the_status_says_all_of_it_and_nothing_secret() {
    let rig = Rig::start().await;
    rig.tell(0.05).await;
    assert!(rig.gateway.refresh_quota("a").await);
    let told = [("x-ratelimit-limit-requests-day", "200"), ("x-ratelimit-remaining-requests-day", "50")];
    let told = told.map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)));
    rig.gateway.quota_told("a", "other", &told.into_iter().collect(), now());
    let status = serde_json::to_value(rig.gateway.quota_status()).unwrap();
    let account = &status["accounts"][0];
    assert_eq!((&account["account"], &account["asked"]), (&json!("a"), &json!(true)));
    assert_eq!(account["project"], "code_assist/project-of-key-a");
    assert!(account["next_ms"].as_u64() > account["read_ms"].as_u64());
    let families = account["families"].as_array().unwrap();
    let told: Vec<_> = families.iter().map(|one| (one["family"].as_str().unwrap(), &one["source"])).collect();
    assert_eq!(told, [("m", &json!("poll")), ("n", &json!("poll")), ("other", &json!("header"))]);
    assert_eq!((&families[0]["resting"], &families[0]["protected"]), (&json!("quota_protected"), &json!(true)));
    assert_eq!(families[2]["left_percent"], 25.0);
}
