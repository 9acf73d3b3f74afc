//! What proves to a provider that a request is the operator's.

pub(crate) mod http;
mod oauth;
mod secret;

pub use http::HttpError;
pub(crate) use oauth::FAILED_FOR_MS;
pub use oauth::{OAuth, TokenError, Tokens};
pub use secret::{Secret, SecretError};
