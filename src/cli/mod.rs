//! Commands. Each is a function that gives text; the entry point prints it and chooses the exit code.

pub mod check;
pub mod schema;
