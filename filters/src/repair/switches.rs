//! Which repairs are made. Each one that changes something is visible as a loss.

/// The switches of the repair layer. With all of them off a request is only translated, and the provider's refusals come
/// back as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Repairs {
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
    /// What to take out of a conversation that does not fit into the model's context.
    pub purify: Purify,
    /// Longest tool result in bytes; the middle of a longer one is left out. 0: off.
    pub tool_result_bytes_max: u64,
}

/// What to take out of a conversation that does not fit into the model's context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purify {
    /// Nothing: the provider refuses it, and the client hears why.
    #[default]
    None,
    /// Thoughts of all turns before the last user turn.
    Soft,
    /// All thoughts that the target does not insist on.
    Aggressive,
}

impl Default for Repairs {
    fn default() -> Self {
        Repairs {
            schemas: true,
            names: true,
            orphans: true,
            turns: true,
            empty_parts: true,
            tool_loops: true,
            bounds: true,
            shell_commands: true,
            purify: Purify::None,
            tool_result_bytes_max: 0,
        }
    }
}
