//! What a client asks.

use super::Block;
use crate::Dialect;
use crate::json::{Extra, Num, Raw, Str};

/// One request for a model's answer.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The dialect it was written in: `extra` and `form` anywhere below are in its words.
    pub origin: Dialect,
    /// Model as the client named it (for Gemini from the path, without `models/`).
    pub model: Str<'a>,
    /// Whether the answer shall come as events.
    pub stream: bool,
    /// The conversation in the client's order. System text that the dialect holds apart (Anthropic `system`, Gemini
    /// `systemInstruction`, Responses `instructions`) comes as leading [`Role::System`] turns.
    pub turns: Vec<Turn<'a>>,
    /// Tools the model may call.
    pub tools: Vec<Tool<'a>>,
    /// Which tool it must, may or must not call.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether one answer may hold several calls.
    pub parallel_tool_calls: Option<bool>,
    /// Randomness.
    pub sampling: Sampling<'a>,
    /// Cap of the answer in tokens, reasoning included.
    pub max_output_tokens: Option<Num<'a>>,
    /// Texts that end the answer.
    pub stop: Vec<Str<'a>>,
    /// How long and how visibly to reason.
    pub reasoning: Option<ReasoningConfig<'a>>,
    /// Form of the answer.
    pub output_format: Option<OutputFormat<'a>>,
    /// Number of alternative answers (`n`, `candidateCount`).
    pub candidates: Option<Num<'a>>,
    /// The end user, as the client names it (`user`, `metadata.user_id`).
    pub user: Option<Str<'a>>,
    /// Which processing tier is wanted, in OpenAI's words (`auto`, `default`, `flex`, `priority`).
    pub service_tier: Option<Str<'a>>,
    /// Labels for the operator's own books: a JSON object of strings (OpenAI `metadata`, Vertex `labels`).
    pub metadata: Option<Raw<'a>>,
    /// What keeps requests with the same beginning on one cache (OpenAI `prompt_cache_key`).
    pub prompt_cache_key: Option<Str<'a>>,
    /// How much to say: `low`, `medium`, `high` (OpenAI `verbosity`, Responses `text.verbosity`).
    pub verbosity: Option<Str<'a>>,
    /// Whether the provider shall keep the answer (OpenAI `store`).
    pub store: Option<bool>,
    /// Whether and how many log probabilities of tokens are wanted.
    pub logprobs: Option<LogprobsConfig<'a>>,
    /// Members without a field.
    pub extra: Extra<'a>,
    /// Which of the dialect's equal spellings was used: bits known to the dialect of `origin` only.
    pub form: u32,
}

/// Log probabilities wanted (Chat `logprobs` and `top_logprobs`, Responses `top_logprobs` with
/// `include: ["message.output_text.logprobs"]`, Gemini `responseLogprobs` and `logprobs`).
#[derive(Clone, Debug, Default)]
pub struct LogprobsConfig<'a> {
    /// Alternatives to name for each token, 0 to 20; `None` where only the chosen token's is wanted.
    pub top: Option<Num<'a>>,
}

impl<'a> Request<'a> {
    /// Members without a field that are a loss for a target of another dialect: all but Chat's `stream_options`, since
    /// usage is always told there.
    pub fn unsaid_elsewhere(&self) -> Extra<'_> {
        let lost = self.extra.iter().filter(|(key, _)| *key != "stream_options");
        Extra(lost.map(|(key, value)| (Str::from(key), value.reborrow())).collect())
    }

    /// An empty request of `origin` for `model`.
    pub fn new(origin: Dialect, model: Str<'a>) -> Self {
        Request {
            origin,
            model,
            stream: false,
            turns: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            sampling: Sampling::default(),
            max_output_tokens: None,
            stop: Vec::new(),
            reasoning: None,
            output_format: None,
            candidates: None,
            user: None,
            service_tier: None,
            metadata: None,
            prompt_cache_key: None,
            verbosity: None,
            store: None,
            logprobs: None,
            extra: Extra::default(),
            form: 0,
        }
    }

    /// The leading system and developer turns, and the rest.
    pub fn split_system(&self) -> (&[Turn<'a>], &[Turn<'a>]) {
        let at = self.turns.iter().position(|turn| !turn.role.is_system()).unwrap_or(self.turns.len());
        self.turns.split_at(at)
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The operator's instructions.
    System,
    /// OpenAI's later name for [`Role::System`].
    Developer,
    /// The person or program that asks; also tool results in the dialects that put them into user turns.
    User,
    /// The model.
    Assistant,
    /// Results of tool calls, in the dialects that give them a role of their own.
    Tool,
}

impl Role {
    /// System or developer.
    pub fn is_system(self) -> bool {
        matches!(self, Role::System | Role::Developer)
    }
}

/// One message, or one item of a Responses input.
#[derive(Clone, Debug)]
pub struct Turn<'a> {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub blocks: Vec<Block<'a>>,
    /// The speaker's name (OpenAI `name`).
    pub name: Option<Str<'a>>,
    /// Members without a field.
    pub extra: Extra<'a>,
    /// Spelling bits of the dialect of `origin`.
    pub form: u8,
}

impl<'a> Turn<'a> {
    /// A turn of `role` that says `blocks`.
    pub fn new(role: Role, blocks: Vec<Block<'a>>) -> Self {
        Turn { role, blocks, name: None, extra: Extra::default(), form: 0 }
    }
}

