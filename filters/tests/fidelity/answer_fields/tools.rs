//! What is called.

use interlingua_filters::ir::{BlockKind, Response, ToolUseKind};

use super::{AnswerField, blocks, list};
use crate::samples::{anthropic, candidate, chat_message, whole_item};

pub(super) fn called() -> Vec<AnswerField> {
    let call = |id: &str, name: &str| {
        format!(
            r#"{{"id":"fc_{id}","type":"function_call","status":"completed","call_id":"call_{id}","name":"{name}","arguments":"{{\"a\":1}}"}}"#
        )
    };
    vec![
        AnswerField {
            name: "call",
            samples: [
                Some(chat_message(
                    r#""content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]"#,
                    &[
                        r#"{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}"#,
                        r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}"#,
                    ],
                    "tool_calls",
                )),
                Some(whole_item(&call("1", "f"))),
                Some(anthropic(
                    r#"{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1}}"#,
                    &[(
                        r#"{"type":"tool_use","id":"toolu_1","name":"f","input":{}}"#,
                        &[r#"{"type":"input_json_delta","partial_json":"{\"a\":1}"}"#],
                    )],
                    "tool_use",
                )),
                Some(candidate(r#"{"functionCall":{"name":"f","args":{"a":1}}}"#, "STOP", "")),
            ],
            meaning: calls,
        },
        AnswerField {
            name: "several calls",
            samples: [
                Some(chat_message(
                    r#""content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"call_2","type":"function","function":{"name":"g","arguments":"{\"a\":2}"}}]"#,
                    &[
                        r#"{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]}"#,
                        r#"{"tool_calls":[{"index":1,"id":"call_2","type":"function","function":{"name":"g","arguments":"{\"a\":2}"}}]}"#,
                    ],
                    "tool_calls",
                )),
                None,
                Some(anthropic(
                    r#"{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1}},{"type":"tool_use","id":"toolu_2","name":"g","input":{"a":2}}"#,
                    &[
                        (
                            r#"{"type":"tool_use","id":"toolu_1","name":"f","input":{}}"#,
                            &[r#"{"type":"input_json_delta","partial_json":"{\"a\":1}"}"#],
                        ),
                        (
                            r#"{"type":"tool_use","id":"toolu_2","name":"g","input":{}}"#,
                            &[r#"{"type":"input_json_delta","partial_json":"{\"a\":2}"}"#],
                        ),
                    ],
                    "tool_use",
                )),
                Some(candidate(
                    r#"{"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"name":"g","args":{"a":2}}}"#,
                    "STOP",
                    "",
                )),
            ],
            meaning: calls,
        },
        AnswerField {
            name: "call of a freeform tool",
            samples: [
                Some(chat_message(
                    r#""content":null,"tool_calls":[{"id":"call_1","type":"custom","custom":{"name":"patch","input":"*** Begin"}}]"#,
                    &[
                        r#"{"tool_calls":[{"index":0,"id":"call_1","type":"custom","custom":{"name":"patch","input":""}}]}"#,
                        r#"{"tool_calls":[{"index":0,"custom":{"input":"*** Begin"}}]}"#,
                    ],
                    "tool_calls",
                )),
                Some(whole_item(
                    r#"{"id":"ctc_1","type":"custom_tool_call","status":"completed","call_id":"call_1","name":"patch","input":"*** Begin"}"#,
                )),
                None,
                None,
            ],
            meaning: custom,
        },
        AnswerField {
            name: "result of a provider's tool",
            samples: [
                None,
                None,
                Some(anthropic(
                    r#"{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[]}"#,
                    &[(r#"{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[]}"#, &[])],
                    "end_turn",
                )),
                Some(candidate(
                    r#"{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"2"}},{"text":"Hello"}"#,
                    "STOP",
                    "",
                )),
            ],
            meaning: own_part,
        },
        AnswerField {
            name: "work of a provider's tool",
            samples: [
                None,
                Some(whole_item(
                    r#"{"id":"ws_1","type":"web_search_call","status":"completed","action":{"type":"search","query":"q"}}"#,
                )),
                Some(anthropic(
                    r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"q"}}"#,
                    &[(
                        r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}"#,
                        &[r#"{"type":"input_json_delta","partial_json":"{\"query\":\"q\"}"}"#],
                    )],
                    "end_turn",
                )),
                Some(candidate(r#"{"executableCode":{"language":"PYTHON","code":"1"}},{"text":"Hello"}"#, "STOP", "")),
            ],
            meaning: own_part,
        },
    ]
}

fn calls(response: &Response<'_>) -> Option<String> {
    list(blocks(response).filter_map(|block| match &block.kind {
        BlockKind::ToolUse(call) if call.kind == ToolUseKind::Function => {
            let input: serde_json::Value = serde_json::from_str(&call.input).unwrap_or_default();
            Some(format!("{} {input}", call.name))
        }
        _ => None,
    }))
}

fn custom(response: &Response<'_>) -> Option<String> {
    list(blocks(response).filter_map(|block| match &block.kind {
        BlockKind::ToolUse(call) if call.kind == ToolUseKind::Custom => Some(call.input.to_string()),
        // Clients that know functions only are given one for it.
        BlockKind::ToolUse(call) => {
            let input: serde_json::Value = serde_json::from_str(&call.input).ok()?;
            input.get("input")?.as_str().map(str::to_owned)
        }
        _ => None,
    }))
}

fn own_part(response: &Response<'_>) -> Option<String> {
    list(blocks(response).filter_map(|block| match &block.kind {
        BlockKind::Opaque { raw, .. } => Some(raw.get().to_owned()),
        _ => None,
    }))
}
