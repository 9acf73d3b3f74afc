//! Logins and tokens, and what Code Assist tells of an account beside its answers.
//!
//! | refresh token | what becomes of it |
//! |---|---|
//! | has `revoked` in it | `invalid_grant` |
//! | has `down` in it | status 503 |
//! | has `rotating` in it | another refresh token comes with each access token; old ones that come back end them all |
//! | has `brief` in it | access tokens for one second |
//! | has `new` in it | access tokens, but no tier at Code Assist before it was put on one |
//! | has `unverified` in it | access tokens, but Code Assist wants the owner to confirm the account |
//! | any other | access tokens, and the project `project-of-<refresh token>` |
//!
//! `GET /oauth/authorize` sends a browser back at once, as if its user had agreed; not if the client's id has `denied` in
//! it, and with a wrong `state` if it has `forged`. A client with `confidential` in its id must send `secret-of-ID`. What
//! a login gives is `key-login-N`; it rotates if the scope has `rotating` in it, and is missing if that has `online`.
//!
//! `POST /_mock/oauth` lets a service account in: `{"service_account": <address>, "public_key": <RSAPublicKey, base64>}`.
//!
//! `POST /_mock/quota` sets what is told of an account's quota:
//! `{"key": <refresh token>, "left": {<model>: 0 to 1}, "reset_s": 3600}`, or `{"key": …, "status": 503}` to refuse.

mod grants;

use self::grants::Grants;
pub(crate) use self::grants::Holder;
use super::platform::known;
use super::refusal::Refusal;
use http::Method;
use http::request::Parts;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Quotas that are kept; the simulator starts anew behind them.
const QUOTAS_MAX: usize = 100_000;

/// What was given out.
#[derive(Debug, Default)]
pub(crate) struct OAuth {
    grants: Grants,
    /// Refresh tokens of accounts that were put on a tier.
    onboarded: HashSet<String>,
    loads: u64,
    onboards: u64,
    looks: u64,
    /// How often quotas were asked for.
    quotas: u64,
    /// What is told of quotas, by refresh token, where it was set.
    set: HashMap<String, Value>,
}

impl OAuth {
    /// Whose an access token is. That it is used counts.
    pub(crate) fn holder(&mut self, token: &str) -> Holder {
        self.grants.holder(token)
    }

    /// Lets a service account in.
    ///
    /// # Errors
    /// When the body says less than its address and its public key.
    pub(crate) fn register(&mut self, body: &[u8]) -> Result<(), String> {
        self.grants.register(body)
    }

    /// How often it was asked, as `GET /_mock/oauth` gives it.
    pub(crate) fn json(&self) -> Value {
        json!({"refreshes": self.grants.refreshes, "logins": self.grants.logins, "reused": self.grants.reused,
            "superseded": self.grants.superseded, "loads": self.loads, "onboards": self.onboards, "looks": self.looks,
            "quotas": self.quotas})
    }

    /// Sets what is told of an account's quota.
    ///
    /// # Errors
    /// When the body does not say whose.
    pub(crate) fn set_quota(&mut self, body: &[u8]) -> Result<(), String> {
        let told: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let key = told["key"].as_str().ok_or("name the account: `key` is its refresh token")?.to_owned();
        if self.set.len() >= QUOTAS_MAX {
            self.set.clear();
        }
        self.set.insert(key, told);
        Ok(())
    }

    /// Answers a request to the token endpoint or to Code Assist's own methods; `None` for any other.
    pub(crate) fn answer(&mut self, parts: &Parts, body: &[u8]) -> Option<(u16, Value)> {
        let path = parts.uri.path();
        if parts.method == Method::POST && path == "/oauth/token" {
            return Some(self.grants.token(parts, body));
        }
        if parts.method == Method::GET && path == "/oauth/authorize" {
            return Some(match self.grants.authorize(parts) {
                Ok(location) => (302, json!({ "location": location })),
                Err(error) => (400, error),
            });
        }
        let suffix = path.strip_prefix("/v1internal")?;
        let is_operation = suffix.starts_with("/operations/") && parts.method == Method::GET;
        if !is_operation && ![":loadCodeAssist", ":onboardUser", ":retrieveUserQuota"].contains(&suffix) {
            return None;
        }
        let bearer = parts.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let holder = bearer.strip_prefix("Bearer ").map_or(Holder::Unknown, |token| self.holder(token));
        let Holder::Owner(owner) = holder else {
            return Some(refused(&Refusal::new(401, "Request had invalid authentication credentials.")));
        };
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let told = match suffix {
            ":loadCodeAssist" => self.load(&owner, &body),
            ":onboardUser" => self.onboard(&owner, &body),
            ":retrieveUserQuota" => self.quota(&owner, &body),
            _ => Ok(self.look(&owner)),
        };
        Some(told.map_or_else(|refusal| refused(&refusal), |value| (200, value)))
    }

