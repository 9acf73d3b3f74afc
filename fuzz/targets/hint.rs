//! Any refusal, whatever its status, headers and body, is classified, and its wait is bounded.
#![no_main]

use interlingua::limits::hint::wait_ms;
use interlingua::limits::{Defaults, classify, duration, hint};
use interlingua::pool::Millis;
use interlingua_filters::Dialect;
use interlingua_filters::dialects::decode_error;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let now = Millis(1_763_640_000_000);
    let text = String::from_utf8_lossy(data);
    let _ = (duration::parse(&text), wait_ms(&text, now));
    let status = [400, 401, 402, 403, 404, 429, 500, 503, 529][data.len() % 9];
    let header = |_: &str| text.lines().next();
    let found = hint(status, &header, data, now);
    if let Some(found) = found {
        assert!(found.wait_ms <= duration::WAIT_MS_MAX);
    }
    for dialect in Dialect::ALL {
        let error = decode_error(dialect, status, data);
        classify(dialect, Some(status), Some(&error), found, None, &Defaults::default());
    }
});
