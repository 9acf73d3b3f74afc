//! The client's own words for what was lost.

use crate::Dialect;

/// Names members in the words of one dialect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words(pub(super) Dialect);

impl Words {
    /// A member of a content block.
    pub(super) fn block(self, member: &str) -> String {
        let list = match self.0 {
            Dialect::OpenAiChat | Dialect::Anthropic => "messages[].content[]",
            Dialect::OpenAiResponses => "input[]",
            Dialect::Gemini => "contents[].parts[]",
        };
        if member.is_empty() { list.to_owned() } else { format!("{list}.{member}") }
    }

    /// A turn.
    pub(super) fn turn(self) -> &'static str {
        match self.0 {
            Dialect::OpenAiChat | Dialect::Anthropic => "messages[]",
            Dialect::OpenAiResponses => "input[]",
            Dialect::Gemini => "contents[]",
        }
    }

    /// The arguments of a call.
    pub(super) fn arguments(self) -> &'static str {
        match self.0 {
            Dialect::OpenAiChat => "messages[].tool_calls[].function.arguments",
            Dialect::OpenAiResponses => "input[].arguments",
            Dialect::Anthropic => "messages[].content[].input",
            Dialect::Gemini => "contents[].parts[].functionCall.args",
        }
    }

    /// The configuration of thinking.
    pub(super) fn reasoning(self) -> &'static str {
        match self.0 {
            Dialect::OpenAiChat => "reasoning_effort",
            Dialect::OpenAiResponses => "reasoning",
            Dialect::Anthropic => "thinking",
            Dialect::Gemini => "generationConfig.thinkingConfig",
        }
    }

    /// The cap of the answer.
    pub(super) fn cap(self) -> &'static str {
        match self.0 {
            Dialect::OpenAiChat => "max_completion_tokens",
            Dialect::OpenAiResponses => "max_output_tokens",
            Dialect::Anthropic => "max_tokens",
            Dialect::Gemini => "generationConfig.maxOutputTokens",
        }
    }

    /// The wish for log probabilities.
    pub(super) fn logprobs(self) -> &'static str {
        match self.0 {
            Dialect::Gemini => "generationConfig.responseLogprobs",
            Dialect::OpenAiResponses => "top_logprobs",
            _ => "logprobs",
        }
    }

    /// How much to say.
    pub(super) fn verbosity(self) -> &'static str {
        if self.0 == Dialect::OpenAiResponses { "text.verbosity" } else { "verbosity" }
    }

    /// Labels for the operator's books.
    pub(super) fn metadata(self) -> &'static str {
        if self.0 == Dialect::Gemini { "labels" } else { "metadata" }
    }

    /// The form of the answer.
    pub(super) fn format(self) -> &'static str {
        match self.0 {
            Dialect::OpenAiChat => "response_format",
            Dialect::OpenAiResponses => "text.format",
            Dialect::Anthropic => "output_config.format",
            Dialect::Gemini => "generationConfig.responseMimeType",
        }
    }

    /// The choice of tools.
    pub(super) fn tool_choice(self) -> &'static str {
        if self.0 == Dialect::Gemini { "toolConfig.functionCallingConfig" } else { "tool_choice" }
    }

    /// The number of answers.
    pub(super) fn candidates(self) -> &'static str {
        if self.0 == Dialect::Gemini { "generationConfig.candidateCount" } else { "n" }
    }

    /// The texts that end the answer.
    pub(super) fn stop(self) -> &'static str {
        match self.0 {
            Dialect::Gemini => "generationConfig.stopSequences",
            Dialect::Anthropic => "stop_sequences",
            _ => "stop",
        }
    }

    /// A sampling number, given by OpenAI's name and Gemini's.
    pub(super) fn sampling(self, openai: &'static str, gemini: &'static str) -> &'static str {
        if self.0 == Dialect::Gemini { gemini } else { openai }
    }
}
