//! The fields of a request: how each dialect says them, and what they mean.

use interlingua_filters::dialects::read_web_search;
use interlingua_filters::ir::{
    Block, BlockKind, Effort, Media, MediaSource, OutputFormat, Request, Role, ToolChoice, ToolKind, ToolUseKind,
};
use interlingua_filters::json::{Num, Str};

/// One field.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// Members in the words of each dialect of [`interlingua_filters::Dialect::ALL`], laid over the least request; `None` where it has none.
    pub(crate) words: [Option<&'static str>; 4],
    /// What is meant, in words that compare; `None` when it is not there.
    pub(crate) meaning: fn(&Request<'_>) -> Option<String>,
}

const fn field(
    name: &'static str,
    words: [Option<&'static str>; 4],
    meaning: fn(&Request<'_>) -> Option<String>,
) -> Field {
    Field { name, words, meaning }
}

fn number(number: Option<&Num<'_>>) -> Option<String> {
    number.map(|number| number.as_f64().to_string())
}

fn joined(texts: &[Str<'_>]) -> String {
    texts.iter().map(Str::as_str).collect::<Vec<_>>().join(" ")
}

fn blocks<'r, 'a>(request: &'r Request<'a>) -> impl Iterator<Item = (Role, &'r Block<'a>)> {
    request.turns.iter().flat_map(|turn| turn.blocks.iter().map(|block| (turn.role, block)))
}

fn find(request: &Request<'_>, pick: impl Fn(&BlockKind<'_>) -> Option<String>) -> Option<String> {
    let found: Vec<String> = blocks(request).filter_map(|(_, block)| pick(&block.kind)).collect();
    (!found.is_empty()).then(|| found.join(" "))
}

fn texts(request: &Request<'_>, roles: &[Role]) -> Option<String> {
    let said = blocks(request).filter(|(role, _)| roles.contains(role)).filter_map(|(_, block)| match &block.kind {
        BlockKind::Text { text, .. } => Some(text.split_whitespace().collect::<Vec<_>>().join(" ")),
        _ => None,
    });
    Some(said.collect::<Vec<_>>().join(" ")).filter(|said| !said.is_empty())
}

fn medium(media: &Media<'_>) -> String {
    let source = match &media.source {
        MediaSource::Base64(text) => format!("base64 {text}"),
        MediaSource::Url(text) => format!("url {text}"),
        MediaSource::Text(text) => format!("text {text}"),
        MediaSource::FileId(text) => format!("file {text}"),
    };
    match &media.source {
        // Who names an address need not say what is behind it.
        MediaSource::Url(_) => source,
        _ => format!("{} {source}", media.mime.as_deref().unwrap_or("?")),
    }
}

fn image(request: &Request<'_>) -> Option<String> {
    find(request, |kind| if let BlockKind::Image(media) = kind { Some(medium(media)) } else { None })
}

fn file(request: &Request<'_>) -> Option<String> {
    find(request, |kind| if let BlockKind::File(media) = kind { Some(medium(media)) } else { None })
}

/// A text document, or the text that it became.
fn document(request: &Request<'_>) -> Option<String> {
    let said = find(request, |kind| match kind {
        BlockKind::File(Media { source: MediaSource::Text(text), .. }) => Some(text.to_string()),
        BlockKind::Text { text, .. } if text.contains("once upon") => Some("once upon".to_owned()),
        // The words in base64.
        BlockKind::File(Media { source: MediaSource::Base64(text), .. }) if *text == *"b25jZSB1cG9u" => {
            Some("once upon".to_owned())
        }
        _ => None,
    });
    said
}

fn sound(request: &Request<'_>) -> Option<String> {
    find(request, |kind| if let BlockKind::Audio(media) = kind { Some(medium(media)) } else { None })
}

fn film(request: &Request<'_>) -> Option<String> {
    find(request, |kind| if let BlockKind::Video(media) = kind { Some(medium(media)) } else { None })
}

fn system(request: &Request<'_>) -> Option<String> {
    texts(request, &[Role::System, Role::Developer])
}

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
    let said = find(request, |kind| match kind {
        BlockKind::ToolUse(call) if call.kind == ToolUseKind::Function => {
            let input: serde_json::Value = serde_json::from_str(&call.input).unwrap_or_default();
            Some(format!("call {} {input}", call.name))
        }
        BlockKind::ToolResult(result) => Some(format!("result {}", words(&result.content))),
        _ => None,
    });
    said
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
    let failed = find(request, |kind| match kind {
        BlockKind::ToolResult(result) => {
            let said = words(&result.content);
            Some((result.is_error == Some(true) || said.to_lowercase().contains("error")).to_string())
        }
        _ => None,
    });
    failed
}

fn result_image(request: &Request<'_>) -> Option<String> {
    let of = |block: &Block<'_>| match &block.kind {
        BlockKind::Image(media) => Some(medium(media)),
        _ => None,
    };
    let found = blocks(request).find_map(|(_, block)| match &block.kind {
        BlockKind::ToolResult(result) => result.content.iter().find_map(of),
        // Beside the result, where results are text only.
        _ => of(block),
    });
    found
}

fn candidates(request: &Request<'_>) -> Option<String> {
    number(request.candidates.as_ref())
}

fn format(request: &Request<'_>) -> Option<String> {
    match request.output_format.as_ref()? {
        OutputFormat::Text => None,
        OutputFormat::JsonObject => Some("object".to_owned()),
        OutputFormat::JsonSchema { schema, .. } => {
            Some(format!("schema {}", schema.get().to_lowercase().contains("\"town\"")))
        }
        OutputFormat::Opaque(raw) => Some(raw.get().to_owned()),
    }
}

/// Effort, or the effort that a budget stands for: budgets and efforts translate into each other.
fn effort(request: &Request<'_>) -> Option<String> {
    let config = request.reasoning.as_ref()?;
    let budget = config.budget.as_ref().and_then(Num::as_u64).map(Effort::from_budget);
    config.effort.or(budget).map(|effort| effort.as_openai().to_owned())
}

fn thinking_off(request: &Request<'_>) -> Option<String> {
    let config = request.reasoning.as_ref()?;
    let none = config.effort == Some(Effort::None) || config.budget.as_ref().and_then(Num::as_u64) == Some(0);
    (config.enabled == Some(false) || none).then(|| "off".to_owned())
}

fn shown(request: &Request<'_>) -> Option<String> {
    request.reasoning.as_ref()?.visible.map(|visible| visible.to_string())
}

fn thoughts(request: &Request<'_>) -> Option<String> {
    let found = blocks(request).find_map(|(_, block)| match &block.kind {
        BlockKind::Reasoning(thought) => Some(joined(&thought.text)),
        _ => None,
    });
    found
}

fn cache(request: &Request<'_>) -> Option<String> {
    let marks = blocks(request).filter(|(_, block)| block.cache.is_some()).count();
    let tools = request.tools.iter().filter(|tool| tool.cache.is_some()).count();
    (marks + tools > 0).then(|| "marked".to_owned())
}

fn extra(request: &Request<'_>, name: &str) -> Option<String> {
    request.extra.get(name).map(|raw| raw.to_value().to_string())
}

macro_rules! own {
    ($name:literal) => {
        |request| extra(request, $name)
    };
}

fn prefill(request: &Request<'_>) -> Option<String> {
    let last = request.turns.last()?;
    (last.role == Role::Assistant).then(|| texts(request, &[Role::Assistant]))?
}

fn speaker(request: &Request<'_>) -> Option<String> {
    request.turns.iter().find_map(|turn| turn.name.as_deref().map(str::to_owned))
}

const TOOLS_CHAT: &str = r#"{"tools":[{"type":"function","function":{"name":"get_weather","description":"Tells the weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]}"#;
const TOOLS_RESPONSES: &str = r#"{"tools":[{"type":"function","name":"get_weather","description":"Tells the weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}]}"#;
const TOOLS_ANTHROPIC: &str = r#"{"tools":[{"name":"get_weather","description":"Tells the weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}]}"#;
const TOOLS_GEMINI: &str = r#"{"tools":[{"functionDeclarations":[{"name":"get_weather","description":"Tells the weather","parametersJsonSchema":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}]}]}"#;

pub(crate) const FIELDS: &[Field] = &[
    // ---- Words
    field(
        "system text",
        [
            Some(r#"{"messages":[{"role":"system","content":"be brief"},{"role":"user","content":"hi"}]}"#),
            Some(r#"{"instructions":"be brief"}"#),
            Some(r#"{"system":"be brief"}"#),
            Some(r#"{"systemInstruction":{"parts":[{"text":"be brief"}]}}"#),
        ],
        system,
    ),
    field(
        "system text in several parts",
        [
            Some(
                r#"{"messages":[{"role":"system","content":"be brief"},{"role":"developer","content":"and kind"},{"role":"user","content":"hi"}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"developer","content":"be brief"},{"role":"developer","content":"and kind"},{"role":"user","content":"hi"}]}"#,
            ),
            Some(r#"{"system":[{"type":"text","text":"be brief"},{"type":"text","text":"and kind"}]}"#),
            Some(r#"{"systemInstruction":{"parts":[{"text":"be brief"},{"text":"and kind"}]}}"#),
        ],
        system,
    ),
    field(
        "several turns",
        [
            Some(
                r#"{"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":"three"}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":"three"}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":"three"}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"text":"one"}]},{"role":"model","parts":[{"text":"two"}]},{"role":"user","parts":[{"text":"three"}]}]}"#,
            ),
        ],
        |request| texts(request, &[Role::User, Role::Assistant]),
    ),
    field(
        "answer begun by the client",
        [
            Some(r#"{"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"}]}"#),
            Some(r#"{"input":[{"role":"user","content":"one"},{"role":"assistant","content":"two"}]}"#),
            Some(r#"{"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"}]}"#),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"text":"one"}]},{"role":"model","parts":[{"text":"two"}]}]}"#,
            ),
        ],
        prefill,
    ),
    field(
        "name of the speaker",
        [Some(r#"{"messages":[{"role":"user","name":"ada","content":"hi"}]}"#), None, None, None],
        speaker,
    ),
    // ---- Content
    field(
        "picture, base64",
        [
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo="}]}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}]}]}"#,
            ),
        ],
        image,
    ),
    field(
        "picture by URL",
        [
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"https://example.com/a.png"}]}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"image/png","fileUri":"https://example.com/a.png"}}]}]}"#,
            ),
        ],
        image,
    ),
    field(
        "detail of a picture",
        [
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png","detail":"low"}}]}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"https://example.com/a.png","detail":"low"}]}]}"#,
            ),
            None,
            None,
        ],
        |request| {
            let said = blocks(request).find_map(|(_, block)| block.extra.get("detail").map(|raw| raw.get().to_owned()));
            said.or_else(|| image(request).map(|_| "a picture".to_owned()))
        },
    ),
    field(
        "picture by file id",
        [
            None,
            Some(r#"{"input":[{"role":"user","content":[{"type":"input_image","file_id":"file-1"}]}]}"#),
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"file","file_id":"file_1"}}]}]}"#,
            ),
            None,
        ],
        image,
    ),
    field(
        "PDF, base64",
        [
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}}]}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}]}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"application/pdf","data":"JVBERi0="}}]}]}"#,
            ),
        ],
        file,
    ),
    field(
        "PDF by URL",
        [
            None,
            Some(
                r#"{"input":[{"role":"user","content":[{"type":"input_file","file_url":"https://example.com/a.pdf"}]}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"}}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"application/pdf","fileUri":"https://example.com/a.pdf"}}]}]}"#,
            ),
        ],
        file,
    ),
    field(
        "document by file id",
        [
            Some(r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]}"#),
            Some(r#"{"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]}"#),
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"file_1"}}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"application/pdf","fileUri":"https://generativelanguage.googleapis.com/v1beta/files/abc"}}]}]}"#,
            ),
        ],
        file,
    ),
    field(
        "text document",
        [
            None,
            None,
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"once upon"}}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"text/plain","data":"b25jZSB1cG9u"}}]}]}"#,
            ),
        ],
        document,
    ),
    field(
        "sound",
        [
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"format":"wav","data":"UklGRg=="}}]}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":[{"type":"input_audio","input_audio":{"format":"wav","data":"UklGRg=="}}]}]}"#,
            ),
            None,
            Some(
                r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"audio/wav","data":"UklGRg=="}}]}]}"#,
            ),
        ],
        sound,
    ),
    field(
        "film",
        [
            None,
            None,
            None,
            Some(r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"video/mp4","data":"AAAA"}}]}]}"#),
        ],
        film,
    ),
    // ---- Tools
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
    // ---- How to answer
    field(
        "temperature",
        [
            Some(r#"{"temperature":0.5}"#),
            Some(r#"{"temperature":0.5}"#),
            Some(r#"{"temperature":0.5}"#),
            Some(r#"{"generationConfig":{"temperature":0.5}}"#),
        ],
        |request| number(request.sampling.temperature.as_ref()),
    ),
    field(
        "temperature above 1",
        [
            Some(r#"{"temperature":1.5}"#),
            Some(r#"{"temperature":1.5}"#),
            None,
            Some(r#"{"generationConfig":{"temperature":1.5}}"#),
        ],
        |request| number(request.sampling.temperature.as_ref()),
    ),
    field(
        "top_p",
        [
            Some(r#"{"top_p":0.5}"#),
            Some(r#"{"top_p":0.5}"#),
            Some(r#"{"top_p":0.5}"#),
            Some(r#"{"generationConfig":{"topP":0.5}}"#),
        ],
        |request| number(request.sampling.top_p.as_ref()),
    ),
    field("top_k", [None, None, Some(r#"{"top_k":5}"#), Some(r#"{"generationConfig":{"topK":5}}"#)], |request| {
        number(request.sampling.top_k.as_ref())
    }),
    field(
        "presence penalty",
        [Some(r#"{"presence_penalty":0.5}"#), None, None, Some(r#"{"generationConfig":{"presencePenalty":0.5}}"#)],
        |request| number(request.sampling.presence_penalty.as_ref()),
    ),
    field(
        "frequency penalty",
        [Some(r#"{"frequency_penalty":0.5}"#), None, None, Some(r#"{"generationConfig":{"frequencyPenalty":0.5}}"#)],
        |request| number(request.sampling.frequency_penalty.as_ref()),
    ),
    field("seed", [Some(r#"{"seed":7}"#), None, None, Some(r#"{"generationConfig":{"seed":7}}"#)], |request| {
        number(request.sampling.seed.as_ref())
    }),
    field(
        "cap of output tokens",
        [
            Some(r#"{"max_completion_tokens":700}"#),
            Some(r#"{"max_output_tokens":700}"#),
            Some(r#"{"max_tokens":700}"#),
            Some(r#"{"generationConfig":{"maxOutputTokens":700}}"#),
        ],
        |request| number(request.max_output_tokens.as_ref()),
    ),
    field(
        "stop sequences",
        [
            Some(r#"{"stop":["END","FIN"]}"#),
            None,
            Some(r#"{"stop_sequences":["END","FIN"]}"#),
            Some(r#"{"generationConfig":{"stopSequences":["END","FIN"]}}"#),
        ],
        |request| (!request.stop.is_empty()).then(|| joined(&request.stop)),
    ),
    field(
        "several alternatives",
        [Some(r#"{"n":2}"#), None, None, Some(r#"{"generationConfig":{"candidateCount":2}}"#)],
        candidates,
    ),
    field(
        "log probabilities",
        [
            Some(r#"{"logprobs":true,"top_logprobs":3}"#),
            Some(r#"{"top_logprobs":3,"include":["message.output_text.logprobs"]}"#),
            None,
            Some(r#"{"generationConfig":{"responseLogprobs":true,"logprobs":3}}"#),
        ],
        |request| request.logprobs.as_ref().map(|asked| number(asked.top.as_ref()).unwrap_or_default()),
    ),
    field("bias of tokens", [Some(r#"{"logit_bias":{"50256":-100}}"#), None, None, None], own!("logit_bias")),
    field(
        "any JSON object",
        [
            Some(r#"{"response_format":{"type":"json_object"}}"#),
            Some(r#"{"text":{"format":{"type":"json_object"}}}"#),
            None,
            Some(r#"{"generationConfig":{"responseMimeType":"application/json"}}"#),
        ],
        format,
    ),
    field(
        "JSON by a schema",
        [
            Some(
                r#"{"response_format":{"type":"json_schema","json_schema":{"name":"place","schema":{"type":"object","properties":{"town":{"type":"string"}},"required":["town"],"additionalProperties":false}}}}"#,
            ),
            Some(
                r#"{"text":{"format":{"type":"json_schema","name":"place","schema":{"type":"object","properties":{"town":{"type":"string"}},"required":["town"],"additionalProperties":false}}}}"#,
            ),
            Some(
                r#"{"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"town":{"type":"string"}},"required":["town"],"additionalProperties":false}}}}"#,
            ),
            Some(
                r#"{"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{"type":"object","properties":{"town":{"type":"string"}},"required":["town"],"additionalProperties":false}}}"#,
            ),
        ],
        format,
    ),
    // ---- Thinking
    field(
        "effort of thinking",
        [
            Some(r#"{"reasoning_effort":"low"}"#),
            Some(r#"{"reasoning":{"effort":"low"}}"#),
            Some(r#"{"output_config":{"effort":"low"},"thinking":{"type":"adaptive"}}"#),
            Some(r#"{"generationConfig":{"thinkingConfig":{"thinkingLevel":"LOW"}}}"#),
        ],
        effort,
    ),
    field(
        "budget of thinking",
        [
            None,
            None,
            Some(r#"{"max_tokens":20000,"thinking":{"type":"enabled","budget_tokens":8192}}"#),
            Some(r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":8192}}}"#),
        ],
        effort,
    ),
    field(
        "no thinking",
        [
            Some(r#"{"reasoning_effort":"none"}"#),
            Some(r#"{"reasoning":{"effort":"none"}}"#),
            Some(r#"{"thinking":{"type":"disabled"}}"#),
            Some(r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}"#),
        ],
        thinking_off,
    ),
    field(
        "show the thoughts",
        [
            None,
            Some(r#"{"reasoning":{"effort":"low","summary":"auto"}}"#),
            None,
            Some(r#"{"generationConfig":{"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"LOW"}}}"#),
        ],
        shown,
    ),
    field(
        "earlier thoughts",
        [
            Some(
                r#"{"messages":[{"role":"user","content":"one"},{"role":"assistant","reasoning_content":"so so","content":"two"},{"role":"user","content":"three"}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":"one"},{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"so so"}],"encrypted_content":"c2VhbA=="},{"role":"assistant","content":"two"},{"role":"user","content":"three"}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":"one"},{"role":"assistant","content":[{"type":"thinking","thinking":"so so","signature":"c2VhbA=="},{"type":"text","text":"two"}]},{"role":"user","content":"three"}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"text":"one"}]},{"role":"model","parts":[{"thought":true,"text":"so so"},{"text":"two"}]},{"role":"user","parts":[{"text":"three"}]}]}"#,
            ),
        ],
        thoughts,
    ),
    // ---- Books and caches
    field(
        "end user",
        [Some(r#"{"user":"ada"}"#), Some(r#"{"user":"ada"}"#), Some(r#"{"metadata":{"user_id":"ada"}}"#), None],
        |request| request.user.as_deref().map(str::to_owned),
    ),
    field(
        "labels",
        [
            Some(r#"{"metadata":{"team":"blue"},"store":true}"#),
            Some(r#"{"metadata":{"team":"blue"}}"#),
            None,
            Some(r#"{"labels":{"team":"blue"}}"#),
        ],
        |request| request.metadata.as_ref().map(|raw| raw.to_value().to_string()),
    ),
    field(
        "service tier",
        [
            Some(r#"{"service_tier":"default"}"#),
            Some(r#"{"service_tier":"default"}"#),
            Some(r#"{"service_tier":"standard_only"}"#),
            None,
        ],
        |request| request.service_tier.as_deref().map(str::to_owned),
    ),
    field(
        "key of the cache",
        [Some(r#"{"prompt_cache_key":"k"}"#), Some(r#"{"prompt_cache_key":"k"}"#), None, None],
        |request| request.prompt_cache_key.as_deref().map(str::to_owned),
    ),
    field(
        "mark of the cache",
        [
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]}"#,
            ),
            None,
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]}"#,
            ),
            None,
        ],
        cache,
    ),
    field(
        "cached contents",
        [None, None, None, Some(r#"{"cachedContent":"cachedContents/1"}"#)],
        own!("cachedContent"),
    ),
    field(
        "verbosity",
        [Some(r#"{"verbosity":"low"}"#), Some(r#"{"text":{"verbosity":"low"}}"#), None, None],
        |request| request.verbosity.as_deref().map(str::to_owned),
    ),
    field("keep the answer", [Some(r#"{"store":true}"#), Some(r#"{"store":true}"#), None, None], |request| {
        request.store.map(|store| store.to_string())
    }),
    field(
        "earlier answer by id",
        [None, Some(r#"{"previous_response_id":"resp_1"}"#), None, None],
        own!("previous_response_id"),
    ),
    field(
        "answer in sound",
        [Some(r#"{"modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"}}"#), None, None, None],
        own!("modalities"),
    ),
    field(
        "prediction",
        [Some(r#"{"prediction":{"type":"content","content":"abc"}}"#), None, None, None],
        own!("prediction"),
    ),
    field(
        "safety settings",
        [
            None,
            None,
            None,
            Some(r#"{"safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"}]}"#),
        ],
        own!("safetySettings"),
    ),
    field(
        "context management",
        [None, None, Some(r#"{"context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]}}"#), None],
        own!("context_management"),
    ),
    field(
        "MCP servers of the provider",
        [None, None, Some(r#"{"mcp_servers":[{"type":"url","url":"https://example.com/mcp","name":"m"}]}"#), None],
        own!("mcp_servers"),
    ),
];
