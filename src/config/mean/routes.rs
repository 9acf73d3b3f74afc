//! Routes.

use super::Mean;
use super::accounts::Accounts;
use super::upstreams::Upstreams;
use crate::config::raw;
use crate::config::report::At;
use crate::config::units::OneOrMany;
use crate::routing::{
    BuildError, Causes, DialectChoice, Draft, Fallback, FallbackTo, Fault, LargeOutput, Pattern, Signs, Table, Target,
    Template,
};

/// From how many output tokens on an answer is large, where the file does not say.
const LARGE_OUTPUT: u64 = 32_000;

/// Largest cap of output tokens that makes sense.
const OUTPUT_MAX: u64 = 1_000_000_000;

/// What a target is read with.
struct Context<'a> {
    pattern: &'a Pattern,
    upstreams: &'a Upstreams,
    accounts: &'a Accounts,
}

impl Mean<'_> {
    pub(super) fn routes(
        &mut self,
        at: &At<'_>,
        raw: &[Option<raw::Rule>],
        upstreams: &Upstreams,
        accounts: &Accounts,
        fallbacks: bool,
    ) -> Table {
        if raw.is_empty() && !self.problems.has(at) {
            let help = "add a rule, such as `- { match: \"*\", upstream: NAME }`".to_owned();
            let message = "there are no rules under `models`, so no request could be served";
            if upstreams.is_empty() {
                // Accounts that are added while the gateway runs bring their upstreams and rules along.
                let help = format!("{help}, or add an account by `interlingua accounts add`");
                self.problems.warn(at, message, Some(help));
            } else {
                self.problems.error(at, message, Some(help));
            }
        }
        let mut drafts = Vec::with_capacity(raw.len());
        // Drafts are fewer than rules where a rule has a fault; this leads from one to the other.
        let mut numbers = Vec::with_capacity(raw.len());
        for (index, rule) in raw.iter().enumerate() {
            let at = at.index(index);
            match rule {
                None => self.problems.empty_item(&at),
                Some(rule) => {
                    if let Some(draft) = self.draft(&at, rule, upstreams, accounts) {
                        drafts.push(draft);
                        numbers.push(index);
                    }
                }
            }
        }
        match Table::build(&drafts, fallbacks) {
            Ok(table) => table,
            Err(errors) => {
                // Where rules are left out for a fault, names may seem unrouted that are not.
                let whole = drafts.len() == raw.len();
                for error in errors {
                    if whole || !matches!(error.fault, Fault::Unrouted { .. } | Fault::NotServed { .. }) {
                        self.fault(at, &error, &numbers);
                    }
                }
                Table::default()
            }
        }
    }

    /// Which requests of agents are known as their own.
    pub(super) fn background(&mut self, at: &At<'_>, raw: &raw::Background) -> Signs {
        if raw.enabled && raw.signs.is_empty() {
            let help = "name a sign, leave the key out for all, or write `enabled: false`".to_owned();
            self.problems.error(&at.key("signs"), "without a sign no request would be recognised", Some(help));
        }
        if raw.enabled { raw.signs.iter().copied().collect() } else { Signs::NONE }
    }

    fn fault(&mut self, at: &At<'_>, error: &BuildError, numbers: &[usize]) {
        let at = at.index(numbers.get(error.rule).copied().unwrap_or_default());
        let message = error.fault.to_string();
        match &error.fault {
            Fault::Twice { first } => {
                let first = numbers.get(*first).copied().unwrap_or_default();
                let help = format!("remove one of them; the first is models[{first}]");
                self.problems.error(&at.key("match"), message, Some(help));
            }
            Fault::Never => self.problems.error(&at.key("match"), message, Some("leave that part out".to_owned())),
            Fault::TooLong => self.problems.error(&at.key("fallbacks"), message, None),
            Fault::Unrouted { fallback, .. } => {
                let help = "add `upstream` to send it there, or add a rule for it".to_owned();
                self.problems.error(&at.key("fallbacks").index(*fallback).key("model"), message, Some(help));
            }
            Fault::Cycle { fallback, .. } => {
                let help = "remove this fallback, or give it an `upstream` of its own".to_owned();
                self.problems.error(&at.key("fallbacks").index(*fallback), message, Some(help));
            }
            Fault::NotServed { item, .. } => self.problems.error(&at.key("list").index(*item), message, None),
        }
    }

    fn draft(&mut self, at: &At<'_>, raw: &raw::Rule, upstreams: &Upstreams, accounts: &Accounts) -> Option<Draft> {
        let pattern = match raw.pattern.as_deref() {
            None => {
                self.problems.missing(at, "match", "a model name or a pattern; `\"*\"` for all");
                None
            }
            Some(text) => match Pattern::parse(text) {
                Ok(pattern) => Some(pattern),
                Err(error) => {
                    self.problems.error(&at.key("match"), error.to_string(), None);
                    None
                }
            },
        };
        // Without its pattern the rest of a rule is still looked at; captures cannot be judged then.
        let stand_in = pattern.clone().or_else(|| Pattern::parse("*").ok())?;
        let context = Context { pattern: &stand_in, upstreams, accounts };
        let target = self.target(at, &raw.upstream, raw.model.as_deref(), raw.dialect, &context);
        let mut fallbacks = Vec::with_capacity(raw.fallbacks.len());
        for (index, fallback) in raw.fallbacks.iter().enumerate() {
            let at_list = at.key("fallbacks");
            let at = at_list.index(index);
            match fallback {
                None => self.problems.empty_item(&at),
                Some(fallback) => fallbacks.extend(self.fallback(&at, fallback, raw, &context)),
            }
        }
        let large_output = self.large_output(&at.key("large_output"), raw, &context);
        let background = raw.background.as_ref().and_then(|aside| {
            self.aside(&at.key("background"), (&aside.upstream, aside.model.as_deref(), aside.dialect), raw, &context)
        });
        let pattern = pattern?;
        let mut list = raw.list.clone();
        if pattern.is_exact() && !raw.hidden {
            list.insert(0, pattern.as_str().to_owned());
        }
        Some(Draft { pattern, target: target?, fallbacks, large_output, background, list })
    }

    fn target(
        &mut self,
        at: &At<'_>,
        names: &OneOrMany<String>,
        model: Option<&str>,
        choice: DialectChoice,
        context: &Context<'_>,
    ) -> Option<Target> {
        let upstreams = self.references(at, names, context.upstreams);
        self.served(at, names, context);
        let template = model.map_or(Ok(Template::same()), |text| Template::parse(text, context.pattern.wildcards()));
        match template {
            Ok(_) if upstreams.is_empty() => None,
            Ok(model) => Some(Target { upstreams, model, choice }),
            Err(error) => {
                self.problems.error(&at.key("model"), error.to_string(), None);
                None
            }
        }
    }

    /// Whether some account opens one of the upstreams.
    fn served(&mut self, at: &At<'_>, names: &OneOrMany<String>, context: &Context<'_>) {
        let known: Vec<&String> = names.0.iter().filter(|name| context.upstreams.has(name)).collect();
        let Some(first) = known.first() else { return };
        let at = at.key("upstream");
        if !known.iter().any(|name| context.accounts.opened.contains(*name)) {
            let help = format!(
                "add one with `upstream: {first}` to `accounts`, or by `interlingua accounts add`; also for a provider without credentials"
            );
            // It may be added while the gateway runs, and the last one may be removed.
            self.problems.warn(&at, "no account opens this upstream, so nothing can be served", Some(help));
        } else if !known.iter().any(|name| context.accounts.on.contains(*name)) {
            let help = "set `enabled: true` on one".to_owned();
            self.problems.warn(&at, "all accounts of this upstream are switched off", Some(help));
        }
    }

    fn large_output(&mut self, at: &At<'_>, rule: &raw::Rule, context: &Context<'_>) -> Option<LargeOutput<Target>> {
        let raw = rule.large_output.as_ref()?;
        let over = self.number(at, "over", raw.over.unwrap_or(LARGE_OUTPUT), (1, OUTPUT_MAX));
        let to = self.aside(at, (&raw.upstream, raw.model.as_deref(), raw.dialect), rule, context)?;
        Some(LargeOutput { over, to })
    }

    /// A place beside the rule's own; what it leaves out is the rule's.
    fn aside(
        &mut self,
        at: &At<'_>,
        (names, model, choice): (&OneOrMany<String>, Option<&str>, DialectChoice),
        rule: &raw::Rule,
        context: &Context<'_>,
    ) -> Option<Target> {
        if names.0.is_empty() && model.is_none() {
            let help = "write `model`, `upstream`, or both; what is left out is the rule's".to_owned();
            self.problems.error(at, "this says nothing: requests would go where they go without it", Some(help));
            return None;
        }
        let model = model.or(rule.model.as_deref());
        if !names.0.is_empty() {
            return self.target(at, names, model, choice, context);
        }
        // The rule's upstreams are looked at where they stand.
        let known = rule.upstream.0.iter().filter(|name| context.upstreams.has(name)).cloned().collect();
        self.target(at, &OneOrMany(known), model, choice, context)
    }

    fn fallback(
        &mut self,
        at: &At<'_>,
        raw: &raw::Fallback,
        rule: &raw::Rule,
        context: &Context<'_>,
    ) -> Option<Fallback> {
        let on = match &raw.on {
            None => Causes::USUAL,
            Some(causes) if causes.0.is_empty() => {
                let help = "name a cause, or leave `on` out for limits and unavailable".to_owned();
                self.problems.error(&at.key("on"), "without a cause this fallback would never be used", Some(help));
                Causes::USUAL
            }
            Some(causes) => causes.0.iter().copied().collect(),
        };
        self.fallback_to(at, raw, rule, context).map(|to| Fallback { to, on })
    }

    fn fallback_to(
        &mut self,
        at: &At<'_>,
        raw: &raw::Fallback,
        rule: &raw::Rule,
        context: &Context<'_>,
    ) -> Option<FallbackTo> {
        if !raw.upstream.0.is_empty() {
            let model = raw.model.as_deref().or(rule.model.as_deref());
            return self.target(at, &raw.upstream, model, raw.dialect, context).map(FallbackTo::Target);
        }
        let Some(model) = raw.model.as_deref() else {
            let help = "write `model` for a model of these rules, or `upstream` and `model`".to_owned();
            self.problems.error(at, "the fallback says nothing", Some(help));
            return None;
        };
        match Template::parse(model, 0) {
            Ok(template) if !template.has_captures() => Some(FallbackTo::Model(model.to_owned())),
            Ok(_) | Err(_) => {
                let help = "write the name out, or add `upstream`".to_owned();
                let message = "a fallback to another rule needs a plain model name, without `*` or `{1}`";
                self.problems.error(&at.key("model"), message, Some(help));
                None
            }
        }
    }
}
