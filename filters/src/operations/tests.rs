mod completions;
mod count;
mod embed;
mod media;
mod native;

use serde_json::Value;

use super::*;
use crate::ir::LossKind;

/// The boundary of the forms of these tests.
const FORM: &str = "multipart/form-data; boundary=XX";

fn asked<'a>(operation: Operation, client: Dialect, body: &'a [u8]) -> Asked<'a> {
    let content_type = if body.starts_with(b"--XX") { FORM } else { JSON };
    Asked { operation, client, endpoint: Endpoint::default(), content_type, body }
}

fn target(model: &str) -> Target {
    Target::new(model, false)
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}

fn context() -> ReplyContext {
    ReplyContext { model: "shown".into(), created: 1_700_000_000, seed: 7, ..ReplyContext::default() }
}

/// What was lost, as `field kind`.
fn lost(losses: &Losses) -> Vec<String> {
    losses.iter().map(|loss| format!("{} {}", loss.field, loss.kind.name())).collect()
}

/// The member that an error names.
fn param(error: &PrepareError) -> &str {
    match error {
        PrepareError::Decode(DecodeError { param, .. }) | PrepareError::Encode(EncodeError { param, .. }) => {
            param.as_deref().unwrap_or_default()
        }
        PrepareError::Splice(_) => "",
    }
}

fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content) in parts {
        body.extend_from_slice(format!("--XX\r\nContent-Disposition: form-data; name={name}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XX--\r\n");
    body
}

#[test]
fn every_operation_has_a_way_or_a_reason_at_every_provider() {
    let way_of = |operation, client, upstream| way(&asked(operation, client, b"{}"), upstream, &target("m"));
    for operation in Operation::ALL {
        for client in Dialect::ALL {
            for upstream in Dialect::ALL {
                if let Way::Impossible(error) = way_of(operation, client, upstream) {
                    assert!(matches!(upstream, Dialect::Anthropic | Dialect::OpenAiResponses));
                    assert!(error.message.contains(upstream.name()), "{}", error.message);
                }
            }
        }
    }
    let chat = Dialect::OpenAiChat;
    assert_eq!(way_of(Operation::Speak, chat, chat), Way::Native);
    assert_eq!(way_of(Operation::Speak, chat, Dialect::Gemini), Way::Translated);
    assert_eq!(way_of(Operation::Complete, chat, Dialect::Anthropic), Way::Translated);
    assert_eq!(way_of(Operation::Embed, Dialect::Gemini, chat), Way::Translated);
    assert_eq!(way_of(Operation::EmbedBatch, Dialect::Gemini, Dialect::Gemini), Way::Native);
}
