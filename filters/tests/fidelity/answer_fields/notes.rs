//! Sources and log probabilities.

use interlingua_filters::dialects::{read_citations, read_logprobs};
use interlingua_filters::ir::{BlockKind, Response};

use super::{AnswerField, blocks, list};
use crate::samples::{SAY, Sample, anthropic, candidate, chat, chat_message, message, responses};

pub(super) fn noted() -> Vec<AnswerField> {
    let note = r#"{"type":"url_citation","start_index":0,"end_index":5,"url":"https://example.com","title":"Example"}"#;
    let chat_note = r#"{"type":"url_citation","url_citation":{"start_index":0,"end_index":5,"url":"https://example.com","title":"Example"}}"#;
    let page = r#"{"type":"web_search_result_location","url":"https://example.com","title":"Example","encrypted_index":"x","cited_text":""}"#;
    let quote = page.replace(r#""cited_text":"""#, r#""cited_text":"Hello, world""#);
    let place = r#"{"type":"char_location","cited_text":"Hello","document_index":0,"document_title":"Book","start_char_index":0,"end_char_index":5}"#;
    let cited = |place: &str| {
        anthropic(
            &format!(r#"{{"type":"text","text":"Hello","citations":[{place}]}}"#),
            &[(
                r#"{"type":"text","text":"","citations":[]}"#,
                &[SAY, &format!(r#"{{"type":"citations_delta","citation":{place}}}"#)],
            )],
            "end_turn",
        )
    };
    let probable = r#"{"token":"Hello","logprob":-0.25,"bytes":[72,101,108,108,111],"top_logprobs":[{"token":"Hello","logprob":-0.25,"bytes":[72,101,108,108,111]}]}"#;
    let said = format!(r#"{{"content":[{probable}],"refusal":null}}"#);
    vec![
        AnswerField {
            name: "source on the web",
            samples: [
                Some(chat_message(
                    &format!(r#""content":"Hello","annotations":[{chat_note}]"#),
                    &[r#"{"content":"Hello"}"#, &format!(r#"{{"annotations":[{chat_note}]}}"#)],
                    "stop",
                )),
                Some(message(
                    "Hello",
                    note,
                    &[(
                        "response.output_text.annotation.added",
                        &format!(r#""annotation_index":0,"annotation":{note}"#),
                    )],
                )),
                Some(cited(page)),
                Some(candidate(
                    r#"{"text":"Hello"}"#,
                    "STOP",
                    r#","groundingMetadata":{"webSearchQueries":["q"],"groundingChunks":[{"web":{"uri":"https://example.com","title":"Example"}}],"groundingSupports":[{"segment":{"startIndex":0,"endIndex":5,"text":"Hello"},"groundingChunkIndices":[0]}]}"#,
                )),
            ],
            meaning: sources,
        },
        AnswerField {
            name: "words quoted from a page",
            samples: [None, None, Some(cited(&quote)), None],
            meaning: documents,
        },
        AnswerField {
            name: "place in a document",
            samples: [None, None, Some(cited(place)), None],
            meaning: documents,
        },
        AnswerField {
            name: "log probabilities",
            samples: [
                Some(chat(
                    &format!(
                        r#"{{"index":0,"message":{{"role":"assistant","content":"Hello"}},"logprobs":{said},"finish_reason":"stop"}}"#
                    ),
                    &[
                        &format!(
                            r#"{{"index":0,"delta":{{"role":"assistant","content":"Hello"}},"logprobs":{said},"finish_reason":null}}"#
                        ),
                        r#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}"#,
                    ],
                )),
                Some(probably(probable)),
                None,
                Some(candidate(
                    r#"{"text":"Hello"}"#,
                    "STOP",
                    r#","avgLogprobs":-0.25,"logprobsResult":{"topCandidates":[{"candidates":[{"token":"Hello","tokenId":1,"logProbability":-0.25}]}],"chosenCandidates":[{"token":"Hello","tokenId":1,"logProbability":-0.25}]}"#,
                )),
            ],
            meaning: logprobs,
        },
    ]
}

/// A message whose part has log probabilities.
fn probably(probable: &str) -> Sample {
    let part = format!(r#"{{"type":"output_text","text":"Hello","annotations":[],"logprobs":[{probable}]}}"#);
    let whole =
        format!(r#"{{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{part}]}}"#);
    let at = r#""item_id":"msg_1","output_index":0,"content_index":0"#;
    let events = [
        (
            "response.output_item.added",
            r#""output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}"#
                .to_owned(),
        ),
        (
            "response.content_part.added",
            format!(r#"{at},"part":{{"type":"output_text","text":"","annotations":[],"logprobs":[]}}"#),
        ),
        ("response.output_text.delta", format!(r#"{at},"delta":"Hello","logprobs":[{probable}]"#)),
        ("response.output_text.done", format!(r#"{at},"text":"Hello","logprobs":[{probable}]"#)),
        ("response.content_part.done", format!(r#"{at},"part":{part}"#)),
        ("response.output_item.done", format!(r#""output_index":0,"item":{whole}"#)),
    ];
    let events: Vec<(&str, &str)> = events.iter().map(|(name, members)| (*name, members.as_str())).collect();
    responses(&whole, &events)
}

fn sources(response: &Response<'_>) -> Option<String> {
    list(blocks(response).flat_map(|block| match &block.kind {
        BlockKind::Text { text, citations: Some(raw) } => {
            let read = read_citations(response.origin, raw, text);
            read.iter().map(|one| format!("{:?} {:?}", one.url.as_deref(), one.title.as_deref())).collect()
        }
        _ => Vec::new(),
    }))
}

fn documents(response: &Response<'_>) -> Option<String> {
    list(blocks(response).flat_map(|block| match &block.kind {
        BlockKind::Text { text, citations: Some(raw) } => {
            read_citations(response.origin, raw, text).iter().map(|one| format!("{:?}", one.cited)).collect()
        }
        _ => Vec::new(),
    }))
}

fn logprobs(response: &Response<'_>) -> Option<String> {
    let raw = response
        .choices
        .first()?
        .extra
        .get("logprobs")
        .or_else(|| response.choices.first()?.extra.get("logprobsResult"));
    let of_part = || blocks(response).find_map(|block| block.extra.get("logprobs"));
    let read = read_logprobs(response.origin, raw.or_else(of_part)?);
    list(read.iter().map(|one| format!("{} {}", one.token, one.logprob.as_f64())))
}
