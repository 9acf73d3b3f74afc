//! The table of rules and how a request finds its route.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use interlingua_filters::Dialect;

use super::{Causes, Look, Pattern, Sign, Signs, Target, Template, recognise};
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
    pub steps: Vec<Planned>,
    /// Where requests go that may have long answers.
    pub large_output: Option<LargeOutput<Target>>,
    /// Where requests go that an agent makes for itself.
    pub background: Option<Target>,
}

/// A target in its place.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Where.
    pub target: Target,
    /// What it is a fallback for.
    pub on: Causes,
    /// Index of the step that it is a fallback of: it is left out when that one was.
    pub under: usize,
}

/// Where a request goes whose answer may be longer than so many tokens.
#[derive(Clone, Debug)]
pub struct LargeOutput<T> {
    /// The cap of output tokens above which it is used.
    pub over: u64,
    /// Where.
    pub to: T,
}

/// Where a request may go.
#[derive(Clone, Debug)]
pub struct Route {
    /// The rule's pattern, for explanations and metrics.
    pub rule: String,
    /// What is tried first, the target, then the fallbacks in order. At least one, at most [`ROUTE_STEPS_MAX`].
    pub steps: Vec<Step>,
    /// What comes first if the answer may be long.
    pub large_output: Option<LargeOutput<Step>>,
    /// What comes first if an agent asks for itself.
    pub background: Option<Step>,
}

/// Most steps of a route: those of its rule, and one each for what may stand around them: large output, background
/// requests, safe mode.
pub const ROUTE_STEPS_MAX: usize = STEPS_MAX + 3;

/// One target of a route: a pool over all accounts of its upstreams.
#[derive(Clone, Debug)]
pub struct Step {
    /// In order of preference. An account is used through the first of these that it offers.
    pub upstreams: Vec<Arc<Upstream>>,
    /// The model in the provider's words. Not empty.
    pub model: String,
    /// What it is to its route.
    pub kind: StepKind,
    /// For which causes a request goes on to it.
    pub on: Causes,
    /// Index of the step that it is a fallback of; its own where it is none.
    pub under: usize,
}

/// What a step is to its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// The rule's own target.
    Target,
    /// A fallback of the rule.
    Fallback,
    /// For long answers.
    LargeOutput,
    /// For requests that an agent makes for itself.
    Background,
    /// The upstream of last resort.
    SafeMode,
}

impl StepKind {
    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            StepKind::Target => "target",
            StepKind::Fallback => "fallback",
            StepKind::LargeOutput => "large_output",
            StepKind::Background => "background",
            StepKind::SafeMode => "safe_mode",
        }
    }
}

impl Step {
    /// A step that a request goes on to from wherever it stands.
    pub fn new(upstreams: Vec<Arc<Upstream>>, model: String, kind: StepKind) -> Self {
        Step { upstreams, model, kind, on: Causes::ALL, under: 0 }
    }
}

impl Route {
    /// A route of one step.
    pub fn single(rule: String, upstreams: Vec<Arc<Upstream>>, model: String) -> Self {
        let step = Step::new(upstreams, model, StepKind::Target);
        Route { rule, steps: vec![step], large_output: None, background: None }
    }

    /// Puts the place for what an agent asks for itself, or for long answers, before the target. Gives what was recognised.
    pub fn shape(&mut self, look: Option<&Look>, signs: Signs, output_cap: Option<u64>) -> Option<Sign> {
        let sign = look.and_then(|look| recognise(look, signs));
        if let (Some(_), Some(step)) = (sign, self.background.clone()) {
            self.put_first(step);
            return sign;
        }
        if let (Some(cap), Some(large)) = (output_cap, self.large_output.clone())
            && cap > large.over
        {
            self.put_first(large.to);
        }
        None
    }

    /// Leaves out the steps that `keep` refuses. Fallbacks of one that goes are then those of the target.
    pub fn retain(&mut self, mut keep: impl FnMut(&Step) -> bool) {
        let kept: Vec<bool> = self.steps.iter().map(&mut keep).collect();
        let place = |index: usize| kept.iter().take(index).filter(|kept| **kept).count();
        let is_kept = |index: usize| kept.get(index).copied().unwrap_or_default();
        for (index, step) in self.steps.iter_mut().enumerate() {
            step.under = if is_kept(step.under) { place(step.under) } else { place(index) };
        }
        let mut kept = kept.iter();
        self.steps.retain(|_| kept.next().copied().unwrap_or_default());
        if let Some(first) = self.steps.first_mut() {
            first.on = Causes::ALL;
        }
    }

