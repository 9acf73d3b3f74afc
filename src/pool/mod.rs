//! The pool: which account serves a request.
//!
//! - [`registry`]: the live state of all accounts, by identity. It survives reloads of the configuration.
//! - [`mod@select`]: takes a [`lease::Lease`] on the best account: tier, then least in flight, then longest idle.
//! - [`affinity`]: which account a session was served by, so that its prompt cache stays warm; [`session_key`] names the
//!   session.
//!
//! One short lock guards the index of all accounts, so that choosing and reserving are one step and no two requests
//! see the same free slot. Nothing sleeps or waits here: a caller that may wait is told for what.
//!
//! Pure: time and seeds are arguments.

pub mod account;
pub mod affinity;
mod lane;
pub mod lease;
pub mod registry;
pub mod select;
pub mod session_key;
pub mod stored;
pub mod time;

pub use account::{AccountSpec, AccountState, Counts};
pub use affinity::Affinity;
pub use lease::{BoundAccount, Lease};
pub use registry::{Registry, Settings};
pub use select::{Ask, Attempted, CandidateView, Skip, Unavailable, UnavailableReason, explain, select};
pub use stored::{StoredAccount, StoredPool};
pub use time::Millis;

#[cfg(test)]
mod tests;
