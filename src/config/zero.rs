//! No file: providers of `conf/providers.yaml` whose well-known environment variables are set.
//!
//! OpenAI has two dialects under one key. So there are two upstreams, `openai` (Responses) and `openai-chat`, one account
//! that opens both, and rules that name both: a client of either dialect gets its own untranslated, and all others get
//! Responses, which says more. The same works in a file: list several upstreams in an account and in a rule.

use std::path::Path;

use super::Config;
use super::load::{Beside, means};
use super::presets::{Preset, Presets};
use super::raw;
use super::report::{Problems, Report};
use super::units::{OneOrMany, SecretText};

/// What stands for the file in messages.
const NAME: &str = "the environment";

/// The configuration of no file: on 127.0.0.1:8080, all models of each provider whose key is set, by their own names and
/// as `provider/model`.
///
/// # Errors
/// If no key is set and accounts cannot be added by commands either, since nothing is kept; or if a key or URL cannot be
/// used.
pub fn zero_config(env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Report> {
    zero_with(Beside::only(env))
}

/// As [`zero_config`], with what commands have added.
///
/// # Errors
/// As [`zero_config`].
pub fn zero_with(beside: Beside<'_>) -> Result<Config, Report> {
    let presets = Presets::builtin();
    let is_set = |name: &&String| (beside.env)(name).is_some_and(|value| !value.trim().is_empty());
    let mut raw = raw::Config::default();
    for (name, preset) in presets.iter() {
        if let Some(key) = preset.keys.iter().find(is_set) {
            let url = preset.url.as_ref().filter(is_set).map(|variable| format!("${{env:{variable}}}"));
            add(&mut raw, presets, (name, preset), key, url.as_deref());
        }
    }
    let loaded = means(&raw, beside, Path::new(""), &Problems::default(), (Path::new(NAME), ""))?;
    if loaded.config.accounts.is_empty() && loaded.config.state.file.is_none() {
        let message = "there is no configuration file and no provider key in the environment".to_owned();
        let help =
            format!("set one of {}, or give a configuration file; `interlingua demo` needs neither", variables());
        return Err(Report::whole(Path::new(NAME), None, message, Some(help)));
    }
    for warning in &loaded.warnings {
        tracing::warn!("{}", warning.short());
    }
    Ok(loaded.config)
}

/// The environment variables of keys, joined by commas.
pub fn variables() -> String {
    let names: Vec<&str> = Presets::builtin().iter().flat_map(|(_, preset)| &preset.keys).map(String::as_str).collect();
    names.join(", ")
}

/// Adds a provider, and those that its key opens too.
fn add(raw: &mut raw::Config, presets: &Presets, found: (&str, &Preset), key: &str, url: Option<&str>) {
    let (id, preset) = found;
    let beside = presets.iter().filter(|(_, other)| other.account.as_deref() == Some(id)).map(|(name, _)| name);
    let names: Vec<String> = std::iter::once(id).chain(beside).map(str::to_owned).collect();
    for name in &names {
        raw.upstreams.push(Some(raw::Upstream {
            provider: Some(name.clone()),
            base_url: url.map(str::to_owned),
            ..raw::Upstream::default()
        }));
    }
    let upstream = OneOrMany(names);
    raw.accounts.push(Some(raw::Account {
        id: Some(id.to_owned()),
        upstream: upstream.clone(),
        credential: Some(SecretText(format!("${{env:{key}}}"))),
        concurrency: Some(CONCURRENCY),
        ..raw::Account::default()
    }));
    let prefixed = (format!("{id}/*"), Some("{1}".to_owned()));
    for (pattern, model) in preset.models.iter().map(|pattern| (pattern.clone(), None)).chain([prefixed]) {
        raw.models.push(Some(raw::Rule::plain(pattern, upstream.clone(), model)));
    }
}

/// Requests at a time of the one account: with nothing beside it to go to, a low limit would only make agents wait.
const CONCURRENCY: u64 = 64;
