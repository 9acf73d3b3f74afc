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

/// Cases a property; each one runs over all pairs of dialects.
const CASES: u32 = 48;
