//! Which project an account works in.
//!
//! An account that has a tier has its project with it. One that has none is put on the default tier first, which takes
//! some seconds; the free tier wants no project named. The answer is kept for an hour, a failure for half a minute, and of
//! many requests one asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{CallError, Endpoint, call};
use crate::credentials::http::Http;
use crate::credentials::{FAILED_FOR_MS, OAuth};
use crate::pool::Millis;

/// How long a project is used before it is asked for again, in milliseconds.
const KEPT_FOR_MS: u64 = 3_600_000;
/// Looks at a tier that is being set up.
const LOOKS_MAX: u32 = 12;
/// Between two of them.
const LOOK_PAUSE: Duration = Duration::from_secs(5);
/// The tier that wants no project.
const FREE: &str = "free-tier";
/// The tier of an account to which no default is offered.
const LEGACY: &str = "legacy-tier";

/// Why there is no project. Says nothing secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProjectError {
    /// The account's owner must do something first.
    #[error("Code Assist wants the owner of the account to confirm it{}", .0.as_ref().map_or(String::new(), |at| format!(" at {at}")))]
    OwnerNeeded(Option<String>),
    /// The tier needs a project, and neither Code Assist nor the configuration names one.
    #[error("the account's tier needs a project: write `project` at the account")]
    NoProject,
    /// The account may not use Code Assist.
    #[error("the account may not use Code Assist: {0}")]
    Ineligible(String),
    /// Setting up took too long.
    #[error("Code Assist has not finished setting the account up; it is asked again")]
    NotReady,
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl ProjectError {
    /// Whether only the account's owner or the operator can mend it.
    pub fn needs_operator(&self) -> bool {
        matches!(self, ProjectError::OwnerNeeded(_) | ProjectError::NoProject | ProjectError::Ineligible(_))
    }
}

/// The project; `None` where the tier has none.
type Found = Result<Option<String>, ProjectError>;

/// An account and what its project depends on.
type Key = (String, Arc<OAuth>, Option<String>);

/// The projects of all accounts.
pub struct Projects {
    http: Arc<Http>,
    pause: Duration,
    entries: Mutex<HashMap<Key, Arc<Entry>>>,
}

#[derive(Default)]
struct Entry {
    /// The answer, and until when it holds.
    known: Mutex<Option<(Found, Millis)>>,
    /// Held by the one that asks.
    asking: Arc<tokio::sync::Mutex<()>>,
}

impl Projects {
    pub(crate) fn new(http: Arc<Http>) -> Self {
        Projects { http, pause: LOOK_PAUSE, entries: Mutex::default() }
    }

    /// With another pause between two looks at a tier that is being set up.
    #[cfg(test)]
    pub(crate) fn with_pause(http: Arc<Http>, pause: Duration) -> Self {
        Projects { pause, ..Self::new(http) }
    }

    /// The project of an account; `configured` is what the operator names.
    ///
    /// # Errors
    /// See [`ProjectError`].
    pub async fn project(
        &self,
        account: &str,
        oauth: &Arc<OAuth>,
        configured: Option<&str>,
        endpoint: &Endpoint,
        now: Millis,
    ) -> Found {
        let key = (account.to_owned(), Arc::clone(oauth), configured.map(str::to_owned));
        let entry = Arc::clone(self.entries.lock().entry(key).or_default());
        if let Some(known) = entry.look(now) {
            return known;
        }
        let guard = Arc::clone(&entry.asking).lock_owned().await;
        if let Some(known) = entry.look(now) {
            return known;
        }
        let (http, pause, endpoint) = (Arc::clone(&self.http), self.pause, endpoint.clone());
        let (configured, kept) = (configured.map(str::to_owned), Arc::clone(&entry));
        // A task of its own: that the client of this request leaves is no reason to begin again.
        let asked = tokio::spawn(async move {
            let found = discover(&http, &endpoint, configured.as_deref(), pause).await;
            let until = now.plus(if found.is_ok() { KEPT_FOR_MS } else { FAILED_FOR_MS });
            *kept.known.lock() = Some((found.clone(), until));
            drop(guard);
            found
        });
        asked.await.unwrap_or(Err(ProjectError::NotReady))
    }

