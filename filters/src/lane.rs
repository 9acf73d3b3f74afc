//! Which way a request goes: its own bytes, or what they mean.
//!
//! Bytes are kept wherever client and provider speak one dialect: signatures, unknown members and prompt-cache prefixes
//! survive only so. Conversion is for everything else, and for the few same-dialect requests whose bytes would be wrong
//! at this provider. What neither way can say honestly is refused, with a reason.

use crate::Dialect;
use crate::dialects::{EncodeError, Quirks};
use crate::json::skim::Skim;

/// The way of one request to one provider, and of its answer back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Same dialect: bytes in, bytes out, but for a few edited values. The answer is only observed.
    Splice,
    /// Decoded and encoded again.
    Convert,
    /// The request depends on what only another dialect's provider has.
    Refuse,
}

/// What bears on the choice beside dialects and body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Whether the client wants events.
    pub client_streams: bool,
    /// Whether the provider is asked for events.
    pub upstream_streams: bool,
    /// What the provider does otherwise than its dialect says.
    pub quirks: Quirks,
}

impl Lane {
    /// Chooses; total, so that every pair of dialects has a way or a reason.
    pub fn choose(client: Dialect, upstream: Dialect, skim: &Skim<'_>, needs: Needs) -> Self {
        if refusal(client, upstream, skim).is_some() {
            return Lane::Refuse;
        }
        let same_bytes_serve = client == upstream
            // A seal of another provider is dropped by the decoder; this provider would answer it with an error.
            && !skim.has_carried_seal
            // So is a thought that nobody sealed, but for providers that seal none.
            && (!skim.has_empty_seal || needs.quirks.reasoning_content)
            // The answer's form must be changed then, and a converted answer wants its request's notes.
            && needs.client_streams == needs.upstream_streams
            && takes(needs.quirks, skim);
        if same_bytes_serve { Lane::Splice } else { Lane::Convert }
    }

    /// The name in metrics and headers.
    pub fn name(self) -> &'static str {
        match self {
            Lane::Splice => "splice",
            Lane::Convert => "convert",
            Lane::Refuse => "refuse",
        }
    }
}

/// Whether a provider with these quirks takes the client's own words. What the skim says of the inside of a body may be
/// wrong in one way only: a word may stand in a text. Then the body is converted without need.
fn takes(quirks: Quirks, skim: &Skim<'_>) -> bool {
    (!quirks.max_tokens_name || !skim.has_max_completion_tokens)
        && (quirks.developer_role || !skim.has_developer)
        && (quirks.custom_tools || !skim.has_custom)
        && (quirks.stream_usage || skim.stream_options.as_ref().is_none_or(|options| options.object.is_none()))
}

/// Why `upstream` cannot serve the request at all: it refers to what is stored at a provider of the client's dialect.
pub fn refusal(client: Dialect, upstream: Dialect, skim: &Skim<'_>) -> Option<EncodeError> {
    if client == upstream {
        return None;
    }
    match client {
        Dialect::OpenAiResponses if skim.previous_response_id.is_some() => Some(EncodeError::at(
            "previous_response_id",
            "this model is served by a provider that keeps no responses; send the whole conversation in `input`",
        )),
        Dialect::Gemini if skim.cached_content.is_some() => Some(EncodeError::at(
            "cachedContent",
            "this model is served by a provider without Gemini's cached contents; send the contents themselves",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Signature;
    use crate::json::Str;
    use crate::json::skim::skim;

    fn lane(client: Dialect, upstream: Dialect, body: &str, needs: Needs) -> Lane {
        Lane::choose(client, upstream, &skim(client, body.as_bytes()).unwrap(), needs)
    }

    #[test]
    fn wire_125_the_same_dialect_keeps_its_bytes_and_others_are_converted() {
        for client in Dialect::ALL {
            for upstream in Dialect::ALL {
                let expected = if client == upstream { Lane::Splice } else { Lane::Convert };
                assert_eq!(lane(client, upstream, "{}", Needs::default()), expected);
            }
        }
    }

    #[test]
    fn a_foreign_seal_another_mode_or_a_quirk_forces_conversion() {
        let chat = Dialect::OpenAiChat;
        let seal = Signature { issuer: Dialect::Gemini, value: Str::from("s") };
        let sealed = format!("{{\"a\":\"{}\"}}", seal.carried(chat));
        assert_eq!(lane(chat, chat, &sealed, Needs::default()), Lane::Convert);
        let other_mode = Needs { client_streams: true, ..Needs::default() };
        assert_eq!(lane(chat, chat, "{}", other_mode), Lane::Convert);
        let compatible = Quirks { max_tokens_name: true, developer_role: false, ..Quirks::default() };
        let needs = Needs { quirks: compatible, ..Needs::default() };
        assert_eq!(lane(chat, chat, r#"{"max_tokens":5}"#, needs), Lane::Splice);
        assert_eq!(lane(chat, chat, r#"{"max_completion_tokens":5}"#, needs), Lane::Convert);
        assert_eq!(lane(chat, chat, r#"{"messages":[{"role":"developer"}]}"#, needs), Lane::Convert);
    }

    #[test]
    fn wire_054_what_a_quirk_forbids_does_not_pass_as_it_came() {
        let chat = Dialect::OpenAiChat;
        let bodies = [
            r#"{"tools":[{"type":"custom","custom":{"name":"patch"}}]}"#,
            r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"custom","custom":{"name":"p"}}]}]}"#,
            r#"{"stream_options":{"include_usage":true}}"#,
        ];
        let takes_all = Quirks::default();
        let takes_none = Quirks { custom_tools: false, stream_usage: false, ..Quirks::default() };
        for body in bodies {
            assert_eq!(lane(chat, chat, body, Needs { quirks: takes_all, ..Needs::default() }), Lane::Splice, "{body}");
            assert_eq!(
                lane(chat, chat, body, Needs { quirks: takes_none, ..Needs::default() }),
                Lane::Convert,
                "{body}"
            );
        }
        // The word inside a text is written with escaped quotes, and the tools of other dialects are no concern of this.
        let body = r#"{"messages":[{"role":"user","content":"say \"custom\""}],"stream_options":null}"#;
        assert_eq!(lane(chat, chat, body, Needs { quirks: takes_none, ..Needs::default() }), Lane::Splice);
        let responses = Dialect::OpenAiResponses;
        let needs = Needs { quirks: takes_none, ..Needs::default() };
        assert_eq!(lane(responses, responses, bodies[0], needs), Lane::Splice);
    }

    #[test]
    fn wire_051_stored_responses_do_not_cross_dialects() {
        let body = r#"{"previous_response_id":"resp_1"}"#;
        let responses = Dialect::OpenAiResponses;
        assert_eq!(lane(responses, responses, body, Needs::default()), Lane::Splice);
        assert_eq!(lane(responses, Dialect::Gemini, body, Needs::default()), Lane::Refuse);
        let body = r#"{"cachedContent":"cachedContents/1"}"#;
        assert_eq!(lane(Dialect::Gemini, Dialect::Anthropic, body, Needs::default()), Lane::Refuse);
    }
}
