//! No file: providers from the well-known environment variables.
//!
//! OpenAI has two dialects under one key. So there are two upstreams, `openai` (Responses) and `openai-chat`, one account
//! that opens both, and rules that name both: a client of either dialect gets its own untranslated, and all others get
//! Responses, which says more. The same works in a file: list several upstreams in an account and in a rule.

use std::path::Path;

use interlingua_filters::Dialect;

use super::load::means;
use super::raw;
use super::reference::Sources;
use super::report::{Problems, Report};
use super::units::{OneOrMany, SecretText};
use super::{Config, StreamMode};
use crate::routing::DialectChoice;

/// A provider that the environment can name.
struct Provider {
    id: &'static str,
    /// Variables of the key; the first that is set counts.
    keys: &'static [&'static str],
    url_variable: &'static str,
    url: &'static str,
    /// Upstreams: name and dialect.
    upstreams: &'static [(&'static str, Dialect)],
    models: &'static [&'static str],
}

const PROVIDERS: [Provider; 3] = [
    Provider {
        id: "openai",
        keys: &["OPENAI_API_KEY"],
        url_variable: "OPENAI_BASE_URL",
        url: "https://api.openai.com/v1",
        upstreams: &[("openai", Dialect::OpenAiResponses), ("openai-chat", Dialect::OpenAiChat)],
        models: &[
            "gpt-*",
            "o1*",
            "o3*",
            "o4*",
            "chatgpt-*",
            "codex-*",
            "text-embedding-*",
            "dall-e-*",
            "whisper-*",
            "tts-*",
        ],
    },
    Provider {
        id: "anthropic",
        keys: &["ANTHROPIC_API_KEY"],
        url_variable: "ANTHROPIC_BASE_URL",
        url: "https://api.anthropic.com",
        upstreams: &[("anthropic", Dialect::Anthropic)],
        models: &["claude-*"],
    },
    Provider {
        id: "gemini",
        keys: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        url_variable: "GOOGLE_GEMINI_BASE_URL",
        url: "https://generativelanguage.googleapis.com",
        upstreams: &[("gemini", Dialect::Gemini)],
        models: &["gemini-*", "gemma-*"],
    },
];

/// What stands for the file in messages.
const NAME: &str = "the environment";

/// The configuration of no file: on 127.0.0.1:8080, all models of each provider whose key is set, by their own names and
/// as `provider/model`.
///
/// # Errors
/// If no key is set, or a key or URL cannot be used.
pub fn zero_config(env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Report> {
    let is_set = |name: &&&str| env(name).is_some_and(|value| !value.trim().is_empty());
    let mut raw = raw::Config::default();
    for provider in &PROVIDERS {
        if let Some(key) = provider.keys.iter().find(is_set) {
            let url_is_set = is_set(&&provider.url_variable);
            add(&mut raw, provider, key, url_is_set);
        }
    }
    if raw.accounts.is_empty() {
        let message = "there is no configuration file and no provider key in the environment".to_owned();
        let names = PROVIDERS.iter().flat_map(|provider| provider.keys).copied().collect::<Vec<_>>().join(", ");
        let help = format!("set one of {names}, or give a configuration file; `interlingua demo` needs neither");
        return Err(Report::whole(Path::new(NAME), None, message, Some(help)));
    }
    let sources = Sources { env, folder: Path::new("") };
    let loaded = means(&raw, sources, Problems::default(), Path::new(NAME), "")?;
    for warning in &loaded.warnings {
        tracing::warn!("{}", warning.short());
    }
    Ok(loaded.config)
}

fn add(raw: &mut raw::Config, provider: &Provider, key: &str, url_is_set: bool) {
    let url = if url_is_set { format!("${{env:{}}}", provider.url_variable) } else { provider.url.to_owned() };
    for (id, dialect) in provider.upstreams {
        raw.upstreams.push(Some(raw::Upstream {
            id: Some((*id).to_owned()),
            dialect: Some(*dialect),
            base_url: Some(url.clone()),
            auth: None,
            stream: StreamMode::default(),
            quirks: raw::Quirks::default(),
            headers: std::collections::BTreeMap::new(),
            timeouts: raw::Timeouts::default(),
        }));
    }
    let upstream = OneOrMany(provider.upstreams.iter().map(|(id, _)| (*id).to_owned()).collect());
    raw.accounts.push(Some(raw::Account {
        id: Some(provider.id.to_owned()),
        upstream: upstream.clone(),
        credential: Some(SecretText(format!("${{env:{key}}}"))),
        tier: None,
        concurrency: Some(CONCURRENCY),
        enabled: None,
        models: None,
    }));
    let prefixed = format!("{}/*", provider.id);
    let patterns = provider.models.iter().map(|pattern| ((*pattern).to_owned(), None));
    for (pattern, model) in patterns.chain([(prefixed, Some("{1}".to_owned()))]) {
        raw.models.push(Some(raw::Rule {
            pattern: Some(pattern),
            upstream: upstream.clone(),
            model,
            dialect: DialectChoice::default(),
            fallbacks: Vec::new(),
            list: Vec::new(),
            hidden: false,
        }));
    }
}

/// Requests at a time of the one account: with nothing beside it to go to, a low limit would only make agents wait.
const CONCURRENCY: u64 = 64;
