//! What is configured by commands, beside the file: upstreams, accounts and clients, each in the words of the file.
//!
//! They are put behind the entries of the file before anything is resolved, so they are checked by the same rules and may
//! name one another. The file goes first: an entry whose id it has is passed over. An entry with a fault is left out and
//! told of; it never keeps a configuration from being put in force.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::presets::Presets;
use super::raw;
use super::report::{Found, Step, show};
use super::units::OneOrMany;
use crate::routing::DialectChoice;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntryKind {
    /// As in `upstreams`.
    Upstream,
    /// As in `accounts`.
    Account,
    /// As in `clients`.
    Client,
    /// What the operator says otherwise than the file, until it is taken back: `account/ID` with `enabled`, or
    /// [`PINNED`] with `account`.
    Override,
}

/// The id of the override that pins an account.
pub const PINNED: &str = "pinned_account";
/// What stands before an account's id in the id of its override.
const ACCOUNT: &str = "account/";

impl EntryKind {
    /// All of them.
    pub const ALL: [EntryKind; 4] = [EntryKind::Upstream, EntryKind::Account, EntryKind::Client, EntryKind::Override];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            EntryKind::Upstream => "upstream",
            EntryKind::Account => "account",
            EntryKind::Client => "client",
            EntryKind::Override => "override",
        }
    }

    /// The kind of that word.
    pub fn parse(name: &str) -> Option<Self> {
        EntryKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The key of the file; none has that of overrides.
    fn key(self) -> &'static str {
        match self {
            EntryKind::Upstream => "upstreams",
            EntryKind::Account => "accounts",
            EntryKind::Client => "clients",
            EntryKind::Override => "",
        }
    }
}

/// One entry, as JSON in the words of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Addition {
    /// What it is.
    pub kind: EntryKind,
    /// Its id, which the body repeats.
    pub id: String,
    /// The entry.
    pub body: Value,
}

impl Addition {
    /// Switches an account on or off, whatever the file says.
    pub fn switch(account: &str, enabled: bool) -> Self {
        let body = serde_json::json!({"enabled": enabled});
        Addition { kind: EntryKind::Override, id: Addition::switch_id(account), body }
    }

    /// The id of [`Self::switch`].
    pub fn switch_id(account: &str) -> String {
        format!("{ACCOUNT}{account}")
    }

    /// Pins an account, whatever the file says.
    pub fn pin(account: &str) -> Self {
        let body = serde_json::json!({"account": account});
        Addition { kind: EntryKind::Override, id: PINNED.to_owned(), body }
    }
}

/// What became of the entries that commands have added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// In force.
    pub added: HashSet<(EntryKind, String)>,
    /// Passed over: the file has an entry of that id.
    pub shadowed: BTreeSet<(EntryKind, String)>,
    /// Left out, and why.
    pub faulty: Vec<Faulty>,
    /// Accounts that are switched on or off by a command, with what the configuration says.
    pub switched: BTreeMap<String, bool>,
    /// Whether a command has pinned the account that is pinned.
    pub pinned: bool,
    /// The account that is pinned where no command says otherwise.
    pub own_pin: Option<String>,
}

impl Origins {
    /// Whether the entry in force was added by a command.
    pub fn is_added(&self, kind: EntryKind, id: &str) -> bool {
        self.added.contains(&(kind, id.to_owned()))
    }
}

/// An added entry that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faulty {
    /// What it is.
    pub kind: EntryKind,
    /// Its id.
    pub id: String,
    /// What is wrong, and what to do.
    pub why: String,
}

/// The file with what was added to it.
pub(super) struct Merged {
    pub(super) raw: raw::Config,
    pub(super) origins: Origins,
    /// Where the added entries begin in each list of the file.
    upstreams: Vec<String>,
    accounts: Vec<String>,
    clients: Vec<String>,
    starts: [usize; 3],
    rules_start: usize,
}

