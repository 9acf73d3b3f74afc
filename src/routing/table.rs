//! The table of rules and how a request finds its route.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use interlingua_filters::Dialect;

use super::{Pattern, Target};
use crate::config::Upstream;

/// Longest model name that is looked up, in bytes. Longer ones have no route: no provider has such a name, and the
/// name is written to logs.
pub const MODEL_BYTES_MAX: usize = 512;

/// Most steps of one rule: its target, its fallbacks, and theirs.
pub const STEPS_MAX: usize = 16;

/// How a target's upstreams are ordered for a client's dialect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DialectChoice {
    /// Upstreams of the client's own dialect first, then the others as declared. An account that offers both is used in
    /// the client's dialect; an account that offers only another one still takes part.
    #[default]
    PreferOwn,
    /// If any upstream of the target speaks the client's dialect, only such ones; else all. Nothing is translated that
    /// need not be, at the price of a smaller pool.
    OwnIfOffered,
    /// As declared, whatever the client speaks.
    AsDeclared,
}

/// One rule, as meant: its fallbacks to other rules are already put in place.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Which model names it takes.
    pub pattern: Pattern,
    /// The target, then the fallbacks in order. At least 1, at most [`STEPS_MAX`].
    pub steps: Vec<Target>,
}

/// Where a request may go.
#[derive(Clone, Debug)]
pub struct Route {
    /// The rule's pattern, for explanations and metrics.
    pub rule: String,
    /// The target, then the fallbacks in order. At least one.
    pub steps: Vec<Step>,
}

/// One target of a route: a pool over all accounts of its upstreams.
#[derive(Clone, Debug)]
pub struct Step {
    /// In order of preference. An account is used through the first of these that it offers.
    pub upstreams: Vec<Arc<Upstream>>,
    /// The model in the provider's words. Not empty.
    pub model: String,
}

/// All rules.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rules: Vec<Rule>,
    /// Rules without a wildcard, by name.
    exact: HashMap<String, usize>,
    /// Rules with wildcards, in the order in which they are tried.
    wildcards: Vec<usize>,
    listed: Vec<String>,
}

impl Table {
    pub(super) fn assemble(rules: Vec<Rule>, listed: Vec<String>) -> Self {
        let mut exact = HashMap::new();
        let mut wildcards = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            if rule.pattern.is_exact() {
                exact.entry(rule.pattern.as_str().to_owned()).or_insert(index);
            } else {
                wildcards.push(index);
            }
        }
        // A stable sort: rules with equally many literals stay in the order of declaration.
        wildcards.sort_by_key(|index| std::cmp::Reverse(rules.get(*index).map_or(0, |rule| rule.pattern.literals())));
        let mut seen = HashSet::new();
        let listed = listed.into_iter().filter(|name| seen.insert(name.clone())).collect();
        Table { rules, exact, wildcards, listed }
    }

    /// The route of `model` for a client that speaks `client`. `None` if no rule takes the name.
    pub fn resolve(&self, model: &str, client: Dialect) -> Option<Route> {
        let (rule, name) = self.find(model)?;
        let captures = rule.pattern.captures(name)?;
        let steps = rule.steps.iter().map(|target| target.step(&captures, client)).collect();
        Some(Route { rule: rule.pattern.as_str().to_owned(), steps })
    }

    /// The rule of `model`, and the name as it is matched.
    pub fn find<'m>(&self, model: &'m str) -> Option<(&Rule, &'m str)> {
        let name = normalise(model);
        if name.is_empty() || name.len() > MODEL_BYTES_MAX {
            return None;
        }
        let exact = self.exact.get(name).into_iter();
        let rule =
            exact.chain(&self.wildcards).filter_map(|index| self.rules.get(*index)).find(|rule| takes(rule, name))?;
        Some((rule, name))
    }

    /// All rules in the order of declaration.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Model names for `/v1/models`, in the order of declaration, each once: every exact name that is not hidden, and
    /// the names that a wildcard rule lists.
    pub fn listed(&self) -> &[String] {
        &self.listed
    }
}

/// Whether `rule` takes `name`: it matches, and no step would ask a provider for the model of no name.
fn takes(rule: &Rule, name: &str) -> bool {
    rule.pattern.captures(name).is_some_and(|captures| {
        rule.steps.iter().all(|target| !target.model.has_captures() || !target.model.fill(&captures).is_empty())
    })
}

/// The model name without what only names a place or a mode: `models/`, `publishers/google/models/` (also behind
/// `projects/…/`), and the suffix `[1m]`, by which an agent asks for a long context.
pub fn normalise(model: &str) -> &str {
    let name = match model.split_once("models/") {
        Some(("", name)) => name,
        Some((place, name)) if is_place(place) => name,
        _ => model,
    };
    name.strip_suffix("[1m]").or_else(|| name.strip_suffix("[1M]")).unwrap_or(name)
}

fn is_place(prefix: &str) -> bool {
    (prefix.starts_with("publishers/") || prefix.starts_with("projects/")) && prefix.ends_with('/')
}
