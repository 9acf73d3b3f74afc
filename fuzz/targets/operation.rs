//! Any body is a question or an error in each operation and dialect, forms too, and any bytes are an answer or an error.
#![no_main]

use interlingua_filters::Dialect;
use interlingua_filters::dialects::{Endpoint, Target};
use interlingua_filters::ir::ReplyContext;
use interlingua_filters::json::Str;
use interlingua_filters::operations::{Asked, Operation, answer, estimated, model_of, prepare, streams, tokens_of, way};
use libfuzzer_sys::fuzz_target;

const FORM: &str = "multipart/form-data; boundary=XX";

fuzz_target!(|data: &[u8]| {
    let content_type = if data.starts_with(b"--XX") { FORM } else { "application/json" };
    // A question and an answer in one input.
    let cut = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (body, said) = data.split_at(cut);
    for operation in Operation::ALL {
        for client in Dialect::ALL {
            let endpoint = Endpoint { model: Some(Str::from("m")), stream: Some(false) };
            let asked = Asked { operation, client, endpoint, content_type, body };
            let _ = (model_of(&asked), streams(&asked));
            estimated(&asked, tokens_of(&asked));
            for upstream in Dialect::ALL {
                let target = Target::new("gemini-2.5-flash-image", false);
                way(&asked, upstream, &target);
                let Ok(prepared) = prepare(&asked, upstream, &target) else { continue };
                let _ = answer(&asked, upstream, &prepared.state, content_type, said, &ReplyContext::default());
            }
        }
    }
});
