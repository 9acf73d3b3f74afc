//! What proves to a provider that a request is the operator's.

mod secret;

pub use secret::{Secret, SecretError};
