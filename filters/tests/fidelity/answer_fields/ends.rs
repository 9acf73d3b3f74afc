//! Why an answer ended, and what it took.

use interlingua_filters::ir::{Response, Usage};

use super::AnswerField;
use crate::samples::{
    SAY, anthropic, anthropic_with, candidate, chat_message, chat_with, gemini_with, item, responses_with,
};

fn ended(
    name: &'static str,
    chat: Option<&str>,
    (status, end): (Option<&str>, &str),
    anthropic: Option<&str>,
    gemini: Option<&str>,
) -> AnswerField {
    let hello = r#"{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello","annotations":[]}]}"#;
    let spent = r#"{"input_tokens":9,"output_tokens":4,"total_tokens":13}"#;
    AnswerField {
        name,
        samples: [
            chat.map(|finish| chat_message(r#""content":"Hello""#, &[r#"{"content":"Hello"}"#], finish)),
            status.map(|status| {
                let events = item(hello);
                let events: Vec<(&str, &str)> =
                    events.iter().map(|(name, members)| (*name, members.as_str())).collect();
                responses_with(hello, &events, spent, status, end)
            }),
            anthropic.map(|stop| {
                self::anthropic(r#"{"type":"text","text":"Hello"}"#, &[(r#"{"type":"text","text":""}"#, &[SAY])], stop)
            }),
            gemini.map(|finish| candidate(r#"{"text":"Hello"}"#, finish, "")),
        ],
        meaning: stop,
    }
}

const DONE: (Option<&str>, &str) = (None, "response.completed");

pub(super) fn stopped() -> Vec<AnswerField> {
    let incomplete = |reason: &str| format!(r#""status":"incomplete","incomplete_details":{{"reason":"{reason}"}}"#);
    let (length, filter) = (incomplete("max_output_tokens"), incomplete("content_filter"));
    vec![
        ended(
            "end: done",
            Some("stop"),
            (Some(r#""status":"completed""#), "response.completed"),
            Some("end_turn"),
            Some("STOP"),
        ),
        ended(
            "end: cap of tokens",
            Some("length"),
            (Some(&length), "response.incomplete"),
            Some("max_tokens"),
            Some("MAX_TOKENS"),
        ),
        ended(
            "end: held back",
            Some("content_filter"),
            (Some(&filter), "response.incomplete"),
            Some("refusal"),
            Some("SAFETY"),
        ),
        ended("end: pause", None, DONE, Some("pause_turn"), None),
        ended("end: recitation", None, DONE, None, Some("RECITATION")),
        AnswerField {
            name: "end: stop sequence",
            samples: [
                None,
                None,
                Some(anthropic_with(
                    r#"{"type":"text","text":"Hello"}"#,
                    &[(r#"{"type":"text","text":""}"#, &[SAY])],
                    r#""stop_reason":"stop_sequence","stop_sequence":"END""#,
                    r#"{"input_tokens":9,"output_tokens":4}"#,
                )),
                None,
            ],
            meaning: sequence,
        },
    ]
}

pub(super) fn spent() -> Vec<AnswerField> {
    let hello = r#"{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello","annotations":[]}]}"#;
    let events = item(hello);
    let events: Vec<(&str, &str)> = events.iter().map(|(name, members)| (*name, members.as_str())).collect();
    let chat_of = |usage: &str| {
        chat_with(
            r#"{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}"#,
            &[
                r#"{"index":0,"delta":{"role":"assistant","content":"Hello"},"finish_reason":null}"#,
                r#"{"index":0,"delta":{},"finish_reason":"stop"}"#,
            ],
            usage,
            "",
        )
    };
    let responses_of =
        |usage: &str| responses_with(hello, &events, usage, r#""status":"completed""#, "response.completed");
    let anthropic_of = |usage: &str| {
        anthropic_with(
            r#"{"type":"text","text":"Hello"}"#,
            &[(r#"{"type":"text","text":""}"#, &[SAY])],
            r#""stop_reason":"end_turn","stop_sequence":null"#,
            usage,
        )
    };
    let gemini_of = |usage: &str| {
        let one = r#"{"index":0,"content":{"role":"model","parts":[{"text":"Hello"}]},"finishReason":"STOP"}"#;
        gemini_with(one, &[one], usage)
    };
    vec![
        AnswerField {
            name: "tokens in and out",
            samples: [
                Some(chat_of(r#"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}"#)),
                Some(responses_of(r#"{"input_tokens":9,"output_tokens":4,"total_tokens":13}"#)),
                Some(anthropic_of(r#"{"input_tokens":9,"output_tokens":4}"#)),
                Some(gemini_of(r#"{"promptTokenCount":9,"candidatesTokenCount":4,"totalTokenCount":13}"#)),
            ],
            meaning: |response| {
                response.usage.as_ref().map(|usage| format!("{} {}", usage.input_total(), usage.output_total()))
            },
        },
        AnswerField {
            name: "tokens read from a cache",
            samples: [
                Some(chat_of(
                    r#"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":5}}"#,
                )),
                Some(responses_of(
                    r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":5},"output_tokens":4,"total_tokens":13}"#,
                )),
                Some(anthropic_of(r#"{"input_tokens":4,"cache_read_input_tokens":5,"output_tokens":4}"#)),
                Some(gemini_of(
                    r#"{"promptTokenCount":9,"cachedContentTokenCount":5,"candidatesTokenCount":4,"totalTokenCount":13}"#,
                )),
            ],
            meaning: |response| usage(response, |usage| usage.cache_read),
        },
        AnswerField {
            name: "tokens written to a cache",
            samples: [
                None,
                None,
                Some(anthropic_of(
                    r#"{"input_tokens":4,"cache_creation_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":2},"output_tokens":4}"#,
                )),
                None,
            ],
            meaning: |response| usage(response, |usage| usage.cache_write_5m + usage.cache_write_1h),
        },
        AnswerField {
            name: "tokens of thinking",
            samples: [
                Some(chat_of(
                    r#"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"completion_tokens_details":{"reasoning_tokens":3}}"#,
                )),
                Some(responses_of(
                    r#"{"input_tokens":9,"output_tokens":4,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":13}"#,
                )),
                None,
                Some(gemini_of(
                    r#"{"promptTokenCount":9,"candidatesTokenCount":1,"thoughtsTokenCount":3,"totalTokenCount":13}"#,
                )),
            ],
            meaning: |response| usage(response, |usage| usage.reasoning),
        },
    ]
}

fn stop(response: &Response<'_>) -> Option<String> {
    response.choices.first().map(|choice| format!("{:?}", choice.stop))
}

fn sequence(response: &Response<'_>) -> Option<String> {
    response.choices.first()?.stop_sequence.as_deref().map(str::to_owned)
}

fn usage(response: &Response<'_>, pick: fn(&Usage<'_>) -> u64) -> Option<String> {
    response.usage.as_ref().map(|usage| pick(usage).to_string()).filter(|count| count != "0")
}
