//! JSON Schema in the subset that a target takes.
