//! What a model answers.

use super::{Block, Usage};
use crate::Dialect;
use crate::json::{Extra, Str};

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Response<'a> {
    /// The dialect it was written in: `extra` and `form` below are in its words.
    pub origin: Dialect,
    /// The provider's id of the answer.
    pub id: Option<Str<'a>>,
    /// The model as the provider names it.
    pub model: Option<Str<'a>>,
    /// When it was made, in seconds of the Unix epoch.
    pub created: Option<u64>,
    /// Alternatives; at least one unless the prompt itself was refused.
    pub choices: Vec<Choice<'a>>,
    /// Tokens spent.
    pub usage: Option<Usage<'a>>,
    /// Members without a field.
    pub extra: Extra<'a>,
}

/// One alternative of an answer.
#[derive(Clone, Debug)]
pub struct Choice<'a> {
    /// Its number, from 0.
    pub index: u32,
    /// What was said, in order.
    pub blocks: Vec<Block<'a>>,
    /// Why it ended.
    pub stop: StopReason,
    /// The dialect's own word for it, to be written again for a client of the same dialect.
    pub stop_raw: Option<Str<'a>>,
    /// The stop sequence that was met, where the provider says so.
    pub stop_sequence: Option<Str<'a>>,
    /// Members without a field.
    pub extra: Extra<'a>,
    /// Spelling bits of the dialect of `origin`.
    pub form: u8,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// The model was done.
    EndTurn,
    /// The cap of output tokens, or the context, was reached.
    MaxTokens,
    /// The model waits for a tool. Decoders say so whenever a tool call was seen, whatever the provider's word.
    ToolUse,
    /// One of the client's stop sequences came.
    StopSequence,
    /// Safety, policy, recitation: the provider held the answer back.
    Refusal,
    /// The provider paused a long turn (Anthropic `pause_turn`).
    Pause,
    /// The model wrote a call that cannot be read (Gemini `MALFORMED_FUNCTION_CALL`).
    Malformed,
    /// A reason that has no name here.
    Other,
}

/// What an encoder needs to know of the request it answers.
#[derive(Clone, Debug, Default)]
pub struct ReplyContext {
    /// Model name to show the client: normally the one it asked for.
    pub model: String,
    /// Now, in seconds of the Unix epoch.
    pub created: u64,
    /// Source of ids: ids made for one answer are derived from it and are unique within it.
    pub seed: u64,
    /// Responses: number of the first event, where a stream goes on that began elsewhere.
    pub sequence: u64,
    /// OpenAI Chat: whether the client asked for the usage chunk.
    pub include_usage: bool,
    /// Whether reasoning is shown to clients of OpenAI Chat as `reasoning_content`.
    pub reasoning_content: bool,
    /// The request as the client sent it (Responses echoes parts of it: `tools`, `instructions`, `metadata`, …).
    pub request: std::sync::Arc<[u8]>,
}

impl ReplyContext {
    /// An id unique within this answer: `prefix`, then 24 hexadecimal digits from the seed and `n`.
    pub fn id(&self, prefix: &str, n: u64) -> String {
        // splitmix64 (Steele, Lea, Flood 2014): two rounds give independent words from one seed.
        let high = mix(self.seed ^ mix(n));
        let low = mix(high ^ self.seed) as u32;
        format!("{prefix}{high:016x}{low:08x}")
    }
}

fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What the encoding of a request changed that must be undone in its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyNotes {
    /// Tool names that the target could not take: (as sent, as the client named it).
    pub tool_names: Vec<(String, String)>,
    /// Freeform tools that were wrapped as functions with one string field `input`: names as sent.
    pub wrapped_custom: Vec<String>,
    /// The function that was forced to get JSON output from a target without one: its arguments are the answer's text.
    pub json_tool: Option<String>,
    /// Functions that want a shell command as a list of words: names as the client knows them.
    pub shell_commands: Vec<String>,
}
