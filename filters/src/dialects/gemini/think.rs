//! How much a model thinks, and the cap of tokens that leaves room for an answer beside it. The model's
//! [`Profile`](crate::profiles::Profile) says how it is told: in words (`thinkingLevel`), in tokens (`thinkingBudget`), or
//! not at all.

use super::config::level_word;
use super::form;
use crate::dialects::Target;
use crate::ir::{Effort, LossKind, Losses, ReasoningConfig, Request};
use crate::json::{Num, Writer};
use crate::profiles::ThinkingControl;

/// Tokens of the cap that are kept for the answer itself when a budget has to be cut.
const ANSWER_TOKENS_MIN: u64 = 1_024;

/// What `generationConfig` says of thinking, and its cap.
#[derive(Default)]
pub(super) struct Plan<'a> {
    /// `maxOutputTokens`.
    pub(super) cap: Option<Num<'a>>,
    amount: Option<Amount>,
    visible: Option<bool>,
}

enum Amount {
    Level(Effort),
    Budget(u64),
    /// The model chooses: −1.
    Dynamic,
}

impl<'a> Plan<'a> {
    /// The plan of a request of another dialect.
    pub(super) fn new(request: &Request<'a>, target: &Target, losses: &mut Losses) -> Self {
        let mut plan = Plan { cap: client_cap(request, target, losses), ..Plan::default() };
        if let Some(config) = &request.reasoning {
            losses.drop_extra("reasoning", &config.extra);
            plan.think(config, target, losses);
        }
        if plan.cap.is_none() {
            plan.cap = plan.default_cap(target).map(Num::from);
        }
        plan
    }

    fn think(&mut self, config: &ReasoningConfig<'_>, target: &Target, losses: &mut Losses) {
        let off = config.enabled == Some(false) || config.effort == Some(Effort::None);
        self.amount = match target.profile.thinking {
            Some(ThinkingControl::None) => {
                if !off {
                    losses.add("reasoning", LossKind::Dropped);
                }
                return;
            }
            Some(ThinkingControl::Effort) => level(config, off, target, losses).map(Amount::Level),
            // A model that nothing is known of takes what all that think take.
            Some(ThinkingControl::Budget | ThinkingControl::Adaptive) | None => {
                match self.budget(config, off, target, losses) {
                    None if config.adaptive => Some(Amount::Dynamic),
                    budget => budget.map(Amount::Budget),
                }
            }
        };
        self.visible = config.visible.filter(|_| !off);
    }

    /// `None` leaves it to the model.
    fn budget(&self, config: &ReasoningConfig<'_>, off: bool, target: &Target, losses: &mut Losses) -> Option<u64> {
        let given = config.budget.as_ref().and_then(Num::as_u64).filter(|_| !off);
        let asked = if off { 0 } else { given.or_else(|| config.effort.map(Effort::budget_tokens))? };
        let tokens = if target.repairs.bounds { self.bounded(asked, target) } else { Some(asked) };
        if given.is_none() && !off {
            losses.add("reasoning", LossKind::Approximated);
        } else if tokens != Some(asked) {
            losses.add("reasoning", LossKind::Clamped);
        }
        tokens
    }

    /// A budget that the model takes and that leaves room for an answer; `None` where there is no such budget.
    fn bounded(&self, asked: u64, target: &Target) -> Option<u64> {
        let profile = &target.profile;
        let (min, max) = (profile.thinking_budget_min.unwrap_or(0), profile.thinking_budget_max.unwrap_or(u64::MAX));
        let may_stop = profile.thinking_off != Some(false);
        if asked == 0 && may_stop {
            return Some(0);
        }
        let tokens = asked.min(max).max(min);
        // Thoughts count into the cap: without room beside them there would be no answer.
        let cap = self.cap.as_ref().and_then(Num::as_u64).or(profile.output_tokens_max);
        let Some(cap) = cap else { return Some(tokens) };
        let tokens = tokens.min(cap.saturating_sub(ANSWER_TOKENS_MIN).max(cap / 2));
        match tokens {
            fits if fits >= min => Some(fits),
            _ if may_stop => Some(0),
            _ => Some(min).filter(|min| *min < cap),
        }
    }

