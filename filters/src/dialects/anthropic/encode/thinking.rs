//! How the target shall think, and what thinking forbids.
//!
//! What the model takes is in its profile: a budget of tokens (`enabled`), or a choice of its own (`adaptive`) with an
//! effort in words, or no thinking at all. A model that nothing is known of is taken for the budget kind, which is the
//! older and the wider known one.
//!
//! With a budget the assistant's turn of an open tool loop must begin with its own sealed thought. When the loop was
//! made elsewhere there is none, and inventing one is refused: thinking is off for that request.

use super::arrange::{Item, Message};
use super::words::Words;
use crate::dialects::Target;
use crate::dialects::anthropic::own;
use crate::ir::LossKind::{Approximated, Clamped, Dropped};
use crate::ir::{BlockKind, Effort, Losses, ReasoningConfig, Request, Role, Turn};
use crate::json::{Num, Writer};
use crate::profiles::ThinkingControl;

/// Smallest budget that the provider takes, in tokens, where the profile does not say.
const BUDGET_MIN: u64 = 1_024;

/// The `thinking` member to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking {
    /// None: the provider's default, which is not to think.
    Unsaid,
    Disabled,
    Budget(u64),
    Adaptive {
        shown: Option<bool>,
    },
}

/// Thinking and the cap of the answer, which must hold it.
#[derive(Clone, Debug)]
pub(super) struct Plan<'r> {
    pub(super) thinking: Thinking,
    pub(super) effort: Option<&'static str>,
    pub(super) max_tokens: Num<'r>,
}