    /// Forgets what `keeps` does not name.
    pub fn retain(&self, keeps: impl Fn(&str, &OAuth) -> bool) {
        self.entries.lock().retain(|(account, oauth, _), _| keeps(account, oauth));
    }
}

impl Entry {
    fn look(&self, now: Millis) -> Option<Found> {
        self.known.lock().as_ref().filter(|(_, until)| now < *until).map(|(found, _)| found.clone())
    }
}

async fn discover(http: &Http, endpoint: &Endpoint, configured: Option<&str>, pause: Duration) -> Found {
    let mut body = json!({ "metadata": metadata(configured) });
    set_project(&mut body, configured);
    let loaded = call(http, endpoint, ":loadCodeAssist", Some(&body)).await?;
    let project = text(&loaded["cloudaicompanionProject"]).or(configured).map(str::to_owned);
    if loaded["currentTier"].is_object() {
        let is_free = loaded["currentTier"]["id"] == FREE;
        return if project.is_some() || is_free {
            Ok(project)
        } else {
            Err(refusal(&loaded).unwrap_or(ProjectError::NoProject))
        };
    }
    let offered = loaded["allowedTiers"].as_array().map_or(&[][..], Vec::as_slice);
    let default = offered.iter().find(|tier| tier["isDefault"] == true);
    if default.is_none()
        && let Some(refusal) = refusal(&loaded)
    {
        return Err(refusal);
    }
    let tier = default.and_then(|tier| text(&tier["id"])).unwrap_or(LEGACY);
    // The free tier refuses a request that names a project.
    let named = configured.filter(|_| tier != FREE);
    let mut body = json!({ "tierId": tier, "metadata": metadata(named) });
    set_project(&mut body, named);
    let mut operation = call(http, endpoint, ":onboardUser", Some(&body)).await?;
    for _ in 0..LOOKS_MAX {
        if operation["done"] == true {
            let project = text(&operation["response"]["cloudaicompanionProject"]["id"]).or(named).map(str::to_owned);
            return if project.is_some() || tier == FREE { Ok(project) } else { Err(ProjectError::NoProject) };
        }
        let Some(name) = text(&operation["name"]).filter(|name| is_path(name)).map(str::to_owned) else { break };
        tokio::time::sleep(pause).await;
        operation = call(http, endpoint, &format!("/{name}"), None).await?;
    }
    Err(ProjectError::NotReady)
}

/// Why none of the tiers is open, as far as Code Assist says it.
fn refusal(loaded: &Value) -> Option<ProjectError> {
    let tiers = loaded["ineligibleTiers"].as_array()?;
    let asks = tiers.iter().find(|tier| tier["reasonCode"] == "VALIDATION_REQUIRED");
    if let Some(tier) = asks {
        // Without its query, which may open the account.
        let at = text(&tier["validationUrl"]).and_then(|url| url.split(['?', '#']).next()).map(str::to_owned);
        return Some(ProjectError::OwnerNeeded(at));
    }
    let reason = text(&tiers.first()?["reasonCode"]).unwrap_or("UNKNOWN");
    let is_word = reason.len() <= 64 && reason.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    Some(ProjectError::Ineligible(if is_word { reason } else { "UNKNOWN" }.to_owned()))
}

/// What the gateway says of itself: nothing that it is not.
fn metadata(project: Option<&str>) -> Value {
    let mut metadata = json!({
        "ideType": "IDE_UNSPECIFIED", "platform": "PLATFORM_UNSPECIFIED", "pluginType": "PLUGIN_UNSPECIFIED",
    });
    if let Some(project) = project {
        metadata["duetProject"] = json!(project);
    }
    metadata
}

fn set_project(body: &mut Value, project: Option<&str>) {
    if let Some(project) = project {
        body["cloudaicompanionProject"] = json!(project);
    }
}

/// A text that says something.
fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// Whether the name of an operation is what it should be, and leads nowhere else.
fn is_path(name: &str) -> bool {
    let well = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    name.len() <= 256 && name.bytes().all(well) && !name.split('/').any(|part| matches!(part, "" | "." | ".."))
}