    fn load(&mut self, owner: &str, body: &Value) -> Result<Value, Refusal> {
        self.loads += 1;
        known(body, &["cloudaicompanionProject", "metadata", "mode"], "")?;
        let tier = |id: &str| json!({"id": id, "name": "Gemini Code Assist", "userDefinedCloudaicompanionProject": id != "free-tier"});
        if owner.contains("unverified") {
            return Ok(json!({"ineligibleTiers": [{
                "reasonCode": "VALIDATION_REQUIRED", "tierId": "free-tier",
                "validationUrl": "https://accounts.example/validate?secret=of-the-owner",
            }]}));
        }
        if owner.contains("new") && !self.onboarded.contains(owner) {
            let mut free = tier("free-tier");
            free["isDefault"] = json!(true);
            return Ok(json!({"allowedTiers": [tier("standard-tier"), free]}));
        }
        let id = if owner.contains("new") { "free-tier" } else { "standard-tier" };
        Ok(json!({"currentTier": tier(id), "cloudaicompanionProject": project(owner)}))
    }

    fn onboard(&mut self, owner: &str, body: &Value) -> Result<Value, Refusal> {
        self.onboards += 1;
        known(body, &["tierId", "cloudaicompanionProject", "metadata"], "")?;
        let names_project = !body["cloudaicompanionProject"].is_null() || !body["metadata"]["duetProject"].is_null();
        if body["tierId"] == "free-tier" && names_project {
            return Err(Refusal::invalid("Precondition check failed.").kind("FAILED_PRECONDITION"));
        }
        self.onboarded.insert(owner.to_owned());
        Ok(json!({"name": format!("operations/onboard-{}", self.onboards)}))
    }

    fn look(&mut self, owner: &str) -> Value {
        self.looks += 1;
        let project = project(owner).map(|id| json!({"id": id, "name": id}));
        json!({"name": "operations/onboard", "done": true, "response": {"cloudaicompanionProject": project}})
    }

    fn quota(&mut self, owner: &str, body: &Value) -> Result<Value, Refusal> {
        self.quotas += 1;
        known(body, &["project"], "")?;
        if body["project"].as_str() != project(owner).as_deref() {
            return Err(Refusal::new(403, "Permission denied on resource project."));
        }
        let in_seconds = |seconds| super::clock::rfc3339_in(std::time::Duration::from_secs(seconds));
        if let Some(set) = self.set.get(owner) {
            if let Some(status) = set["status"].as_u64().and_then(|status| u16::try_from(status).ok()) {
                return Err(Refusal::new(status, "The quota cannot be told (set in the simulator)."));
            }
            let reset = in_seconds(set["reset_s"].as_u64().unwrap_or(3600));
            let left = set["left"].as_object().into_iter().flatten();
            let bucket = |(model, left): (&String, &Value)| {
                let mut bucket = json!({"modelId": model, "tokenType": "REQUESTS", "resetTime": reset});
                // Google leaves a zero out.
                if left.as_f64().is_some_and(|left| left > 0.0) {
                    bucket["remainingFraction"] = left.clone();
                }
                bucket
            };
            return Ok(json!({"buckets": left.map(bucket).collect::<Vec<_>>()}));
        }
        let reset = in_seconds(3600);
        Ok(json!({"buckets": [
            {"modelId": "gemini-2.5-pro", "tokenType": "REQUESTS", "resetTime": reset},
            {"modelId": "gemini-2.5-flash", "tokenType": "REQUESTS", "remainingFraction": 0.75, "resetTime": reset},
        ]}))
    }
}

/// The project of an account; none on the free tier that new ones are put on.
pub(crate) fn project(refresh_token: &str) -> Option<String> {
    (!refresh_token.contains("new")).then(|| format!("project-of-{refresh_token}"))
}

fn refused(refusal: &Refusal) -> (u16, Value) {
    (refusal.status, refusal.body(super::dialect::Dialect::Gemini, ""))
}
