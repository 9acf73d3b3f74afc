mod corpus;
mod error;
mod foreign;
mod notes;
mod request;
mod response;
mod stream;
mod thoughts;
mod traps;

use serde_json::Value;

use super::*;
use crate::dialects::{Encoded, Endpoint, Target};
use crate::ir::{ReplyContext, Request};

fn target(model: &str) -> Target {
    Target::new(model, false)
}

fn endpoint() -> Endpoint<'static> {
    Endpoint { model: Some("gemini-2.5-flash".into()), stream: Some(false) }
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}

/// Decodes and encodes a request for `model`.
fn again(body: &str, model: &str) -> Value {
    let request = decode_request(body.as_bytes(), &endpoint()).unwrap();
    encoded(&request, &target(model)).0
}

fn encoded(request: &Request<'_>, target: &Target) -> (Value, Encoded) {
    let mut out = Vec::new();
    let encoded = encode_request(request, target, &mut out).unwrap();
    (value(&out), encoded)
}

fn response_again(body: &str) -> Value {
    let mut out = Vec::new();
    encode_response(&decode_response(body.as_bytes()).unwrap(), &ReplyContext::default(), &mut out);
    value(&out)
}