    /// Puts a step before all others. From it a request goes on to the next one for every cause.
    pub fn put_first(&mut self, step: Step) {
        for step in &mut self.steps {
            step.under += 1;
        }
        self.steps.insert(0, Step { on: Causes::ALL, under: 0, ..step });
    }

    /// Puts a step behind all others, for every cause.
    pub fn put_last(&mut self, step: Step) {
        let under = self.steps.len();
        self.steps.push(Step { on: Causes::ALL, under, ..step });
    }

    /// The first step behind `at` that is for one of `causes`, and whose own step was not left out. `seen` has a bit for
    /// each step that was tried.
    pub fn next(&self, at: usize, causes: Causes, seen: u32) -> Option<usize> {
        let tried = |index: usize| seen & 1 << index != 0 || index == at;
        let mut rest = self.steps.iter().enumerate().skip(at.saturating_add(1));
        let fits =
            |(index, step): &(usize, &Step)| step.on.meets(causes) && (step.under == *index || tried(step.under));
        rest.find(fits).map(|(index, _)| index)
    }
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
    /// Names that stand for others; looked at before the rules.
    mapped: Mapped,
}

/// Names that stand for others.
#[derive(Clone, Debug, Default)]
struct Mapped {
    exact: HashMap<String, String>,
    /// The more characters that are not `*`, the earlier.
    wildcards: Vec<(Pattern, Template)>,
}

impl Mapped {
    fn find(&self, name: &str) -> Option<String> {
        if let Some(target) = self.exact.get(name) {
            return Some(target.clone());
        }
        self.wildcards.iter().find_map(|(pattern, target)| Some(target.fill(&pattern.captures(name)?)))
    }
}

impl Rule {
    /// Everywhere that its requests may go.
    fn targets(&self) -> impl Iterator<Item = &Target> {
        let large = self.large_output.as_ref().map(|large| &large.to);
        self.steps.iter().map(|planned| &planned.target).chain(large).chain(&self.background)
    }
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
        Table { rules, exact, wildcards, listed, mapped: Mapped::default() }
    }

    /// Has names stand for others, in the place of those before: `(name, target)`, a name may be a pattern. They are looked
    /// at before the rules, once: a target is a name for the rules. Those that are no names are left out.
    pub fn map<'m>(&mut self, names: impl IntoIterator<Item = (&'m str, &'m str)>) {
        let mut mapped = Mapped::default();
        for (name, target) in names {
            let Ok(pattern) = Pattern::parse(name) else { continue };
            let Ok(template) = Template::parse(target, pattern.wildcards()) else { continue };
            if pattern.is_exact() {
                mapped.exact.insert(name.to_owned(), target.to_owned());
                if !self.listed.iter().any(|listed| listed == name) {
                    self.listed.push(name.to_owned());
                }
            } else {
                mapped.wildcards.push((pattern, template));
            }
        }
        mapped.wildcards.sort_by(|(a, _), (b, _)| b.literals().cmp(&a.literals()).then(a.as_str().cmp(b.as_str())));
        self.mapped = mapped;
    }

    /// The name that `model` stands for, if it stands for another.
    pub fn mapped(&self, model: &str) -> Option<String> {
        self.mapped.find(normalise(model))
    }

    /// The route of `model` for a client that speaks `client`. `None` if no rule takes the name.
    pub fn resolve(&self, model: &str, client: Dialect) -> Option<Route> {
        let mapped = self.mapped(model);
        let (rule, name) = self.find(mapped.as_deref().unwrap_or(model))?;
        let captures = rule.pattern.captures(name)?;
        let step = |target: &Target, kind| target.step(&captures, client, kind);
        let steps = rule.steps.iter().enumerate().map(|(index, planned)| {
            let kind = if index == 0 { StepKind::Target } else { StepKind::Fallback };
            Step { on: planned.on, under: planned.under, ..step(&planned.target, kind) }
        });
        let large = rule.large_output.as_ref();
        Some(Route {
            rule: rule.pattern.as_str().to_owned(),
            steps: steps.collect(),
            large_output: large
                .map(|large| LargeOutput { over: large.over, to: step(&large.to, StepKind::LargeOutput) }),
            background: rule.background.as_ref().map(|target| step(target, StepKind::Background)),
        })
    }

    /// The rule of `model`, which stands for itself, and the name as it is matched.
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
        rule.targets().all(|target| !target.model.has_captures() || !target.model.fill(&captures).is_empty())
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