    /// The cap of a client that named none: the configured one, which the thoughts do not eat up.
    fn default_cap(&self, target: &Target) -> Option<u64> {
        let answer = Some(target.quirks.default_max_output_tokens).filter(|tokens| *tokens > 0)?;
        let thoughts = match self.amount {
            Some(Amount::Budget(tokens)) if tokens.saturating_add(ANSWER_TOKENS_MIN) > answer => tokens,
            _ => 0,
        };
        let max = target.profile.output_tokens_max.filter(|_| target.repairs.bounds).unwrap_or(u64::MAX);
        Some(answer.saturating_add(thoughts).min(max))
    }

    /// Writes the member `thinkingConfig`, when there is something in it.
    pub(super) fn write(&self, w: &mut Writer<'_>) {
        if self.amount.is_none() && self.visible.is_none() {
            return;
        }
        w.key("thinkingConfig").object(|w| {
            match self.amount {
                Some(Amount::Level(level)) => w.key("thinkingLevel").str(level_word(level)),
                Some(Amount::Budget(tokens)) => w.key("thinkingBudget").u64(tokens),
                Some(Amount::Dynamic) => w.key("thinkingBudget").num(&minus_one()),
                None => {}
            }
            w.opt_bool("includeThoughts", self.visible);
        });
    }
}

/// The client's cap, as an integer.
fn client_cap<'a>(request: &Request<'a>, target: &Target, losses: &mut Losses) -> Option<Num<'a>> {
    let cap = request.max_output_tokens.as_ref()?;
    let Some(tokens) = cap.as_u64() else { return Some(cap.clone()) };
    match target.profile.output_tokens_max.filter(|max| target.repairs.bounds && tokens > *max) {
        None => Some(Num::from(tokens)),
        Some(max) => {
            losses.add("max_tokens", LossKind::Clamped);
            Some(Num::from(max))
        }
    }
}

/// `None` leaves it to the model, which chooses by itself.
fn level(config: &ReasoningConfig<'_>, off: bool, target: &Target, losses: &mut Losses) -> Option<Effort> {
    let asked = if off {
        Effort::None
    } else {
        let budget = config.budget.as_ref().and_then(Num::as_u64);
        config.effort.or_else(|| budget.map(Effort::from_budget))?
    };
    let profile = &target.profile;
    // The words that there are: an effort beyond them is said by the nearest.
    let mut level = asked.clamp(Effort::Minimal, Effort::High);
    if target.repairs.bounds {
        level = profile.effort_max.map_or(level, |max| level.min(max));
        level = profile.effort_min.map_or(level, |min| level.max(min));
    }
    if level != asked || config.effort.is_none() {
        losses.add("reasoning", LossKind::Approximated);
    }
    Some(level)
}

/// Thinking of a request of this dialect: as it came, save for a level that models told in tokens do not know.
pub(super) fn own(
    w: &mut Writer<'_>,
    config: &ReasoningConfig<'_>,
    request: &Request<'_>,
    target: &Target,
    losses: &mut Losses,
) {
    let key = |bit, camel, snake| form::spell(request.form, bit, camel, snake);
    let profile = &target.profile;
    let in_tokens = profile.thinking == Some(ThinkingControl::Budget) && target.repairs.bounds;
    w.key(key(form::THINKING_SNAKE, "thinkingConfig", "thinking_config")).object(|w| {
        let budget_key = key(form::BUDGET_SNAKE, "thinkingBudget", "thinking_budget");
        if config.adaptive {
            w.key(budget_key).num(&minus_one());
        }
        w.opt_num(budget_key, config.budget.as_ref());
        if let Some(effort) = config.effort {
            if in_tokens && config.budget.is_none() && !config.adaptive {
                losses.add("generationConfig.thinkingConfig.thinkingLevel", LossKind::Approximated);
                let max = profile.thinking_budget_max.unwrap_or(u64::MAX);
                w.key(budget_key).u64(effort.budget_tokens().min(max));
            } else {
                let word = level_word(effort);
                w.key(key(form::LEVEL_SNAKE, "thinkingLevel", "thinking_level"));
                if request.form & form::LEVEL_UPPER == 0 { w.str(word) } else { w.str(&word.to_ascii_uppercase()) }
            }
        }
        w.opt_bool(key(form::INCLUDE_SNAKE, "includeThoughts", "include_thoughts"), config.visible);
        w.extra(&config.extra);
    });
}

fn minus_one() -> Num<'static> {
    serde_json::from_str("-1").unwrap_or_else(|_| Num::from(0_u64))
}
