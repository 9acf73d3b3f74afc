//! The keys `repair` and `profiles`: what is mended in requests, and what is known of models.

use interlingua_filters::ir::Effort;
use interlingua_filters::profiles::ThinkingControl;
use interlingua_filters::repair::{Purify, Repairs};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::config::units::{ByteSize, OneOrMany};

/// What is mended in a request that its target would refuse. Each is reported as a loss where it changes something. All
/// off leaves a plain translation.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Repair {
    /// Bring JSON schemas into the subset that the target takes.
    pub schemas: bool,
    /// Bring tool names and call ids into the target's alphabet and length; the answer has the client's own again.
    pub names: bool,
    /// Answer tool calls that have no result, and turn results without a call into text.
    pub orphans: bool,
    /// Merge consecutive turns of one side where the target wants them to alternate.
    pub turns: bool,
    /// Leave out parts without content.
    pub empty_parts: bool,
    /// Switch thinking off in the middle of a tool loop whose thoughts the target cannot read.
    pub tool_loops: bool,
    /// Bring token caps, thinking budgets and sampling numbers into the model's bounds.
    pub bounds: bool,
    /// Write shell commands that a tool wants as a list of words as such, when the model gave one string.
    pub shell_commands: bool,
    /// What to take out of a conversation that does not fit into the model's context. none: nothing. soft: thoughts before
    /// the last turn of the user. aggressive: all thoughts that the target does not insist on.
    #[schemars(schema_with = "purify_schema")]
    pub purify: Purify,
    /// Longest tool result; the middle of a longer one is left out. 0B: off.
    pub tool_result_bytes_max: ByteSize,
}

impl Default for Repair {
    fn default() -> Self {
        let repairs = Repairs::default();
        Repair {
            schemas: repairs.schemas,
            names: repairs.names,
            orphans: repairs.orphans,
            turns: repairs.turns,
            empty_parts: repairs.empty_parts,
            tool_loops: repairs.tool_loops,
            bounds: repairs.bounds,
            shell_commands: repairs.shell_commands,
            purify: repairs.purify,
            tool_result_bytes_max: ByteSize(repairs.tool_result_bytes_max),
        }
    }
}

fn purify_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["none", "soft", "aggressive"], "default": "none" })
}

fn thinking_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["none", "effort", "budget", "adaptive"] })
}

fn effort_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["none", "minimal", "low", "medium", "high", "max"] })
}

/// What is known of some models. What is said here outranks what the program knows itself; what is left out stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["match"]))]
pub struct Profile {
    /// Names of models, without what stands before their last slash: one, or a list. * stands for any characters, [1-9]
    /// for one of a range.
    #[serde(rename = "match", default)]
    pub names: OneOrMany<String>,
    /// How it is told to think: none (it does not), effort (in words), budget (in tokens) or adaptive (it chooses).
    #[schemars(schema_with = "thinking_schema")]
    pub thinking: Option<ThinkingControl>,
    /// Smallest thinking budget beside 0. Tokens.
    pub thinking_budget_min: Option<u64>,
    /// Largest thinking budget. Tokens.
    pub thinking_budget_max: Option<u64>,
    /// Whether thinking can be switched off.
    pub thinking_off: Option<bool>,
    /// Least effort that it knows a word for.
    #[schemars(schema_with = "effort_schema")]
    pub effort_min: Option<Effort>,
    /// Greatest effort that it knows a word for.
    #[schemars(schema_with = "effort_schema")]
    pub effort_max: Option<Effort>,
    /// Whether it takes temperature, top_p and top_k.
    pub sampling: Option<bool>,
    /// Whether temperature and top_p may come together.
    pub temperature_with_top_p: Option<bool>,
    /// Greatest temperature.
    pub temperature_max: Option<f64>,
    /// Whether it takes presence and frequency penalties.
    pub penalties: Option<bool>,
    /// Whether it takes stop sequences.
    pub stop: Option<bool>,
    /// Whether it gives log probabilities.
    pub logprobs: Option<bool>,
    /// Most alternatives.
    pub candidates_max: Option<u64>,
    /// Most tokens of an answer, reasoning included.
    pub output_tokens_max: Option<u64>,
    /// Most tokens of a request and its answer together.
    pub context_tokens: Option<u64>,
    /// Most pictures in a request.
    pub images_max: Option<u32>,
    /// Whether an answer that the client began can be gone on with.
    pub prefill: Option<bool>,
    /// Whether calls in the history need the seal under which they were made.
    pub sealed_calls: Option<bool>,
    /// Whether tools of the client and of the provider may come together.
    pub mixed_tools: Option<bool>,
    /// Whether a JSON form of the answer and tools may come together.
    pub json_with_tools: Option<bool>,
    /// What a million tokens of a prompt cost, in US dollars.
    pub price_input: Option<f64>,
    /// The same where they are read from the provider's prompt cache.
    pub price_cached: Option<f64>,
    /// The same where they are written to the provider's prompt cache for five minutes, or for an unknown time.
    pub price_cache_write: Option<f64>,
    /// The same where they are written to it for an hour.
    pub price_cache_write_1h: Option<f64>,
    /// What a million tokens of an answer cost, reasoning included, in US dollars.
    pub price_output: Option<f64>,
}
