//! Reading Messages requests.

use super::{Choice, Media, Tool, View, inline, items, text};
use serde_json::Value;

pub(super) fn read(body: &Value) -> View {
    let choice = &body["tool_choice"];
    let format = if body["output_config"]["format"].is_object() {
        &body["output_config"]["format"]
    } else {
        &body["output_format"]
    };
    let mut view = View {
        model: text(&body["model"]).to_owned(),
        stream: body["stream"] == true,
        must_think: body["thinking"]["type"] == "enabled",
        stop: body["stop_sequences"][0].as_str().map(str::to_owned),
        schema: format["schema"].is_object().then(|| format["schema"].clone()),
        choice: match text(&choice["type"]) {
            "none" => Choice::None,
            "any" => Choice::Any,
            "tool" => Choice::Named(text(&choice["name"]).to_owned()),
            _ => Choice::Auto,
        },
        ..View::default()
    };
    for tool in items(&body["tools"]) {
        // Server tools have a dated type and no schema.
        if tool["name"].is_string() && tool["input_schema"].is_object() {
            view.tools.push(Tool { name: text(&tool["name"]).to_owned(), schema: tool["input_schema"].clone() });
        }
    }
    for tool in items(&body["tools"]) {
        view.step(tool);
    }
    match &body["system"] {
        Value::Array(blocks) => blocks.iter().for_each(|block| view.step(block)),
        other => view.step(other),
    }
    for message in items(&body["messages"]) {
        match &message["content"] {
            Value::Array(blocks) => blocks.iter().for_each(|block| view.step(block)),
            other => view.step(other),
        }
        let said = joined(&message["content"]);
        view.begun = (message["role"] == "assistant" && !said.is_empty()).then_some(said);
        match text(&message["role"]) {
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
    for block in items(content) {
        match text(&block["type"]) {
            "image" | "document" => view.media = media(&block["source"]),
            "tool_result" => {
                view.results.push(joined(&block["content"]));
                for inner in items(&block["content"]).iter().filter(|inner| inner["type"] == "image") {
                    view.media = media(&inner["source"]);
                }
            }
            _ => {}
        }
    }
}

fn media(source: &Value) -> Option<Media> {
    match text(&source["type"]) {
        "base64" => Some(inline(text(&source["media_type"]), text(&source["data"]))),
        "url" => Some(Media::Url(text(&source["url"]).to_owned())),
        "text" => Some(Media::Inline { mime: "text/plain".into(), bytes: text(&source["data"]).as_bytes().to_vec() }),
        _ => None,
    }
}

fn joined(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        blocks => {
            let texts = items(blocks).iter().filter(|block| block["type"] == "text").map(|block| text(&block["text"]));
            texts.collect::<Vec<_>>().join("\n")
        }
    }
}
