//! Any error body is read in every dialect and said in every other as valid JSON.
#![no_main]

use interlingua_filters::Dialect;
use interlingua_filters::dialects::{decode_error, encode_error};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let status = 400 + u16::try_from(data.len() % 200).unwrap_or(0);
    for upstream in Dialect::ALL {
        let error = decode_error(upstream, status, data);
        for client in Dialect::ALL {
            let mut body = Vec::new();
            let said = encode_error(client, &error, &mut body);
            assert!((400..600).contains(&said), "{said}");
            let read = serde_json::from_slice::<serde_json::Value>(&body).expect("an error is JSON");
            assert!(read.is_object());
        }
    }
});