impl<'r> Plan<'r> {
    pub(super) fn of(
        request: &'r Request<'r>,
        target: &Target,
        messages: &[Message<'_>],
        words: Words,
        losses: &mut Losses,
    ) -> Self {
        let mut plan = Plan { thinking: Thinking::Unsaid, effort: None, max_tokens: Num::from(0) };
        if let Some(config) = &request.reasoning {
            losses.drop_extra(words.reasoning(), &config.extra);
            plan.ask(config, target, words, losses);
        }
        if matches!(plan.thinking, Thinking::Budget(_)) && target.repairs.tool_loops && has_unsealed_loop(messages) {
            losses.add(words.reasoning(), Dropped);
            plan.thinking = Thinking::Disabled;
        }
        if plan.on() && target.repairs.turns && messages.last().is_some_and(|message| message.assistant) {
            // An answer that was begun for the model cannot be gone on with while thinking.
            losses.add(words.reasoning(), Dropped);
            plan.thinking = Thinking::Disabled;
            plan.effort = None;
        }
        plan.fit(request.max_output_tokens.as_ref(), target, words, losses);
        plan
    }

    /// Whether the model will think.
    pub(super) fn on(&self) -> bool {
        matches!(self.thinking, Thinking::Budget(_) | Thinking::Adaptive { .. })
    }

    fn ask(&mut self, config: &ReasoningConfig<'_>, target: &Target, words: Words, losses: &mut Losses) {
        let (profile, bounds) = (&target.profile, target.repairs.bounds);
        let budget = config.budget.as_ref();
        let tokens = budget.and_then(Num::as_u64);
        let dynamic = config.adaptive || budget.and_then(Num::as_i64).is_some_and(|tokens| tokens < 0);
        let off = config.enabled == Some(false) || config.effort == Some(Effort::None) || tokens == Some(0);
        if !off && config.effort.is_none() && config.enabled != Some(true) && tokens.is_none() && !dynamic {
            // Only how to show it was said.
            return;
        }
        let adaptive = match profile.thinking {
            Some(ThinkingControl::None) if bounds => {
                if !off {
                    losses.add(words.reasoning(), Dropped);
                }
                return;
            }
            control => control == Some(ThinkingControl::Adaptive),
        };
        if off && profile.thinking_off == Some(false) && bounds {
            // The least that the model can do.
            losses.add(words.reasoning(), Clamped);
            self.effort = effort_word(profile.effort_min.unwrap_or(Effort::Low)).filter(|_| adaptive);
            self.thinking = if adaptive { Thinking::Adaptive { shown: None } } else { Thinking::Budget(0) };
        } else if off {
            self.thinking = Thinking::Disabled;
        } else if adaptive {
            if config.effort.is_none() && tokens.is_some() || config.effort == Some(Effort::Minimal) {
                losses.add(words.reasoning(), Approximated);
            }
            let effort = config.effort.or_else(|| tokens.map(Effort::from_budget)).map(|asked| {
                let most = asked.min(profile.effort_max.unwrap_or(asked));
                if most != asked && bounds {
                    losses.add(words.reasoning(), Clamped);
                }
                if bounds { most } else { asked }
            });
            self.effort = effort.and_then(effort_word);
            self.thinking = Thinking::Adaptive { shown: config.visible };
        } else {
            let effort = config.effort.unwrap_or(Effort::Medium);
            self.thinking = Thinking::Budget(tokens.unwrap_or_else(|| effort.budget_tokens()));
        }
    }

    /// Makes the cap fit the model, and the budget the cap: the client's cap stays and the budget shrinks; without one
    /// the cap grows. The default cap is not the model's own, since cap and prompt together must fit into the context.
    fn fit(&mut self, cap: Option<&'r Num<'r>>, target: &Target, words: Words, losses: &mut Losses) {
        let (profile, bounds) = (&target.profile, target.repairs.bounds);
        let ceiling = profile.output_tokens_max.filter(|_| bounds).unwrap_or(u64::MAX).max(1);
        let default = target.quirks.default_max_output_tokens.clamp(1, ceiling);
        let room = cap.map(|cap| cap.as_u64().unwrap_or(default).min(ceiling));
        // Whole numbers written as `4096.0` are refused.
        self.max_tokens = match cap {
            None => Num::from(default),
            Some(cap) => cap.as_u64().map_or_else(|| cap.clone(), |cap| Num::from(cap.min(ceiling))),
        };
        if cap.and_then(Num::as_u64).is_some_and(|cap| cap > ceiling) {
            losses.add(words.cap(), Clamped);
        }
        let Thinking::Budget(asked) = self.thinking else { return };
        let least = profile.thinking_budget_min.unwrap_or(BUDGET_MIN);
        let most = profile.thinking_budget_max.unwrap_or(u64::MAX).max(least);
        let budget = if bounds { asked.clamp(least, most) } else { asked };
        let within = room.unwrap_or(ceiling);
        let fitted = match budget {
            budget if !bounds => budget,
            _ if within <= least => {
                losses.add(words.reasoning(), Dropped);
                self.thinking = Thinking::Disabled;
                return;
            }
            // Half of it for the thoughts leaves half for the answer.
            budget if budget >= within => (within / 2).max(least),
            budget => budget,
        };
        if fitted != asked {
            losses.add(words.reasoning(), Clamped);
        }
        self.thinking = Thinking::Budget(fitted);
        if room.is_none() && fitted >= default {
            self.max_tokens = Num::from(fitted.saturating_add(default).min(ceiling));
        }
    }

    /// Writes the `thinking` member.
    pub(super) fn write(&self, w: &mut Writer<'_>) {
        if self.thinking == Thinking::Unsaid {
            return;
        }
        w.key("thinking").object(|w| match self.thinking {
            Thinking::Unsaid | Thinking::Disabled => w.key("type").str("disabled"),
            Thinking::Budget(tokens) => {
                w.key("type").str("enabled");
                w.key("budget_tokens").u64(tokens);
            }
            Thinking::Adaptive { shown } => {
                w.key("type").str("adaptive");
                w.opt_str("display", shown.map(|shown| if shown { "summarized" } else { "omitted" }));
            }
        });
    }
}

/// The provider's word for an effort; it has none for not thinking.
pub(super) fn effort_word(effort: Effort) -> Option<&'static str> {
    match effort {
        Effort::None => None,
        Effort::Minimal | Effort::Low => Some("low"),
        Effort::Medium => Some("medium"),
        Effort::High => Some("high"),
        Effort::Max => Some("max"),
    }
}

/// Whether the conversation stands in the middle of a tool loop that has no thought with this dialect's seal.
fn has_unsealed_loop(messages: &[Message<'_>]) -> bool {
    let mut called = false;
    for message in messages.iter().rev() {
        if message.assistant {
            called |= message.items.iter().any(Item::is_call);
            if message.items.iter().any(Item::is_sealed_thought) {
                return false;
            }
        } else if !message.items.iter().any(Item::is_result) {
            // The user's own words: the loop began after them.
            break;
        }
    }
    called
}

/// The same question about turns of this dialect, asked when thoughts were taken out of them.
pub(super) fn is_open_loop_sealed(turns: &[Turn<'_>]) -> bool {
    let mut called = false;
    for turn in turns.iter().rev().filter(|turn| !turn.role.is_system()) {
        let has = |test: fn(&BlockKind<'_>) -> bool| turn.blocks.iter().any(|block| test(&block.kind));
        if turn.role == Role::Assistant {
            called |= has(|kind| matches!(kind, BlockKind::ToolUse(_)));
            if turn.blocks.iter().any(own::is_sealed) {
                return true;
            }
        } else if !has(|kind| matches!(kind, BlockKind::ToolResult(_))) {
            break;
        }
    }
    !called
}
