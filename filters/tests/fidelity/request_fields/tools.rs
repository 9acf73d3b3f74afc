//! Tools, calls and results.

use interlingua_filters::dialects::read_web_search;
use interlingua_filters::ir::{Block, BlockKind, Request, ToolChoice, ToolKind, ToolUseKind};

use super::content::medium;
use super::{Field, blocks, field, find, joined};

const TOOLS_CHAT: &str = r#"{"tools":[{"type":"function","function":{"name":"get_weather","description":"Tells the weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]}"#;
const TOOLS_RESPONSES: &str = r#"{"tools":[{"type":"function","name":"get_weather","description":"Tells the weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}]}"#;
const TOOLS_ANTHROPIC: &str = r#"{"tools":[{"name":"get_weather","description":"Tells the weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}]}"#;
const TOOLS_GEMINI: &str = r#"{"tools":[{"functionDeclarations":[{"name":"get_weather","description":"Tells the weather","parametersJsonSchema":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}]}]}"#;

pub(super) const FIELDS: &[Field] = &[
    field("function", [Some(TOOLS_CHAT), Some(TOOLS_RESPONSES), Some(TOOLS_ANTHROPIC), Some(TOOLS_GEMINI)], functions),
    field(
        "strict function",
        [
            Some(
                r#"{"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{},"additionalProperties":false}}}]}"#,
            ),
            Some(
                r#"{"tools":[{"type":"function","name":"f","strict":true,"parameters":{"type":"object","properties":{},"additionalProperties":false}}]}"#,
            ),
            Some(
                r#"{"tools":[{"name":"f","strict":true,"input_schema":{"type":"object","properties":{},"additionalProperties":false}}]}"#,
            ),
            None,
        ],
        strict,
    ),
    field(
        "freeform tool",
        [
            Some(r#"{"tools":[{"type":"custom","custom":{"name":"patch","description":"Takes a patch"}}]}"#),
            Some(r#"{"tools":[{"type":"custom","name":"patch","description":"Takes a patch"}]}"#),
            None,
            None,
        ],
        custom,
    ),
    field(
        "search of the web",
        [
            Some(r#"{"web_search_options":{}}"#),
            Some(r#"{"tools":[{"type":"web_search"}]}"#),
            Some(r#"{"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#),
            Some(r#"{"tools":[{"googleSearch":{}}]}"#),
        ],
        web_search,
    ),
    field(
        "other tool of the provider",
        [
            None,
            Some(r#"{"tools":[{"type":"code_interpreter","container":{"type":"auto"}}]}"#),
            Some(r#"{"tools":[{"type":"code_execution_20250522","name":"code_execution"}]}"#),
            Some(r#"{"tools":[{"codeExecution":{}}]}"#),
        ],
        hosted,
    ),
    field(
        "call and result",
        [
            Some(
                r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"call_1","content":"warm"}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":"hi"},{"type":"function_call","call_id":"call_1","name":"f","arguments":"{\"a\":1}"},{"type":"function_call_output","call_id":"call_1","output":"warm"}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"f","input":{"a":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"warm"}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"warm"}}}]}]}"#,
            ),
        ],
        calls,
    ),
    field(
        "failed result",
        [
            None,
            None,
            Some(
                r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"f","input":{"a":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","is_error":true,"content":"cold"}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"error":"cold"}}}]}]}"#,
            ),
        ],
        failed,
    ),
    field(
        "picture in a result",
        [
            None,
            Some(
                r#"{"input":[{"role":"user","content":"hi"},{"type":"function_call","call_id":"call_1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"call_1","output":[{"type":"input_text","text":"see"},{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo="}]}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":[{"type":"text","text":"see"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"see"},"parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}]}}]}]}"#,
            ),
        ],
        result_image,
    ),
    field(
        "tool choice: none",
        [
            Some(r#"{"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"none"}"#),
            Some(
                r#"{"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{}}}],"tool_choice":"none"}"#,
            ),
            Some(r#"{"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"none"}}"#),
            Some(
                r#"{"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}}"#,
            ),
        ],
        choice,
    ),
    field(
        "tool choice: some call",
        [
            Some(r#"{"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required"}"#),
            Some(
                r#"{"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{}}}],"tool_choice":"required"}"#,
            ),
            Some(r#"{"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"}}"#),
            Some(
                r#"{"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}}"#,
            ),
        ],
        choice,
    ),
    field(
        "tool choice: this one",
        [
            Some(
                r#"{"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"f"}}}"#,
            ),
            Some(
                r#"{"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{}}}],"tool_choice":{"type":"function","name":"f"}}"#,
            ),
            Some(
                r#"{"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"f"}}"#,
            ),
            Some(
                r#"{"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}}"#,
            ),
        ],
        choice,
    ),
    field(
        "tool choice: one of these",
        [
            Some(
                r#"{"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]}}}"#,
            ),
            Some(
                r#"{"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{}}},{"type":"function","name":"g","parameters":{"type":"object","properties":{}}}],"tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}]}}"#,
            ),
            None,
            Some(
                r#"{"tools":[{"functionDeclarations":[{"name":"f"},{"name":"g"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f","g"]}}}"#,
            ),
        ],
        choice,
    ),
    field(
        "one call at a time",
        [
            Some(r#"{"tools":[{"type":"function","function":{"name":"f"}}],"parallel_tool_calls":false}"#),
            Some(
                r#"{"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{}}}],"parallel_tool_calls":false}"#,
            ),
            Some(
                r#"{"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}"#,
            ),
            None,
        ],
        parallel,
    ),
    field(
        "document in a result",
        [
            None,
            Some(
                r#"{"input":[{"role":"user","content":"hi"},{"type":"function_call","call_id":"call_1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"call_1","output":[{"type":"input_text","text":"see"},{"type":"input_file","file_data":"data:application/pdf;base64,JVBERi0="}]}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":[{"type":"text","text":"see"},{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}]}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"see"},"parts":[{"inlineData":{"mimeType":"application/pdf","data":"JVBERi0="}}]}}]}]}"#,
            ),
        ],
        result_file,
    ),
    field(
        "empty result",
        [
            Some(
                r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"call_1","content":""}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":"hi"},{"type":"function_call","call_id":"call_1","name":"f","arguments":"{\"a\":1}"},{"type":"function_call_output","call_id":"call_1","output":""}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"f","input":{"a":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1"}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}}]}]}"#,
            ),
        ],
        empty_result,
    ),
    field(
        "several calls at a time",
        [
            Some(r#"{"tools":[{"type":"function","function":{"name":"f"}}],"parallel_tool_calls":true}"#),
            Some(
                r#"{"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{}}}],"parallel_tool_calls":true}"#,
            ),
            Some(
                r#"{"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":false}}"#,
            ),
            None,
        ],
        parallel,
    ),
    field("tool that makes pictures", [None, Some(r#"{"tools":[{"type":"image_generation"}]}"#), None, None], hosted),
];

fn functions(request: &Request<'_>) -> Option<String> {
    let named = request.tools.iter().filter_map(|tool| match &tool.kind {
        ToolKind::Function { parameters } => {
            let parameters = parameters.as_ref().map(|raw| raw.to_value().to_string().to_lowercase());
            let takes = parameters.is_some_and(|schema| schema.contains("\"city\""));
            Some(format!("{} {} {takes}", tool.name, tool.description.as_deref().unwrap_or_default()))
        }
        _ => None,
    });
    Some(named.collect::<Vec<_>>().join(", ")).filter(|named| !named.is_empty())
}

fn strict(request: &Request<'_>) -> Option<String> {
    request.tools.iter().find_map(|tool| tool.strict).map(|strict| strict.to_string())
}

fn custom(request: &Request<'_>) -> Option<String> {
    let tool = request.tools.iter().find(|tool| tool.name == *"patch")?;
    match &tool.kind {
        ToolKind::Custom { .. } => Some("freeform".to_owned()),
        // Wrapped: one string.
        ToolKind::Function { parameters } => {
            parameters.as_ref()?.get().contains("\"input\"").then(|| "freeform".to_owned())
        }
        ToolKind::Hosted { .. } => None,
    }
}

fn web_search(request: &Request<'_>) -> Option<String> {
    request.tools.iter().find_map(|tool| read_web_search(request.origin, tool)).map(|_| "searches".to_owned())
}

fn hosted(request: &Request<'_>) -> Option<String> {
    let tool = request.tools.iter().find(|tool| matches!(tool.kind, ToolKind::Hosted { .. }))?;
    Some(tool.name.to_string())
}

fn choice(request: &Request<'_>) -> Option<String> {
    Some(match request.tool_choice.as_ref()? {
        ToolChoice::Auto => "auto".to_owned(),
        ToolChoice::None => "none".to_owned(),
        ToolChoice::Required => "required".to_owned(),
        ToolChoice::Named(name) => format!("named {name}"),
        ToolChoice::Among { names, required: true } if names.len() == 1 => format!("named {}", names[0]),
        ToolChoice::Among { names, required } => format!("among {} {required}", joined(names)),
        ToolChoice::Opaque(raw) => format!("opaque {}", raw.get()),
    })
}

fn parallel(request: &Request<'_>) -> Option<String> {
    request.parallel_tool_calls.map(|parallel| parallel.to_string())
}

fn calls(request: &Request<'_>) -> Option<String> {
    find(request, |kind| match kind {
        BlockKind::ToolUse(call) if call.kind == ToolUseKind::Function => {
            let input: serde_json::Value = serde_json::from_str(&call.input).unwrap_or_default();
            Some(format!("call {} {input}", call.name))
        }
        BlockKind::ToolResult(result) => Some(format!("result {}", words(&result.content))),
        _ => None,
    })
}

fn words(content: &[Block<'_>]) -> String {
    let words = content.iter().filter_map(|block| match &block.kind {
        BlockKind::Text { text, .. } => {
            let object: Option<serde_json::Value> = serde_json::from_str(text).ok();
            let only = object.as_ref().and_then(|value| value.as_object()).filter(|object| object.len() == 1);
            let only = only.and_then(|object| object.values().next()?.as_str().map(str::to_owned));
            Some(only.unwrap_or_else(|| text.to_string()))
        }
        _ => None,
    });
    words.collect()
}

fn failed(request: &Request<'_>) -> Option<String> {
    find(request, |kind| match kind {
        BlockKind::ToolResult(result) => {
            let said = words(&result.content);
            Some((result.is_error == Some(true) || said.to_lowercase().contains("error")).to_string())
        }
        _ => None,
    })
}

fn result_image(request: &Request<'_>) -> Option<String> {
    let of = |block: &Block<'_>| match &block.kind {
        BlockKind::Image(media) => Some(medium(media)),
        _ => None,
    };
    blocks(request).find_map(|(_, block)| match &block.kind {
        BlockKind::ToolResult(result) => result.content.iter().find_map(of),
        // Beside the result, where results are text only.
        _ => of(block),
    })
}

fn result_file(request: &Request<'_>) -> Option<String> {
    let of = |block: &Block<'_>| match &block.kind {
        BlockKind::File(media) => Some(medium(media)),
        _ => None,
    };
    blocks(request).find_map(|(_, block)| match &block.kind {
        BlockKind::ToolResult(result) => result.content.iter().find_map(of),
        // Beside the result, where results are text only.
        _ => of(block),
    })
}

/// A result that says nothing, in whatever form.
fn empty_result(request: &Request<'_>) -> Option<String> {
    find(request, |kind| match kind {
        BlockKind::ToolResult(result) => Some(format!("says {:?}", words(&result.content).trim_matches(['{', '}']))),
        _ => None,
    })
}
