//! From rules as declared to a table that cannot be wrong.

use std::collections::HashMap;
use std::sync::Arc;

use interlingua_filters::Dialect;

use super::{
    Captures, Causes, DialectChoice, LargeOutput, Pattern, Planned, Rule, STEPS_MAX, Step, StepKind, Table, Template,
    normalise,
};
use crate::config::Upstream;

/// A rule as declared.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Which model names it takes.
    pub pattern: Pattern,
    /// Where they go.
    pub target: Target,
    /// Where they go if the target fails, in order.
    pub fallbacks: Vec<Fallback>,
    /// Where they go first if the answer may be long.
    pub large_output: Option<LargeOutput<Target>>,
    /// Where they go first if an agent asks for itself.
    pub background: Option<Target>,
    /// Names to show to clients.
    pub list: Vec<String>,
}

/// A pool and a model name.
#[derive(Clone, Debug)]
pub struct Target {
    /// As declared. At least one.
    pub upstreams: Vec<Arc<Upstream>>,
    /// The model in the provider's words.
    pub model: Template,
    /// How the upstreams are ordered for a client.
    pub choice: DialectChoice,
}

/// What is tried when a target fails.
#[derive(Clone, Debug)]
pub struct Fallback {
    /// Where.
    pub to: FallbackTo,
    /// For which causes.
    pub on: Causes,
}

/// Where a fallback leads.
#[derive(Clone, Debug)]
pub enum FallbackTo {
    /// A target of its own.
    Target(Target),
    /// Another model name, which is routed by the table; its own fallbacks follow it.
    Model(String),
}

/// What is wrong with one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    /// Index of the rule.
    pub rule: usize,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong with a rule beside its parts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The pattern stands there twice, so the second is never reached.
    #[error("the pattern is declared twice; this one would never be used")]
    Twice {
        /// Index of the first.
        first: usize,
    },
    /// A fallback names a model that no rule takes.
    #[error("no rule takes the model `{model}`")]
    Unrouted {
        /// Index of the fallback.
        fallback: usize,
        /// The name.
        model: String,
    },
    /// Fallbacks that lead back to their own rule.
    #[error("the fallbacks go round in a circle: {}", .through.join(" → "))]
    Cycle {
        /// Index of the fallback.
        fallback: usize,
        /// The patterns on the way.
        through: Vec<String>,
    },
    /// More than [`STEPS_MAX`] steps.
    #[error("the rule has more than {STEPS_MAX} steps, counting the fallbacks of its fallbacks")]
    TooLong,
    /// A pattern that holds what is taken off a name before it is matched.
    #[error("names are matched without `models/`, `publishers/…/models/` and `[1m]`, so this pattern never matches")]
    Never,
    /// A listed name that no rule takes.
    #[error("`{model}` is listed here, but no rule takes it")]
    NotServed {
        /// Index in the list.
        item: usize,
        /// The name.
        model: String,
    },
}

impl Target {
    /// The step of a request with these captures, for a client that speaks `client`.
    pub(super) fn step(&self, captures: &Captures<'_>, client: Dialect, kind: StepKind) -> Step {
        let own = |upstream: &&Arc<Upstream>| upstream.dialect == client;
        let others = |upstream: &&Arc<Upstream>| upstream.dialect != client;
        let upstreams = match self.choice {
            DialectChoice::AsDeclared => self.upstreams.clone(),
            DialectChoice::OwnIfOffered if self.upstreams.iter().any(|upstream| own(&upstream)) => {
                self.upstreams.iter().filter(own).cloned().collect()
            }
            DialectChoice::OwnIfOffered | DialectChoice::PreferOwn => {
                self.upstreams.iter().filter(own).chain(self.upstreams.iter().filter(others)).cloned().collect()
            }
        };
        Step::new(upstreams, self.model.fill(captures), kind)
    }

    fn bind(&self, captures: &Captures<'_>) -> Target {
        Target { model: Template::constant(self.model.fill(captures)), ..self.clone() }
    }
}