/// Puts `additions` behind the entries of `raw`, but for those that `out` names.
pub(super) fn merge(raw: &raw::Config, additions: &[Addition], out: Vec<Faulty>) -> Merged {
    let mut raw = raw.clone();
    let starts = [raw.upstreams.len(), raw.accounts.len(), raw.clients.len()];
    let rules_start = raw.models.len();
    let mut origins = Origins { faulty: out, ..Origins::default() };
    let own = ids_of_file(&raw);
    let mut added: [Vec<String>; 3] = Default::default();
    for Addition { kind, id, body } in additions {
        let entry = (*kind, id.clone());
        if own.contains(&entry) {
            origins.shadowed.insert(entry);
            continue;
        }
        if origins.faulty.iter().any(|faulty| faulty.kind == *kind && faulty.id == *id) {
            continue;
        }
        let taken = match kind {
            EntryKind::Upstream => push(&mut raw.upstreams, body),
            EntryKind::Account => push(&mut raw.accounts, body),
            EntryKind::Client => push(&mut raw.clients, body),
            // They are for the entries that are there in the end.
            EntryKind::Override => continue,
        };
        match taken {
            Ok(()) => {
                if let Some(list) = added.get_mut(*kind as usize) {
                    list.push(id.clone());
                }
                origins.added.insert(entry);
            }
            Err(why) => origins.faulty.push(Faulty { kind: *kind, id: id.clone(), why }),
        }
    }
    overrule(&mut raw, additions, &mut origins);
    let start = starts.first().copied().unwrap_or_default();
    add_rules(&mut raw, start);
    let [upstreams, accounts, clients] = added;
    Merged { raw, origins, upstreams, accounts, clients, starts, rules_start }
}

impl Merged {
    /// The added entries that `errors` are about; `None` if there are others among them.
    pub(super) fn blame(&self, errors: &[Found]) -> Option<Vec<Faulty>> {
        let mut faulty: Vec<Faulty> = Vec::new();
        for found in errors {
            let (kind, id) = self.owner(&found.path)?;
            if faulty.iter().any(|known| known.kind == kind && known.id == id) {
                continue;
            }
            let place = show(found.path.get(2..).unwrap_or_default());
            let place = if place.is_empty() { place } else { format!("{place}: ") };
            let help = found.help.as_ref().map_or(String::new(), |help| format!("; {help}"));
            faulty.push(Faulty { kind, id, why: format!("{place}{}{help}", found.message) });
        }
        Some(faulty)
    }

    fn owner(&self, path: &[Step]) -> Option<(EntryKind, String)> {
        if let [Step::Key(section), Step::Key(key), ..] = path
            && section == "resilience"
            && key == PINNED
            && self.origins.pinned
        {
            return Some((EntryKind::Override, PINNED.to_owned()));
        }
        let [Step::Key(key), Step::Index(index), ..] = path else { return None };
        if key == "models" && *index >= self.rules_start {
            // A rule that an added upstream brought along.
            let rule = self.raw.models.get(*index)?.as_ref()?;
            return Some((EntryKind::Upstream, rule.upstream.0.first()?.clone()));
        }
        let kind = EntryKind::ALL.into_iter().find(|kind| kind.key() == key)?;
        let start = self.starts.get(kind as usize)?;
        let ids = match kind {
            EntryKind::Upstream => &self.upstreams,
            EntryKind::Account => &self.accounts,
            EntryKind::Client => &self.clients,
            EntryKind::Override => return None,
        };
        Some((kind, ids.get(index.checked_sub(*start)?)?.clone()))
    }
}

