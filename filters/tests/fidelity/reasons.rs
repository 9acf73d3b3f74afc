//! Why a field cannot arrive as it was said: (field, the dialects that hear it, or none for all, reason).

use interlingua_filters::Dialect::{self, Anthropic, Gemini, OpenAiChat, OpenAiResponses};

/// Fields that need no word where they are heard, because they hold there anyway.
pub(crate) const IMPLIED: &[(&str, &[Dialect], &str)] =
    &[
    ("show the thoughts", &[OpenAiChat, Anthropic], "thoughts are always shown where there are any"),
    ("service tier", &[Gemini], "the default tier is what a request gets that names none"),
    ("seal of the thoughts", &[OpenAiChat], CUSTODY),
    ("hidden thoughts", &[OpenAiChat], CUSTODY),
];

const CUSTODY: &str = "the gateway keeps the seal and puts it back when the call returns (`custody` in the configuration)";

/// Reasons of losses and refusals.
pub(crate) const REASONS: &[(&str, &[Dialect], &str)] = &[];
