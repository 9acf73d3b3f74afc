//! Laws and traps of this dialect.

mod beside;
mod corpus;
mod details;
mod errors;
mod foreign;
mod parts;
mod requests;
mod responses;
mod settings;
mod streams;
mod traps;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::*;
use crate::dialects::{Encoded, Endpoint, Quirks, Target};
use crate::ir::{ReplyContext, Request};

/// Quirks of a provider that takes all of this dialect, so that nothing is left out.
fn everything() -> Quirks {
    Quirks { reasoning_content: true, ..Quirks::default() }
}

fn encode(request: &Request<'_>, quirks: Quirks) -> (String, Encoded) {
    let target = Target { quirks, ..Target::new(request.model.to_string(), request.stream) };
    let mut out = Vec::new();
    let encoded = encode_request(request, &target, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), encoded)
}

/// Decoded and encoded again.
fn again(body: &str) -> String {
    let request = decode_request(body.as_bytes(), &Endpoint::default()).unwrap();
    let (out, encoded) = encode(&request, everything());
    assert!(encoded.losses.is_empty(), "{:?}", encoded.losses);
    out
}

fn context() -> ReplyContext {
    ReplyContext {
        model: "m".to_owned(),
        created: 1_700_000_000,
        seed: 7,
        include_usage: true,
        reasoning_content: true,
        ..ReplyContext::default()
    }
}

/// JSON text with sorted keys and without white space; numbers keep their text, so `1.0` is not `1`.
fn canonical(text: &str) -> String {
    if let Ok(object) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) {
        let each = object.iter().map(|(key, value)| format!("{key:?}:{}", canonical(value.get())));
        return format!("{{{}}}", each.collect::<Vec<_>>().join(","));
    }
    if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(text) {
        return format!("[{}]", list.iter().map(|value| canonical(value.get())).collect::<Vec<_>>().join(","));
    }
    match serde_json::from_str::<String>(text) {
        Ok(string) => format!("{string:?}"),
        Err(_) => serde_json::from_str::<&RawValue>(text).unwrap().get().to_owned(),
    }
}
