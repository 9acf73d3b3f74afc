mod completions;
mod count;
mod embed;
mod media;
mod native;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// The boundary of the forms of these tests.
const FORM: &str = "multipart/form-data; boundary=XX";

fn asked(operation: Operation, client: Dialect, body: &[u8]) -> Asked<'_> {
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

/// Bodies that come near what each operation takes.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let member = prop::sample::select(vec![
        "model",
        "prompt",
        "input",
        "n",
        "size",
        "quality",
        "voice",
        "stream",
        "content",
        "requests",
        "contents",
        "messages",
        "generateContentRequest",
        "response_format",
        "dimensions",
        "logprobs",
        "encoding_format",
        "file",
        "image",
        "candidates",
        "embeddings",
        "data",
        "choices",
        "usage",
        "usageMetadata",
        "input_tokens",
        "totalTokens",
    ]);
    let value = prop::sample::select(vec![
        "\"a\"",
        "1",
        "-1",
        "1.5",
        "null",
        "true",
        "[]",
        "{}",
        "[\"a\"]",
        "[1]",
        "[[1]]",
        "[{}]",
        "{\"parts\":[{\"text\":\"a\"}]}",
        "\"1024x1024\"",
        "\"models/a\"",
        "[{\"role\":\"user\",\"content\":\"a\"}]",
        "[{\"values\":[1]}]",
        "[{\"embedding\":[1]}]",
        "{\"contents\":[]}",
        "[{\"content\":{\"parts\":[{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"?\"}}]}}]",
    ]);
    let members = proptest::collection::vec((member, value), 0..6).prop_map(|members| {
        let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    });
    let form = proptest::collection::vec(
        (prop::sample::select(vec!["model", "prompt", "file", "image", "n"]), any::<[u8; 3]>()),
        0..4,
    )
    .prop_map(|parts| form(&parts.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect::<Vec<_>>()));
    prop_oneof![6 => members, 2 => form, 1 => proptest::collection::vec(any::<u8>(), 0..40)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_body_gives_a_request_or_an_error_with_words(body in body(), said in body()) {
        let states = [
            Kept::Native,
            Kept::Count,
            Kept::Vectors { base64: true, texts: 1, tokens: 1 },
            Kept::Embeddings,
            Kept::Completion,
            Kept::Images { wanted: 1 },
            Kept::Transcript { plain: false },
            Kept::Speech { wav: true },
        ];
        for operation in Operation::ALL {
            for client in Dialect::ALL {
                let asked = asked(operation, client, &body);
                let _ = (model_of(&asked), streams(&asked), tokens_of(&asked));
                for upstream in Dialect::ALL {
                    match prepare(&asked, upstream, &target("m")) {
                        Ok(prepared) => prop_assert!(prepared.path.starts_with('/') && !prepared.body.is_empty()),
                        Err(error) => prop_assert!(error.to_string().len() > 10, "{error}"),
                    }
                }
                for state in &states {
                    let _ = answer(&asked, Dialect::Gemini, &State(state.clone()), JSON, &said, &context());
                }
            }
        }
    }
}
