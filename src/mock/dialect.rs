//! The four provider dialects that are simulated.

/// A provider's wire protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// OpenAI Chat Completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Anthropic Messages.
    Anthropic,
    /// Gemini `generateContent`.
    Gemini,
}

impl Dialect {
    /// The name used in scripts and records.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chat => "openai_chat",
            Self::Responses => "openai_responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }

    /// Both OpenAI dialects share keys, errors and headers.
    pub(crate) fn is_openai(self) -> bool {
        matches!(self, Self::Chat | Self::Responses)
    }
}
