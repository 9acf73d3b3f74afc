//! Any body is a request or an error in each dialect, and a request becomes valid JSON in every other.
#![no_main]

use interlingua_filters::Dialect;
use interlingua_filters::dialects::{Endpoint, Target, decode_request, encode_request};
use interlingua_filters::json::Str;
use libfuzzer_sys::fuzz_target;

const MODELS: [&str; 6] = ["m", "gpt-5", "claude-sonnet-4-5", "claude-opus-4-7", "gemini-2.5-pro", "gemini-3-pro"];

fuzz_target!(|data: &[u8]| {
    let model = MODELS[data.len() % MODELS.len()];
    let endpoint = Endpoint { model: Some(Str::from("m")), stream: Some(false) };
    for client in Dialect::ALL {
        let Ok(request) = decode_request(client, data, &endpoint) else { continue };
        for upstream in Dialect::ALL {
            let mut body = Vec::new();
            if encode_request(upstream, &request, &Target::new(model, data.len() % 2 == 0), &mut body).is_err() {
                continue;
            }
            let read = serde_json::from_slice::<serde::de::IgnoredAny>(&body);
            assert!(read.is_ok(), "{client:?} to {upstream:?}: {}", String::from_utf8_lossy(&body));
            let again = decode_request(upstream, &body, &endpoint);
            assert!(again.is_ok(), "{client:?} to {upstream:?}: {}", String::from_utf8_lossy(&body));
        }
    }
});
