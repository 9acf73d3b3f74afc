//! Refused seals, in the words of the vendors.

use interlingua_filters::Dialect;
use interlingua_filters::ir::{ApiError, ErrorKind};

use super::{Defaults, Fault, Reason, Retry, Scope, classify};

fn classified(dialect: Dialect, status: u16, code: &str, message: &str) -> super::Failure {
    let kind = ErrorKind::from_status(status);
    let error = ApiError { code: Some(code.to_owned()), ..ApiError::new(kind, message) };
    classify(dialect, Some(status), Some(&error), None, None, &Defaults::default())
}

#[test]
fn lesson_31_a_refused_seal_is_known_in_every_vendors_words() {
    use Dialect::{Anthropic, Gemini, OpenAiResponses};
    for (dialect, status, code, message) in [
        (Anthropic, 400, "", "messages.1.content.0: Invalid `signature` in `thinking` block"),
        (Anthropic, 400, "", "messages.3.content.0: INVALID `SIGNATURE` in `Thinking` block"),
        (Anthropic, 400, "", "messages.1.content.0.thinking.signature: Field required"),
        (Anthropic, 400, "", "messages.1.content.0: Invalid `data` in `redacted_thinking` block"),
        (
            Anthropic,
            400,
            "",
            "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` \
             is enabled, a final `assistant` message must start with a thinking block",
        ),
        (
            Anthropic,
            400,
            "",
            "messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be \
             modified.",
        ),
        (Gemini, 400, "", "Function call is missing a thought_signature in functionCall parts."),
        (Gemini, 400, "", "Corrupted thought signature."),
        (Gemini, 400, "", "Thought signature is not valid"),
        (OpenAiResponses, 400, "invalid_encrypted_content", "The content is not what it was."),
        (
            OpenAiResponses,
            400,
            "",
            "The encrypted content gAAA... could not be verified. Reason: Encrypted content could not be decrypted or parsed.",
        ),
        (OpenAiResponses, 400, "", "Item 'rs_1' of type 'reasoning' was provided without its required following item."),
        (
            OpenAiResponses,
            400,
            "",
            "Item 'fc_1' of type 'function_call' was provided without its required 'reasoning' item: 'rs_1'.",
        ),
        (
            OpenAiResponses,
            404,
            "",
            "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.",
        ),
    ] {
        let got = classified(dialect, status, code, message);
        assert_eq!(got.reason, Reason::Signature, "{message}");
        assert_eq!(
            (got.fault, got.scope, got.retry, got.cooldown_ms),
            (Fault::Client, Scope::Request, Retry::No, None)
        );
    }
}

#[test]
fn other_refusals_that_speak_of_such_things_are_not_about_seals() {
    for (status, message) in [
        (400, "Invalid function name `verify_signature`: the signature is invalid"),
        (400, "thinking.budget_tokens: Input should be greater than or equal to 1024"),
        (404, "Item with id 'msg_1' not found."),
        (500, "Thought signature service is down"),
        (429, "Too many requests for thought signatures"),
    ] {
        assert_ne!(classified(Dialect::Gemini, status, "", message).reason, Reason::Signature, "{message}");
    }
}
