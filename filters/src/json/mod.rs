//! JSON that keeps its text.
//!
//! Translation must not change numbers (`1` is not `1.0`), key order inside schemas and arguments, or strings. So the
//! wire structs borrow from the body: strings as [`Str`], anything the gateway has no opinion on as [`Raw`] text,
//! members it does not know as [`Extra`].

mod extra;
pub mod members;
mod num;
mod object;
mod raw;
pub mod skim;
pub mod splice;
mod text;
mod text_or_list;
mod unescape;
mod writer;

pub use extra::Extra;
pub use num::Num;
pub use raw::Raw;
pub use text::Str;
pub use text_or_list::TextOrList;
pub use unescape::unescaped;
pub use writer::Writer;

#[doc(hidden)]
pub use object::{Field, unknown};

/// Deepest nesting accepted, in levels. serde_json itself stops at 128; provider payloads stay below 40.
pub const DEPTH_MAX: usize = 128;

/// Parses `bytes` as one JSON value of type `T`, borrowing from it.
///
/// # Errors
/// The position and reason, when the bytes are not valid UTF-8 JSON or do not have `T`'s shape.
pub fn parse<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(bytes)
}
