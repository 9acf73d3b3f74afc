//! Platforms: what is around a body or an answer comes off any bytes, in any pieces alike.
#![no_main]

use interlingua_filters::dialects::code_assist::{Envelope, Unwrap, count_tokens, error_body, wrap};
use interlingua_filters::dialects::vertex;
use libfuzzer_sys::fuzz_target;

fn unwrapped<'d>(pieces: impl Iterator<Item = &'d [u8]>) -> Option<Vec<u8>> {
    let (mut unwrap, mut out) = (Unwrap::default(), Vec::new());
    for piece in pieces {
        unwrap.push(piece, &mut out).ok()?;
    }
    unwrap.finish(&mut out);
    Some(out)
}

fuzz_target!(|data: &[u8]| {
    let envelope = Envelope { model: "m", project: Some("p"), user_prompt_id: "u", session_id: "s" };
    for body in [
        wrap(data, &envelope).ok(),
        count_tokens(data, "m").ok(),
        vertex::anthropic_body(data).ok(),
        vertex::gemini_body(data, true).ok(),
        vertex::gemini_body(data, false).ok(),
    ] {
        if let (Some(body), Ok(_)) = (body, serde_json::from_slice::<serde_json::Value>(data)) {
            assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok(), "{}", String::from_utf8_lossy(&body));
        }
    }
    error_body(data);
    let whole = unwrapped(std::iter::once(data));
    let step = usize::from(data.first().copied().unwrap_or(0)) % 7 + 1;
    assert_eq!(unwrapped(data.chunks(step)), whole);
});
