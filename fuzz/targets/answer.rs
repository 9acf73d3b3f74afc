//! Any bytes that a provider sends as a whole answer end in an answer or a failure, for clients of every kind.
#![no_main]

use interlingua_fuzz::run;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| run(data, false));
