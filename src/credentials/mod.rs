//! What proves to a provider that a request is the operator's.

pub(crate) mod grant;
pub(crate) mod http;
mod kept;
pub(crate) mod login;
mod oauth;
mod secret;
mod service_account;

pub use grant::{OAuth, TokenError, Way};
pub use http::HttpError;
pub use kept::{Keep, KeepError};
pub(crate) use kept::{Keeping, name as rotated_name};
pub(crate) use oauth::FAILED_FOR_MS;
pub use oauth::Tokens;
pub use secret::{Secret, SecretError};
pub use service_account::{KeyError, ServiceAccount};
