//! The pool: which account serves a request.
//!
//! - [`registry`]: the live state of all accounts, by identity. It survives reloads of the configuration.
//! - [`mod@select`]: takes a [`lease::Lease`] on the best account: tier, then least in flight, then most left of its
//!   quota, then longest idle. Locks, breakers, paces and ceilings are looked at in one place, and a change is seen by the
//!   very next selection.
//! - [`mod@pass`]: the same past a limit that nobody has named, before a client is refused.
//! - [`affinity`]: which account a session was served by, so that its prompt cache stays warm; [`session_key`] names the
//!   session.
//!
//! One short lock guards the index of all accounts, so that choosing and reserving are one step and no two requests
//! see the same free slot. Nothing sleeps or waits here: a caller that may wait is told for what.
//!
//! Pure: time and seeds are arguments.

pub mod account;
pub mod affinity;
pub mod ask;
mod explain;
mod index;
mod lane;
pub mod lease;
pub mod pass;
pub mod registry;
pub mod room;
pub mod select;
pub mod session_key;
mod slots;
mod standing;
pub mod stored;
mod sync;
pub mod time;

pub use account::{AccountSpec, AccountState, Counts, Suspension};
pub use affinity::Affinity;
pub use ask::{Ask, Attempted, CandidateView, Skip, Unavailable, UnavailableReason};
pub use explain::explain;
pub use lease::{BoundAccount, Lease};
pub use pass::pass;
pub use registry::{Registry, Settings};
pub use room::Rooms;
pub use select::select;
pub use stored::{StoredAccount, StoredCeiling, StoredCooldown, StoredPool};
pub use time::Millis;

#[cfg(test)]
mod tests;
