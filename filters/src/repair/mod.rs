//! What a target's rules demand of a conversation that another dialect allowed.

pub mod context;
pub mod names;
pub mod schema;
pub mod shell;
pub mod turns;

mod switches;

pub use switches::{Purify, Repairs};