/// Does what overrides say. One of an account that is not there waits for it.
fn overrule(raw: &mut raw::Config, additions: &[Addition], origins: &mut Origins) {
    origins.own_pin.clone_from(&raw.resilience.pinned_account);
    for Addition { kind, id, body } in additions {
        if *kind != EntryKind::Override || origins.faulty.iter().any(|one| one.kind == *kind && one.id == *id) {
            continue;
        }
        let is_there = |name: &str| raw.accounts.iter().flatten().any(|one| one.id.as_deref() == Some(name));
        if let Some(name) = body["account"].as_str().filter(|name| id == PINNED && is_there(name)) {
            raw.resilience.pinned_account = Some(name.to_owned());
            origins.pinned = true;
        }
        let (Some(name), Some(enabled)) = (id.strip_prefix(ACCOUNT), body["enabled"].as_bool()) else { continue };
        for account in raw.accounts.iter_mut().flatten().filter(|one| one.id.as_deref() == Some(name)) {
            let own = account.enabled.replace(enabled).unwrap_or(true);
            origins.switched.insert(name.to_owned(), own);
        }
    }
}

/// Rules for the upstreams from `start` on: their provider's models by their own names, and all by `upstream/model`. A
/// pattern that is there already stays as it is.
fn add_rules(raw: &mut raw::Config, start: usize) {
    let added: Vec<(String, Option<String>)> = raw
        .upstreams
        .iter()
        .skip(start)
        .flatten()
        .filter_map(|one| Some((one.id.clone().or_else(|| one.provider.clone())?, one.provider.clone())))
        .collect();
    // Those of the same address that another provider's account opens, too.
    let beside = |name: &str| {
        let is_beside = |provider: &str| Presets::builtin().get(provider)?.account.clone();
        let other = added.iter().filter(move |(_, provider)| {
            provider.as_deref().and_then(is_beside).is_some_and(|account| account == name)
        });
        other.map(|(id, _)| id.clone()).collect::<Vec<_>>()
    };
    let mut rules: Vec<(String, Option<String>, Vec<String>)> = Vec::new();
    for (name, preset) in Presets::builtin().iter() {
        let own = added.iter().filter(|(_, provider)| provider.as_deref() == Some(name)).map(|(id, _)| id.clone());
        let own: Vec<String> = own.collect();
        if own.is_empty() {
            continue;
        }
        let all = [own, beside(name)].concat();
        rules.extend(preset.models.iter().map(|pattern| (pattern.clone(), None, all.clone())));
    }
    for (id, provider) in &added {
        let all = [vec![id.clone()], provider.as_deref().map(beside).unwrap_or_default()].concat();
        rules.push((format!("{id}/*"), Some("{1}".to_owned()), all));
    }
    let mut known: HashSet<String> = raw.models.iter().flatten().filter_map(|rule| rule.pattern.clone()).collect();
    for (pattern, model, upstream) in rules {
        if known.insert(pattern.clone()) {
            raw.models.push(Some(raw::Rule::plain(pattern, OneOrMany(upstream), model)));
        }
    }
}

impl raw::Rule {
    /// A rule without anything but a target.
    pub(super) fn plain(pattern: String, upstream: OneOrMany<String>, model: Option<String>) -> Self {
        raw::Rule {
            pattern: Some(pattern),
            upstream,
            model,
            dialect: DialectChoice::default(),
            fallbacks: Vec::new(),
            large_output: None,
            background: None,
            list: Vec::new(),
            hidden: false,
        }
    }
}

fn ids_of_file(raw: &raw::Config) -> HashSet<(EntryKind, String)> {
    let upstreams = raw.upstreams.iter().flatten().filter_map(|one| one.id.clone().or_else(|| one.provider.clone()));
    let accounts = raw.accounts.iter().flatten().filter_map(|one| one.id.clone());
    let clients = raw.clients.iter().flatten().filter_map(|one| one.id.clone());
    let of = |kind| move |id| (kind, id);
    let upstreams = upstreams.map(of(EntryKind::Upstream));
    upstreams.chain(accounts.map(of(EntryKind::Account))).chain(clients.map(of(EntryKind::Client))).collect()
}

fn push<T: DeserializeOwned>(list: &mut Vec<Option<T>>, body: &Value) -> Result<(), String> {
    let entry = T::deserialize(body).map_err(|error| error.to_string())?;
    list.push(Some(entry));
    Ok(())
}
