//! Laws that hold for every dialect and every pair of dialects. They run over `Dialect::ALL`: a new dialect is covered
//! when it is in that list.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod corpus;
mod generate;
mod meaning;
mod modes;
mod pairs;
mod shape;
mod streams;

/// Cases a property, unless `INTERLINGUA_LAW_CASES` says another number; most run over all pairs of dialects.
const CASES: u32 = 48;

fn cases() -> proptest::prelude::ProptestConfig {
    let wanted = std::env::var("INTERLINGUA_LAW_CASES").ok().and_then(|cases| cases.parse().ok());
    proptest::prelude::ProptestConfig::with_cases(wanted.unwrap_or(CASES))
}
