//! How the target shall think, and what thinking forbids.
//!
//! Models up to 4.5 take a budget of tokens (`enabled`), later ones choose it themselves (`adaptive`) and take an effort
//! in words; from 4.7 on they refuse a budget, and sampling numbers too. Names that say no version (compatible servers)
//! are taken for the budget kind, which is the older and the wider known one.
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

/// Smallest budget that the provider takes, in tokens.
const BUDGET_MIN: u64 = 1_024;

/// What a model's name tells of its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Generation(u32, u32);

impl Generation {
    /// Major and minor version of a name such as `claude-opus-4-8` or `claude-3-7-sonnet-20250219`.
    pub(super) fn of(model: &str) -> Option<Self> {
        let model = model.to_ascii_lowercase();
        let (_, name) = model.split_once("claude-")?;
        // Dates have eight digits, versions one or two.
        let mut numbers = name
            .split(['-', '.', '@'])
            .skip_while(|part| part.parse::<u8>().is_err())
            .map_while(|part| part.parse::<u8>().ok().filter(|_| part.len() <= 2));
        Some(Generation(numbers.next()?.into(), numbers.next().unwrap_or(0).into()))
    }

    /// Whether the model chooses its budget itself.
    fn is_adaptive(model: &str) -> bool {
        Self::of(model).is_some_and(|version| version >= Generation(4, 6))
    }

    /// Whether the model refuses `temperature`, `top_p` and `top_k`.
    pub(super) fn refuses_sampling(model: &str) -> bool {
        Self::of(model).is_some_and(|version| version >= Generation(4, 7))
    }
}

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
        let default = target.quirks.default_max_output_tokens.max(1);
        let cap = request.max_output_tokens.clone();
        let mut plan = Plan { thinking: Thinking::Unsaid, effort: None, max_tokens: Num::from(default) };
        if let Some(config) = &request.reasoning {
            losses.drop_extra(words.reasoning(), &config.extra);
            plan.ask(config, target, words, losses);
        }
        if matches!(plan.thinking, Thinking::Budget(_)) && has_unsealed_loop(messages) {
            losses.add(words.reasoning(), Dropped);
            plan.thinking = Thinking::Disabled;
        }
        let on = matches!(plan.thinking, Thinking::Budget(_) | Thinking::Adaptive { .. });
        if on && messages.last().is_some_and(|message| message.assistant) {
            // An answer that was begun for the model cannot be gone on with while thinking.
            losses.add(words.reasoning(), Dropped);
            plan.thinking = Thinking::Disabled;
            plan.effort = None;
        }
        plan.fit(cap, default, words, losses);
        plan
    }

    /// Whether the model will think.
    pub(super) fn on(&self) -> bool {
        matches!(self.thinking, Thinking::Budget(_) | Thinking::Adaptive { .. })
    }

    fn ask(&mut self, config: &ReasoningConfig<'_>, target: &Target, words: Words, losses: &mut Losses) {
        let budget = config.budget.as_ref();
        let tokens = budget.and_then(Num::as_u64);
        let dynamic = config.adaptive || budget.and_then(Num::as_i64).is_some_and(|tokens| tokens < 0);
        if config.enabled == Some(false) || config.effort == Some(Effort::None) || tokens == Some(0) {
            self.thinking = Thinking::Disabled;
            return;
        }
        if config.effort.is_none() && config.enabled != Some(true) && tokens.is_none() && !dynamic {
            // Only how to show it was said.
            return;
        }
        if Generation::is_adaptive(&target.model) {
            if config.effort.is_none() && tokens.is_some() || config.effort == Some(Effort::Minimal) {
                losses.add(words.reasoning(), Approximated);
            }
            let effort = config.effort.or_else(|| tokens.map(Effort::from_budget));
            self.effort = effort.and_then(effort_word);
            self.thinking = Thinking::Adaptive { shown: config.visible };
        } else {
            let effort = config.effort.unwrap_or(Effort::Medium);
            self.thinking = Thinking::Budget(tokens.unwrap_or_else(|| effort.budget_tokens()));
        }
    }

    /// Makes the cap hold the budget: the client's cap stays and the budget shrinks; without one the cap grows.
    fn fit(&mut self, cap: Option<Num<'r>>, default: u64, words: Words, losses: &mut Losses) {
        let room = cap.as_ref().map(|cap| cap.as_u64().unwrap_or(default));
        if let Thinking::Budget(asked) = self.thinking {
            let budget = asked.max(BUDGET_MIN);
            let fitted = match room {
                Some(room) if room <= BUDGET_MIN => None,
                // Half of it for the thoughts leaves half for the answer.
                Some(room) if budget >= room => Some((room / 2).max(BUDGET_MIN)),
                _ => Some(budget),
            };
            match fitted {
                Some(budget) => {
                    if budget != asked {
                        losses.add(words.reasoning(), Clamped);
                    }
                    self.thinking = Thinking::Budget(budget);
                    if room.is_none() && budget >= default {
                        self.max_tokens = Num::from(budget.saturating_add(default));
                    }
                }
                None => {
                    losses.add(words.reasoning(), Dropped);
                    self.thinking = Thinking::Disabled;
                }
            }
        }
        if let Some(cap) = cap {
            // Whole numbers written as `4096.0` are refused.
            self.max_tokens = cap.as_u64().map_or(cap, Num::from);
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
