//! Any text is a configuration or a report of what is wrong with it.
#![no_main]

use std::path::Path;

use interlingua::config::inspect_text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let env = |name: &str| (!name.is_empty()).then(|| format!("value-of-{name}-0123456789"));
    match inspect_text(Path::new("fuzz.yaml"), text, &env) {
        Ok(loaded) => drop(loaded),
        Err(report) => assert!(!report.to_string().is_empty()),
    }
});
