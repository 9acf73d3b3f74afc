//! Reading Chat Completions requests.

use super::{Choice, Tool, View, from_url, inline, items, text};
use serde_json::Value;

pub(super) fn read(body: &Value) -> View {
    let mut view = View {
        model: text(&body["model"]).to_owned(),
        stream: body["stream"] == true,
        include_usage: body["stream_options"]["include_usage"] == true,
        choice: choice(&body["tool_choice"]),
        stop: body["stop"].as_str().or_else(|| body["stop"][0].as_str()).map(str::to_owned),
        json: body["response_format"]["type"] == "json_object",
        ..View::default()
    };
    for tool in items(&body["tools"]) {
        let (name, schema) = (text(&tool["function"]["name"]).to_owned(), tool["function"]["parameters"].clone());
        if !name.is_empty() {
            view.tools.push(Tool { name, schema });
        }
    }
    let schema = &body["response_format"]["json_schema"]["schema"];
    view.schema = schema.is_object().then(|| schema.clone());
    view.step(&body["tools"]);
    for message in items(&body["messages"]) {
        view.step(message);
        let said = joined(&message["content"]);
        view.begun = (message["role"] == "assistant" && !said.is_empty()).then_some(said);
        match text(&message["role"]) {
            "tool" | "function" => view.results.push(joined(&message["content"])),
            "user" => {
                view.results.clear();
                read_user(&mut view, &message["content"]);
            }
            "assistant" => view.results.clear(),
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
            "image_url" => view.media = Some(from_url(text(&part["image_url"]["url"]))),
            "input_audio" => {
                let mime = format!("audio/{}", text(&part["input_audio"]["format"]));
                view.media = Some(inline(&mime, text(&part["input_audio"]["data"])));
            }
            "file" => view.media = Some(from_url(text(&part["file"]["file_data"]))),
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

/// Chat nests the name in `function`, Responses has it on top.
pub(super) fn choice(value: &Value) -> Choice {
    match value {
        Value::String(word) => match word.as_str() {
            "none" => Choice::None,
            "required" => Choice::Any,
            _ => Choice::Auto,
        },
        Value::Object(_) => {
            let name = value["function"]["name"].as_str().or_else(|| value["name"].as_str());
            match name {
                Some(name) => Choice::Named(name.to_owned()),
                None if value["mode"] == "required" || value["allowed_tools"]["mode"] == "required" => Choice::Any,
                None => Choice::Auto,
            }
        }
        _ => Choice::Auto,
    }
}
