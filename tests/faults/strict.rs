//! The four protocols' streams, read by someone who forgives nothing. Written from the providers' documentation.

use serde_json::Value;

use super::protocol::{Event, Protocol, events};
use super::wire::Answer;

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As the protocol has it.
    Whole,
    /// With the protocol's event for an error.
    Error,
}

/// The text of a stream and how it ended. The error says what is wrong with the stream.
pub(crate) fn read(protocol: Protocol, answer: &Answer) -> Result<(String, End), String> {
    if answer.status != 200 {
        return Err(format!("status {}", answer.status));
    }
    let kind = answer.header("content-type").unwrap_or_default();
    if !kind.starts_with("text/event-stream") {
        return Err(format!("content-type {kind:?}"));
    }
    // A stream may end its lines in CR, LF or both (WHATWG HTML, section 9.2.6).
    let body = std::str::from_utf8(&answer.body).map_err(|_| "not UTF-8")?.replace("\r\n", "\n").replace('\r', "\n");
    let events = events(&body)?;
    let end = match protocol {
        Protocol::Anthropic => anthropic(&events),
        Protocol::Chat => chat(&events),
        Protocol::Responses => responses(&events),
        Protocol::Gemini => gemini(&events),
    }?;
    Ok((protocol.text(&events), end))
}

fn json(data: &str) -> Result<Value, String> {
    serde_json::from_str(data).map_err(|error| format!("{error} in {data:?}"))
}

/// Whether something comes after the end.
fn nothing_after(end: Option<End>, what: &str) -> Result<(), String> {
    end.map_or(Ok(()), |end| Err(format!("{what} after the end ({end:?})")))
}

fn anthropic(events: &[Event]) -> Result<End, String> {
    let (mut begun, mut stopping, mut open, mut next, mut end) = (false, false, None, 0, None);
    for (name, data) in events {
        let value = json(data)?;
        let kind = value["type"].as_str().ok_or("an event without a type")?;
        nothing_after(end, kind)?;
        if name.as_deref() != Some(kind) {
            return Err(format!("the event {name:?} has the type {kind:?}"));
        }
        let index = value["index"].as_u64();
        match kind {
            "ping" => {}
            "message_start" if !begun => begun = true,
            "content_block_start" if begun && !stopping && open.is_none() && index == Some(next) => open = index,
            "content_block_delta" if open.is_some() && index == open => {}
            "content_block_stop" if open.is_some() && index == open => {
                open = None;
                next += 1;
            }
            "message_delta" if begun && !stopping && open.is_none() => {
                stopping = value["delta"]["stop_reason"].is_string();
            }
            "message_stop" if stopping => end = Some(End::Whole),
            // In its own dialect also within a block: there the provider's events are not altered.
            "error" if value["error"]["message"].is_string() => end = Some(End::Error),
            _ => {
                return Err(format!(
                    "{kind} (index {index:?}) out of place: block {open:?} is open, {next} are closed"
                ));
            }
        }
    }
    end.ok_or_else(|| "no end".to_owned())
}

fn chat(events: &[Event]) -> Result<End, String> {
    let (mut finished, mut failed, mut done, mut id) = (false, false, false, None);
    for (_, data) in events {
        if done {
            return Err("something after [DONE]".to_owned());
        }
        if data == "[DONE]" {
            done = true;
            continue;
        }
        let value = json(data)?;
        if failed {
            return Err("a chunk after the error".to_owned());
        }
        if value["error"].is_object() {
            failed = true;
            continue;
        }
        if value["object"] != "chat.completion.chunk" {
            return Err(format!("the object {}", value["object"]));
        }
        if id.get_or_insert_with(|| value["id"].clone()) != &value["id"] {
            return Err("the id changes".to_owned());
        }
        let choices = value["choices"].as_array().ok_or("no choices")?;
        if finished && !choices.is_empty() {
            return Err("a choice after the finish reason".to_owned());
        }
        finished = finished || choices.iter().any(|choice| choice["finish_reason"].is_string());
    }
    match (finished, failed, done) {
        (true, false, true) => Ok(End::Whole),
        (_, true, _) => Ok(End::Error),
        _ => Err(format!("finished {finished}, done {done}")),
    }
}

fn responses(events: &[Event]) -> Result<End, String> {
    let (mut end, mut items, mut next, mut number) = (None, Vec::new(), 0, None);
    for (at, (name, data)) in events.iter().enumerate() {
        let value = json(data)?;
        let kind = value["type"].as_str().ok_or("an event without a type")?;
        nothing_after(end, kind)?;
        if name.as_deref().is_some_and(|name| name != kind) {
            return Err(format!("the event {name:?} has the type {kind:?}"));
        }
        let before = std::mem::replace(&mut number, value["sequence_number"].as_u64());
        if number.is_none() || number <= before {
            return Err(format!("event {at} has the number {number:?} after {before:?}"));
        }
        let index = value["output_index"].as_u64();
        match kind {
            "response.created" if at == 0 => {}
            "response.output_item.added" if index == Some(next) => {
                items.push(index);
                next += 1;
            }
            "response.output_item.done" if items.contains(&index) => items.retain(|item| *item != index),
            "response.completed" | "response.incomplete" if items.is_empty() => end = Some(End::Whole),
            "response.failed" | "error" => end = Some(End::Error),
            "response.created" | "response.output_item.added" | "response.completed" | "response.incomplete" => {
                return Err(format!("{kind} (index {index:?}) out of place: {items:?} are open"));
            }
            _ if index.is_some() && !items.contains(&index) => return Err(format!("{kind} of no open item")),
            _ => {}
        }
    }
    end.ok_or_else(|| "no end".to_owned())
}

fn gemini(events: &[Event]) -> Result<End, String> {
    let mut end = None;
    for (_, data) in events {
        let value = json(data)?;
        if value["error"].is_object() {
            nothing_after(end, "an error")?;
            end = Some(End::Error);
            continue;
        }
        let candidate = &value["candidates"][0];
        if candidate["content"]["parts"].as_array().is_some_and(|parts| !parts.is_empty()) {
            nothing_after(end, "content")?;
        }
        if candidate["finishReason"].is_string() {
            nothing_after(end, "a second finish reason")?;
            end = Some(End::Whole);
        } else if candidate.is_null() && !value["usageMetadata"].is_object() && !value["promptFeedback"].is_object() {
            return Err(format!("a chunk with nothing: {value}"));
        }
    }
    end.ok_or_else(|| "no end".to_owned())
}
