//! Laws and traps of this dialect.

mod content;
mod convert;
mod corpus;
mod errors;
mod generated;
mod identity;
mod notes;
mod streams;
mod switches;
mod traps;

use serde_json::Value;

use super::*;
use crate::Dialect;
use crate::dialects::{Encoded, Endpoint, Target};
use crate::ir::{Block, ReplyContext, Request, Role, Turn};
use crate::json::Str;

/// The body, decoded and encoded for the model and mode that it names.
fn round_trip(body: &[u8]) -> Value {
    let request = decode_request(body, &Endpoint::default()).unwrap();
    let target = Target::new(request.model.to_string(), request.stream);
    let mut out = Vec::new();
    let encoded = encode_request(&request, &target, &mut out).unwrap();
    assert!(encoded.losses.is_empty(), "{:?}", encoded.losses);
    exact(&out)
}

/// JSON with every number as the text it was written in.
fn exact(body: &[u8]) -> Value {
    fn walk(raw: &str) -> Value {
        let text = raw.trim();
        match text.as_bytes().first() {
            Some(b'{') => {
                let members: std::collections::BTreeMap<String, Box<serde_json::value::RawValue>> =
                    serde_json::from_str(text).unwrap();
                Value::Object(members.into_iter().map(|(key, value)| (key, walk(value.get()))).collect())
            }
            Some(b'[') => {
                let list: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(text).unwrap();
                Value::Array(list.iter().map(|value| walk(value.get())).collect())
            }
            Some(b'-' | b'0'..=b'9') => Value::String(format!("number {text}")),
            _ => serde_json::from_str(text).unwrap(),
        }
    }
    walk(std::str::from_utf8(body).unwrap())
}

/// A request of OpenAI Chat with these turns.
fn chat(turns: Vec<Turn<'_>>) -> Request<'_> {
    let mut request = Request::new(Dialect::OpenAiChat, Str::from("gpt-5"));
    request.turns = turns;
    request
}

fn said(role: Role, text: &str) -> Turn<'_> {
    Turn::new(role, vec![Block::text(text)])
}

/// Encodes for a model that takes a budget of thoughts.
fn encoded(request: &Request<'_>) -> (Value, Encoded) {
    encoded_for(request, "claude-sonnet-4-5")
}

fn encoded_for(request: &Request<'_>, model: &str) -> (Value, Encoded) {
    let target = Target::new(model, false);
    let mut out = Vec::new();
    let encoded = encode_request(request, &target, &mut out).unwrap();
    (serde_json::from_slice(&out).unwrap(), encoded)
}

fn lost(encoded: &Encoded) -> Vec<String> {
    encoded.losses.iter().map(|loss| format!("{} {}", loss.kind.name(), loss.field)).collect()
}

/// The body read and written for a provider of another dialect.
fn told(body: &Value, upstream: Dialect) -> (String, Encoded) {
    let body = body.to_string();
    let request = decode_request(body.as_bytes(), &Endpoint::default()).unwrap();
    let mut out = Vec::new();
    let encoded = crate::dialects::encode_request(upstream, &request, &Target::new("m", false), &mut out).unwrap();
    (String::from_utf8(out).unwrap(), encoded)
}

/// The dialects but this one.
fn others() -> impl Iterator<Item = Dialect> {
    Dialect::ALL.into_iter().filter(|dialect| *dialect != Dialect::Anthropic)
}

fn context() -> ReplyContext {
    ReplyContext { model: "claude-alias".to_owned(), seed: 7, ..ReplyContext::default() }
}
