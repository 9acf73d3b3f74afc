//! From the file as written to the file as meant.
//!
//! Every step goes on after a fault, with a default or without the entry, so that all faults are found at once. What
//! comes out counts only if there was none.

mod accounts;
mod clients;
mod custody;
mod mapping;
mod mcp;
mod models;
mod oauth;
mod passthrough;
mod platform;
mod protections;
mod resilience;
mod routes;
mod server;
mod upstreams;

use std::collections::HashMap;
use std::time::Duration;

use super::raw;
use super::reference::Sources;
use super::report::{At, Problems};
use super::units::TimeSpan;
use super::{Config, Origins, suggest};

/// Longest id, in characters: ids are metric labels.
const ID_CHARS_MAX: usize = 64;

/// Most tiers: an account's tier is one byte.
const TIERS_MAX: usize = 256;

/// What all steps need.
pub(super) struct Mean<'a> {
    pub(super) sources: Sources<'a>,
    pub(super) problems: &'a mut Problems,
}

impl Mean<'_> {
    /// The whole file.
    pub(super) fn config(&mut self, raw: &raw::Config) -> Config {
        let root = At::ROOT;
        let clients = self.clients(&root.key("clients"), &raw.clients);
        let server = self.server(&root.key("server"), &raw.server, !raw.clients.is_empty());
        let tiers = self.tiers(&root.key("tiers"), &raw.tiers);
        let upstreams = self.upstreams(&root.key("upstreams"), &raw.upstreams, &server.listen, &raw.code_assist);
        let accounts = self.accounts(&root.key("accounts"), &raw.accounts, &upstreams, &tiers);
        let resilience = self.resilience(&root.key("resilience"), &raw.resilience);
        self.named(&root.key("resilience"), &raw.resilience, &upstreams, &accounts);
        let families = self.families(&root.key("families"), &raw.families);
        let state = self.state(&root.key("state"), &raw.state);
        let mapping = self.mapping(&root.key("mapping"), &raw.mapping);
        let custody = self.custody(&root.key("custody"), &raw.custody);
        let routes = self.routes(&root.key("models"), &raw.models, &upstreams, &accounts, resilience.fallbacks);
        let background = self.background(&root.key("background"), &raw.background);
        let profiles = self.profiles(&root.key("profiles"), &raw.profiles);
        let repairs = Self::repairs(&raw.repair);
        let mcp = self.mcp(&root.key("mcp"), &raw.mcp, &server.listen, &accounts);
        let passthrough = self.passthrough(&root.key("passthrough"), &raw.passthrough, &upstreams);
        let upstreams = upstreams.into_list();
        let accounts = accounts.list;
        Config {
            server,
            clients,
            upstreams,
            accounts,
            routes,
            background,
            tiers,
            profiles,
            repairs,
            families,
            resilience,
            state,
            mapping,
            custody,
            mcp,
            passthrough,
            origins: Origins::default(),
        }
    }

    fn tiers(&mut self, at: &At<'_>, raw: &[String]) -> Vec<String> {
        if raw.is_empty() && !self.problems.has(at) {
            let help = "name at least one, or leave the key out".to_owned();
            self.problems.error(at, "the list of tiers is empty", Some(help));
        }
        if raw.len() > TIERS_MAX {
            self.problems.error(at, format!("there are more than {TIERS_MAX} tiers"), None);
        }
        let mut names = HashMap::new();
        for (index, name) in raw.iter().enumerate() {
            self.name(&at.index(index), name, &mut names, index);
        }
        raw.to_vec()
    }

    /// The id of an entry: there, well formed and not taken. `None` was reported.
    fn id(&mut self, at: &At<'_>, id: Option<&str>, seen: &mut HashMap<String, usize>, index: usize) -> Option<String> {
        let Some(id) = id.filter(|id| !id.is_empty()) else {
            self.problems.missing(at, "id", "a name for logs, metrics and references");
            return None;
        };
        self.name(&at.key("id"), id, seen, index);
        Some(id.to_owned())
    }

    /// A name, at its own place: well formed and not taken.
    fn name(&mut self, at: &At<'_>, id: &str, seen: &mut HashMap<String, usize>, index: usize) {
        let well = |c: char| c.is_ascii_alphanumeric() || "._-@/".contains(c);
        if id.is_empty() || !id.chars().all(well) || id.chars().count() > ID_CHARS_MAX {
            let message = "a name may hold letters, digits and `. _ - @ /`, at most 64 characters";
            self.problems.error(at, message, None);
        }
        let first = *seen.entry(id.to_owned()).or_insert(index);
        if first != index {
            let help = "names are unique; give this one another".to_owned();
            self.problems.error(at, format!("the name `{id}` is taken by item {}", first + 1), Some(help));
        }
    }

    /// A text with its references replaced. `None` was reported.
    fn expand(&mut self, at: &At<'_>, text: &str) -> Option<String> {
        match self.sources.expand(text) {
            Ok(text) => Some(text),
            Err(error) => {
                self.problems.error(at, error.to_string(), error.help());
                None
            }
        }
    }

    /// A name that refers to another entry and is not there.
    fn dangling(&mut self, at: &At<'_>, kind: &str, name: &str, known: &[&str]) {
        let help = if known.is_empty() {
            Some(format!("there is no {kind} in this file"))
        } else {
            suggest::among(name, "there are", known)
        };
        self.problems.error(at, format!("there is no {kind} `{name}`"), help);
    }

    /// A time span that may not be zero.
    fn positive(&mut self, at: &At<'_>, key: &str, span: TimeSpan) -> Duration {
        if span.0.is_zero() {
            let help = "write a longer one; to turn a protection off, use its switch".to_owned();
            self.problems.error(&at.key(key), format!("`{key}` may not be zero"), Some(help));
        }
        span.0
    }

    /// A number within bounds, which must fit the target type.
    fn number<T: TryFrom<u64> + Default>(&mut self, at: &At<'_>, key: &str, value: u64, bounds: (u64, u64)) -> T {
        let (min, max) = bounds;
        match T::try_from(value) {
            Ok(number) if (min..=max).contains(&value) => number,
            _ => {
                self.problems.error(&at.key(key), format!("{value} is out of bounds: {min} to {max}"), None);
                T::default()
            }
        }
    }
}
