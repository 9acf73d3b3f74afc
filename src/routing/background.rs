//! Requests that coding agents make for themselves, beside the conversation: titles, summaries, checks.
//!
//! They are many, small, and need no good model. Each is known by what its agent writes into it: words at the beginning of
//! the system prompt or of the last user turn. The words are those that the agents' published versions send; an agent that
//! words them anew is simply not recognised, and its request goes the usual way.
//!
//! A person's own request must never be taken for one of these. So words are looked for at the beginning of a text alone,
//! and where the agent sends no tools there must be none.

mod look;
#[cfg(test)]
mod tests;

use std::fmt;

pub use self::look::Look;

/// What an agent asks for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// A title for the conversation.
    Title,
    /// Whether a message begins a new topic.
    Topic,
    /// A line or two that sum the conversation up. Not the compaction of a conversation, which its next turns rest on.
    Summary,
    /// A request of one token that only reads the limits.
    Quota,
    /// A request that only warms a connection or a cache.
    WarmUp,
    /// What the person might type next.
    Suggestion,
    /// Whether the model should go on by itself.
    NextSpeaker,
}

impl Sign {
    /// All of them.
    pub const ALL: [Sign; 7] =
        [Sign::Title, Sign::Topic, Sign::Summary, Sign::Quota, Sign::WarmUp, Sign::Suggestion, Sign::NextSpeaker];

    /// The name in the configuration, in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Sign::Title => "title",
            Sign::Topic => "topic",
            Sign::Summary => "summary",
            Sign::Quota => "quota",
            Sign::WarmUp => "warm_up",
            Sign::Suggestion => "suggestion",
            Sign::NextSpeaker => "next_speaker",
        }
    }
}

/// The signs that are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs(u8);

impl Signs {
    /// None: nothing is recognised.
    pub const NONE: Signs = Signs(0);
    /// Every one.
    pub const ALL: Signs = Signs(0b111_1111);

    /// Whether `sign` is among them.
    pub fn has(self, sign: Sign) -> bool {
        self.0 & 1 << sign as u8 != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Sign> for Signs {
    fn from_iter<I: IntoIterator<Item = Sign>>(signs: I) -> Self {
        signs.into_iter().fold(Signs::NONE, |all, sign| Signs(all.0 | 1 << sign as u8))
    }
}

impl fmt::Display for Signs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Sign::ALL.into_iter().filter(|sign| self.has(*sign)).map(Sign::name).collect();
        f.write_str(&names.join(", "))
    }
}

/// Where words stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Within the beginning of a block of the system prompt: agents put their name before their task.
    System,
    /// At the very beginning of a block of the last user turn.
    User,
    /// A block of the last user turn is this and nothing else.
    Whole,
}

/// One way to know a request.
struct Mark {
    sign: Sign,
    at: At,
    words: &'static str,
    /// Whether the agent sends it without tools.
    bare: bool,
    /// The cap of output tokens that the agent sends.
    cap: Option<u64>,
}

const fn mark(sign: Sign, at: At, words: &'static str) -> Mark {
    Mark { sign, at, words, bare: true, cap: None }
}

/// All of them. The first that fits decides.
const MARKS: &[Mark] = &[
    // Claude Code: names of sessions, as its versions worded them one after the other.
    mark(Sign::Title, At::System, "Generate a concise, sentence-case title"),
    mark(Sign::Title, At::System, "Generate a short kebab-case name"),
    mark(Sign::Title, At::System, "You are naming a coding session"),
    mark(Sign::Title, At::User, "Please write a 5-10 word title for the following conversation"),
    // opencode.
    mark(Sign::Title, At::System, "You are a title generator. You output ONLY a thread title."),
    // Codex.
    mark(
        Sign::Title,
        At::User,
        "You are a helpful assistant. You will be presented with a user prompt, and your job is to provide a short title for a task",
    ),
    // Claude Code.
    mark(Sign::Topic, At::System, "Analyze if this message indicates a new conversation topic"),
    mark(Sign::Summary, At::System, "Summarize this coding conversation in under 50 characters"),
    Mark { bare: false, ..mark(Sign::Summary, At::User, "The user stepped away and is coming back.") },
    // Gemini CLI.
    mark(Sign::Summary, At::User, "Summarize the user's primary intent or goal in this conversation in ONE sentence"),
    // Claude Code: only the headers of the answer are read.
    Mark { cap: Some(1), ..mark(Sign::Quota, At::Whole, "quota") },
    // Claude Code, also with the tools of the agent that it warms up.
    Mark { bare: false, ..mark(Sign::WarmUp, At::Whole, "Warmup") },
    // Claude Code: the whole conversation, with its tools.
    Mark { bare: false, ..mark(Sign::Suggestion, At::User, "[SUGGESTION MODE") },
    // Gemini CLI.
    Mark {
        bare: false,
        ..mark(
            Sign::NextSpeaker,
            At::User,
            "Analyze *only* the content and structure of your immediately preceding response",
        )
    },
];

/// What an agent asks for itself with this request, if it is one of `signs`.
pub fn recognise(look: &Look, signs: Signs) -> Option<Sign> {
    MARKS.iter().find(|mark| signs.has(mark.sign) && mark.fits(look)).map(|mark| mark.sign)
}

impl Mark {
    fn fits(&self, look: &Look) -> bool {
        let texts = if self.at == At::System { &look.system } else { &look.user };
        let says = |text: &str| match self.at {
            At::System => text.contains(self.words),
            At::User => text.trim_start().starts_with(self.words),
            At::Whole => text.trim() == self.words,
        };
        (!self.bare || !look.has_tools)
            && (self.cap.is_none() || self.cap == look.cap)
            && texts.iter().any(|text| says(text))
    }
}
