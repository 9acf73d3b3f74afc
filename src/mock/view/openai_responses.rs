//! Reading Responses requests.

use super::openai_chat::choice;
use super::{Tool, View, from_url, items, text};
use serde_json::Value;

pub(super) fn read(body: &Value) -> View {
    let format = &body["text"]["format"];
    let mut view = View {
        model: text(&body["model"]).to_owned(),
        stream: body["stream"] == true,
        choice: choice(&body["tool_choice"]),
        json: format["type"] == "json_object",
        schema: format["schema"].is_object().then(|| format["schema"].clone()),
        encrypted: items(&body["include"]).iter().any(|name| name == "reasoning.encrypted_content"),
        ..View::default()
    };
    for tool in items(&body["tools"]) {
        if tool["type"] == "function" && tool["name"].is_string() {
            view.tools.push(Tool { name: text(&tool["name"]).to_owned(), schema: tool["parameters"].clone() });
        }
    }
    view.step(&body["tools"]);
    view.step(&body["instructions"]);
    if let Some(said) = body["input"].as_str() {
        view.step(&body["input"]);
        said.clone_into(&mut view.user_text);
    }
    for item in items(&body["input"]) {
        view.step(item);
        match text(&item["type"]) {
            "function_call_output" | "custom_tool_call_output" => view.results.push(joined(&item["output"])),
            "message" | "" => {
                if item["role"] == "user" {
                    read_user(&mut view, &item["content"]);
                }
                if item["role"] == "user" || item["role"] == "assistant" {
                    view.results.clear();
                }
            }
            "function_call" => view.results.clear(),
            _ => {}
        }
    }
    view
}

fn read_user(view: &mut View, content: &Value) {
    let said = joined(content);
    if !said.is_empty() {
        view.user_text = said;
    }
    for part in items(content) {
        match text(&part["type"]) {
            "input_image" => view.media = Some(from_url(text(&part["image_url"]))),
            "input_file" => view.media = Some(from_url(text(&part["file_data"]))),
            _ => {}
        }
    }
}

fn joined(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        parts => items(parts)
            .iter()
            .map(|part| text(&part["text"]))
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join("\n"),
    }
}
