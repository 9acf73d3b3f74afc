//! Reading `generateContent` requests. The model and the stream form come from the path.

use super::{Choice, Media, Tool, View, either, inline, items, text};
use serde_json::Value;

pub(super) fn read(body: &Value) -> View {
    let config = either(body, "generationConfig", "generation_config");
    let calling = either(either(body, "toolConfig", "tool_config"), "functionCallingConfig", "function_calling_config");
    let allowed = either(calling, "allowedFunctionNames", "allowed_function_names");
    let thinking = either(config, "thinkingConfig", "thinking_config");
    let schema = [("responseSchema", "response_schema"), ("responseJsonSchema", "response_json_schema")];
    let schema = schema.iter().map(|(camel, snake)| either(config, camel, snake)).find(|schema| schema.is_object());
    let mut view = View {
        schema: schema.cloned(),
        json: either(config, "responseMimeType", "response_mime_type") == "application/json",
        stop: either(config, "stopSequences", "stop_sequences")[0].as_str().map(str::to_owned),
        thoughts_hidden: *either(thinking, "includeThoughts", "include_thoughts") == false,
        choice: match (text(&calling["mode"]).to_ascii_uppercase().as_str(), items(allowed)) {
            ("NONE", _) => Choice::None,
            ("ANY", [only]) => Choice::Named(text(only).to_owned()),
            ("ANY", _) => Choice::Any,
            _ => Choice::Auto,
        },
        ..View::default()
    };
    for tool in items(&body["tools"]) {
        for function in items(either(tool, "functionDeclarations", "function_declarations")) {
            let schema = either(function, "parametersJsonSchema", "parameters_json_schema");
            let schema = if schema.is_null() { &function["parameters"] } else { schema };
            view.tools.push(Tool { name: text(&function["name"]).to_owned(), schema: schema.clone() });
        }
    }
    view.step(&body["tools"]);
    view.step(either(body, "systemInstruction", "system_instruction"));
    let one = std::slice::from_ref(&body["contents"]);
    let contents = if body["contents"].is_object() { one } else { items(&body["contents"]) };
    for content in contents {
        view.step(content);
        view.results.clear();
        let said: String = items(&content["parts"]).iter().map(|part| text(&part["text"])).collect();
        view.begun = (content["role"] == "model" && !said.is_empty()).then_some(said);
        if content["role"] != "model" {
            read_user(&mut view, items(&content["parts"]));
        }
    }
    view
}

fn read_user(view: &mut View, parts: &[Value]) {
    let said: Vec<&str> = parts.iter().map(|part| text(&part["text"])).filter(|text| !text.is_empty()).collect();
    if !said.is_empty() {
        view.user_text = said.join("\n");
    }
    for part in parts {
        let response = either(part, "functionResponse", "function_response");
        if response.is_object() {
            view.results.push(response["response"].to_string());
            for part in items(&response["parts"]) {
                read_media(view, part);
            }
        }
        read_media(view, part);
    }
}

fn read_media(view: &mut View, part: &Value) {
    let data = either(part, "inlineData", "inline_data");
    if data.is_object() {
        view.media = Some(inline(text(either(data, "mimeType", "mime_type")), text(&data["data"])));
    }
    let file = either(part, "fileData", "file_data");
    if file.is_object() {
        view.media = Some(Media::Url(text(either(file, "fileUri", "file_uri")).to_owned()));
    }
}
