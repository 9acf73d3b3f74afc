//! Laws that hold for every dialect and every pair of dialects. They run over `Dialect::ALL`: a new dialect is covered
//! when it is in that list.

mod generate;
mod meaning;
mod modes;
mod pairs;
mod shape;
mod streams;

/// Cases a property; each one runs over all pairs of dialects.
const CASES: u32 = 48;
