//! Every rule, by a valid request that is changed at one place.

mod anthropic;
mod gemini;
mod openai_chat;
mod openai_responses;

use super::*;
use serde_json::json;

/// What a case changes besides the body.
#[derive(Clone, Default)]
struct Setting {
    model: Option<&'static str>,
    beta: Option<&'static str>,
    thinks: bool,
    legacy: bool,
    counting: bool,
}

fn judge(dialect: Dialect, body: &Value, setting: &Setting, memory: &Memory) -> Verdict {
    let mut view = View::read(dialect, body);
    if let Some(model) = setting.model {
        model.clone_into(&mut view.model);
    }
    let mut headers = HeaderMap::new();
    if let Some(beta) = setting.beta {
        headers.insert("anthropic-beta", beta.parse().unwrap());
    }
    let context = Context {
        body,
        view: &view,
        headers: &headers,
        seal: Seal::new(1),
        memory,
        thinks: setting.thinks,
        legacy: setting.legacy,
        counting: setting.counting,
    };
    check(dialect, &context)
}

/// `base` with the value at `pointer` replaced, inserted, or (`null`) removed.
fn changed(base: &Value, changes: &[(&str, Value)]) -> Value {
    let mut body = base.clone();
    for (pointer, value) in changes {
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        match body.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}")) {
            Value::Object(members) if value.is_null() => {
                members.shift_remove(member);
            }
            Value::Object(members) => {
                members.insert(member.into(), value.clone());
            }
            Value::Array(list) => list[member.parse::<usize>().unwrap()] = value.clone(),
            other => panic!("{pointer} is in {other}"),
        }
    }
    body
}

#[track_caller]
fn passes(dialect: Dialect, body: &Value, setting: &Setting) {
    if let Err(refusal) = judge(dialect, body, setting, &Memory::default()) {
        panic!("refused: {} for {body}", refusal.message);
    }
}

#[track_caller]
fn refused(dialect: Dialect, body: &Value, setting: &Setting, fragment: &str) -> Refusal {
    match judge(dialect, body, setting, &Memory::default()) {
        Ok(()) => panic!("accepted, though `{fragment}`: {body}"),
        Err(refusal) => {
            assert!(refusal.message.contains(fragment), "`{}` instead of `{fragment}`", refusal.message);
            refusal
        }
    }
}

/// A PNG's first bytes.
const PNG: &str = "iVBORw0KGgo=";

#[test]
fn no_rule_panics_on_values_of_the_wrong_type() {
    let odd = [
        json!(null),
        json!(1),
        json!("x"),
        json!([]),
        json!({}),
        json!([[]]),
        json!([{"role": 1, "content": [1]}]),
        json!([null]),
    ];
    let members = [
        "model",
        "messages",
        "input",
        "contents",
        "tools",
        "tool_choice",
        "toolConfig",
        "generationConfig",
        "system",
        "systemInstruction",
        "thinking",
        "response_format",
        "text",
        "max_tokens",
        "stop",
        "reasoning",
        "include",
    ];
    for dialect in [Dialect::Chat, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini] {
        for first in members {
            for second in members {
                for value in &odd {
                    for other in &odd {
                        let body = json!({first: value, second: other});
                        let _ = judge(
                            dialect,
                            &body,
                            &Setting { thinks: true, legacy: true, ..Setting::default() },
                            &Memory::default(),
                        );
                    }
                }
            }
        }
    }
}
