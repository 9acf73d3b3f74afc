//! The skimmer reads any bytes, and the edits that follow from it leave valid JSON.
#![no_main]

use interlingua_filters::Dialect;
use interlingua_filters::dialects::Target;
use interlingua_filters::json::skim::skim;
use interlingua_filters::request::own_edits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for dialect in Dialect::ALL {
        let Ok(found) = skim(dialect, data) else { continue };
        let read: serde_json::Value = match serde_json::from_slice(data) {
            Ok(read) => read,
            // serde_json stops at 128 levels; the skimmer has a bound of its own.
            Err(_) => continue,
        };
        assert!(read.is_object(), "{dialect:?} skimmed what is no object");
        let body = own_edits(dialect, &found, &Target::new("other", true)).edits.apply(data).expect("own skim");
        let edited: serde_json::Value = serde_json::from_slice(&body).expect("edited JSON");
        if dialect != Dialect::Gemini {
            assert_eq!(edited["model"], "other");
            assert_eq!(edited["stream"], true);
        }
    }
});