/// Randomness of the answer; numbers as the client wrote them.
#[derive(Clone, Debug, Default)]
pub struct Sampling<'a> {
    /// 0 to 2 (OpenAI, Gemini) or 0 to 1 (Anthropic).
    pub temperature: Option<Num<'a>>,
    /// Nucleus, 0 to 1.
    pub top_p: Option<Num<'a>>,
    /// Number of candidates a token is drawn from (Anthropic, Gemini).
    pub top_k: Option<Num<'a>>,
    /// −2 to 2 (OpenAI, Gemini).
    pub presence_penalty: Option<Num<'a>>,
    /// −2 to 2 (OpenAI, Gemini).
    pub frequency_penalty: Option<Num<'a>>,
    /// For repeatable answers (OpenAI Chat, Gemini).
    pub seed: Option<Num<'a>>,
}

/// What a tool is.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolKind<'a> {
    /// A function with a JSON Schema of its arguments; `None` when it takes none and the client gave no schema.
    Function {
        /// JSON Schema as written.
        parameters: Option<Raw<'a>>,
    },
    /// A freeform tool (OpenAI `custom`): its input is plain text, `format` its grammar.
    Custom {
        /// OpenAI `format`, as written.
        format: Option<Raw<'a>>,
    },
    /// A tool that the provider runs itself, e.g. web search: the whole tool object as written.
    Hosted {
        /// The tool object in the dialect of `origin`.
        raw: Raw<'a>,
    },
}

/// A tool the model may call.
#[derive(Clone, Debug)]
pub struct Tool<'a> {
    /// Its name; for hosted tools the dialect's type name (`web_search_20250305`, `googleSearch`).
    pub name: Str<'a>,
    /// What it does.
    pub description: Option<Str<'a>>,
    /// Whether the arguments must follow the schema exactly.
    pub strict: Option<bool>,
    /// What it is.
    pub kind: ToolKind<'a>,
    /// Prompt-cache mark (Anthropic `cache_control`).
    pub cache: Option<super::CacheMark<'a>>,
    /// Members without a field.
    pub extra: Extra<'a>,
    /// Spelling bits of the dialect of `origin`.
    pub form: u8,
}

/// Which tool the model must, may or must not call.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolChoice<'a> {
    /// The model decides.
    Auto,
    /// No call.
    None,
    /// Some call.
    Required,
    /// A call of this tool.
    Named(Str<'a>),
    /// Some call (`required`) or at most a call (not `required`) of one of these.
    Among {
        /// Names allowed.
        names: Vec<Str<'a>>,
        /// Whether a call must come.
        required: bool,
    },
    /// Another form of the dialect of `origin`.
    Opaque(Raw<'a>),
}

/// How hard to think, in the field's common scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// Not at all.
    None,
    /// OpenAI `minimal`.
    Minimal,
    /// `low`.
    Low,
    /// `medium`.
    Medium,
    /// `high`.
    High,
    /// OpenAI `xhigh`, Anthropic `max`.
    Max,
}

impl Effort {
    /// Thinking budget in tokens that stands for this effort where a target counts tokens.
    pub fn budget_tokens(self) -> u64 {
        match self {
            Effort::None => 0,
            Effort::Minimal => 1_024,
            Effort::Low => 4_096,
            Effort::Medium => 8_192,
            Effort::High => 16_384,
            Effort::Max => 32_768,
        }
    }

    /// The effort whose budget is nearest from above.
    pub fn from_budget(tokens: u64) -> Self {
        match tokens {
            0 => Effort::None,
            1..=1_024 => Effort::Minimal,
            1_025..=4_096 => Effort::Low,
            4_097..=8_192 => Effort::Medium,
            8_193..=16_384 => Effort::High,
            _ => Effort::Max,
        }
    }

    /// OpenAI's word.
    pub fn as_openai(self) -> &'static str {
        match self {
            Effort::None => "none",
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::Max => "xhigh",
        }
    }

    /// Reads a word of any dialect, upper or lower case (`low`, `HIGH`, `xhigh`, `max`).
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "none" | "off" => Effort::None,
            "minimal" => Effort::Minimal,
            "low" => Effort::Low,
            "medium" => Effort::Medium,
            "high" => Effort::High,
            "xhigh" | "max" => Effort::Max,
            _ => return None,
        })
    }
}

/// How long and how visibly to reason.
#[derive(Clone, Debug, Default)]
pub struct ReasoningConfig<'a> {
    /// Effort in words (OpenAI `reasoning_effort`, Gemini 3 `thinkingLevel`, Anthropic `output_config.effort`).
    pub effort: Option<Effort>,
    /// Budget in tokens (Anthropic `budget_tokens`, Gemini 2.5 `thinkingBudget`; −1 there is `adaptive`).
    pub budget: Option<Num<'a>>,
    /// `false` when the client switched reasoning off, `true` when it asked for it, `None` when it left it to the model.
    pub enabled: Option<bool>,
    /// Whether the model chooses the budget (Anthropic `adaptive`, Gemini −1).
    pub adaptive: bool,
    /// Whether thoughts shall be shown (Gemini `includeThoughts`, OpenAI `summary` present).
    pub visible: Option<bool>,
    /// Members without a field, in the dialect of `origin`.
    pub extra: Extra<'a>,
}

/// Form of the answer.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputFormat<'a> {
    /// Plain text, said explicitly.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that follows a schema.
    JsonSchema {
        /// OpenAI needs a name; others have none.
        name: Option<Str<'a>>,
        /// What it is for.
        description: Option<Str<'a>>,
        /// The JSON Schema as written.
        schema: Raw<'a>,
        /// OpenAI's `strict`.
        strict: Option<bool>,
    },
    /// Another form of the dialect of `origin`, as written.
    Opaque(Raw<'a>),
}