impl Table {
    /// Makes the table, or says everything that is wrong with the rules. With `fallbacks` off each rule has its target
    /// alone, but its fallbacks are checked all the same.
    pub fn build(drafts: &[Draft], fallbacks: bool) -> Result<Table, Vec<BuildError>> {
        let mut errors = Vec::new();
        twice(drafts, &mut errors);
        // Fallbacks are routed by the targets alone, which any table of these rules decides alike.
        let bare = Table::assemble(drafts.iter().map(target_only).collect(), Vec::new());
        let index: HashMap<&str, usize> =
            drafts.iter().enumerate().rev().map(|(index, draft)| (draft.pattern.as_str(), index)).collect();
        let mut rules = Vec::with_capacity(drafts.len());
        for (number, draft) in drafts.iter().enumerate() {
            if normalise(draft.pattern.as_str()) != draft.pattern.as_str() {
                errors.push(BuildError { rule: number, fault: Fault::Never });
            }
            let mut walk = Walk { drafts, bare: &bare, index: &index, own: 0, through: Vec::new(), steps: Vec::new() };
            if let Err(fault) = walk.visit(number, None, Place { on: Causes::ALL, under: 0 }) {
                errors.push(BuildError { rule: number, fault });
            }
            walk.steps.truncate(if fallbacks { STEPS_MAX } else { 1 });
            rules.push(Rule { steps: walk.steps, ..target_only(draft) });
            not_served(number, draft, &bare, &mut errors);
        }
        let listed = drafts.iter().flat_map(|draft| draft.list.iter().cloned()).collect();
        if errors.is_empty() { Ok(Table::assemble(rules, listed)) } else { Err(errors) }
    }
}

/// Follows the fallbacks of one rule.
struct Walk<'a> {
    drafts: &'a [Draft],
    bare: &'a Table,
    index: &'a HashMap<&'a str, usize>,
    /// Which fallback of the first rule is followed.
    own: usize,
    /// Rules on the way to the present one. Its length is bounded by [`STEPS_MAX`], as each adds a step.
    through: Vec<usize>,
    steps: Vec<Planned>,
}

/// Where a step stands among the others.
#[derive(Clone, Copy)]
struct Place {
    on: Causes,
    under: usize,
}

impl Walk<'_> {
    /// Adds the steps of a rule; `captures` are those of the name that led here, for all but the first rule.
    fn visit(&mut self, number: usize, captures: Option<&Captures<'_>>, place: Place) -> Result<(), Fault> {
        let Some(draft) = self.drafts.get(number) else { return Ok(()) };
        self.through.push(number);
        let under = self.steps.len();
        self.push(&draft.target, captures, place)?;
        for (position, fallback) in draft.fallbacks.iter().enumerate() {
            if self.through.len() == 1 {
                self.own = position;
            }
            let place = Place { on: fallback.on, under };
            match &fallback.to {
                FallbackTo::Target(target) => self.push(target, captures, place)?,
                FallbackTo::Model(model) => self.follow(model, place)?,
            }
        }
        self.through.pop();
        Ok(())
    }

    /// Adds the steps of the rule that takes `model`. What is wrong further on is the fault of the rule there, which is
    /// visited for itself: here it only ends the walk.
    fn follow(&mut self, model: &str, place: Place) -> Result<(), Fault> {
        let found = self.bare.find(model).and_then(|(rule, name)| {
            let next = *self.index.get(rule.pattern.as_str())?;
            Some((next, self.drafts.get(next)?.pattern.captures(name)?))
        });
        let Some((next, captures)) = found else {
            let mine = self.through.len() == 1;
            let fault = Fault::Unrouted { fallback: self.own, model: model.to_owned() };
            return if mine { Err(fault) } else { Ok(()) };
        };
        if self.through.first() == Some(&next) {
            let names = self.through.iter().chain([&next]).filter_map(|index| self.drafts.get(*index));
            let through = names.map(|draft| draft.pattern.as_str().to_owned()).collect();
            return Err(Fault::Cycle { fallback: self.own, through });
        }
        if self.through.contains(&next) {
            return Ok(());
        }
        self.visit(next, Some(&captures), place)
    }

    fn push(&mut self, target: &Target, captures: Option<&Captures<'_>>, place: Place) -> Result<(), Fault> {
        if self.steps.len() == STEPS_MAX {
            return Err(Fault::TooLong);
        }
        let target = captures.map_or_else(|| target.clone(), |captures| target.bind(captures));
        self.steps.push(Planned { target, on: place.on, under: place.under });
        Ok(())
    }
}

fn target_only(draft: &Draft) -> Rule {
    let target = Planned { target: draft.target.clone(), on: Causes::ALL, under: 0 };
    let (large_output, background) = (draft.large_output.clone(), draft.background.clone());
    Rule { pattern: draft.pattern.clone(), steps: vec![target], large_output, background }
}

fn twice(drafts: &[Draft], errors: &mut Vec<BuildError>) {
    let mut seen = HashMap::new();
    for (rule, draft) in drafts.iter().enumerate() {
        let first = *seen.entry(draft.pattern.as_str()).or_insert(rule);
        if first != rule {
            errors.push(BuildError { rule, fault: Fault::Twice { first } });
        }
    }
}

fn not_served(rule: usize, draft: &Draft, table: &Table, errors: &mut Vec<BuildError>) {
    let nowhere = draft.list.iter().enumerate().filter(|(_, model)| table.find(model).is_none());
    let fault = |(item, model): (usize, &String)| Fault::NotServed { item, model: model.clone() };
    errors.extend(nowhere.map(|listed| BuildError { rule, fault: fault(listed) }));
}
