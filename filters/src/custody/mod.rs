//! Seals that a client cannot carry, kept by the gateway between two of its requests.
//!
//! Providers seal what their models think (thinking signatures, thought signatures, encrypted reasoning), and want the
//! seal back with the very part that it belongs to as soon as a tool was called. A Chat client has no member for a seal,
//! and others drop what they do not know. The id of the call is what every client brings back. So:
//!
//! - [`Recorder`] sees the events of an answer and keeps, for each call, what the provider sealed around it: a
//!   [`Keepsake`].
//! - Who runs the gateway puts the keepsakes away by the ids of their calls ([`Custody`] is how they are asked for).
//! - [`Seals::Restored`] puts them back into the client's next request, if it goes to a provider of the dialect that
//!   issued them and if the turn carries no seal of that issuer by itself.
//! - [`Seals::Dropped`] is the way out when a provider refuses a seal: the same request without any.
//!
//! A sealed part is put back as it was told: never merged, reordered or written anew. Only converted requests are
//! touched; where both sides speak one dialect and the bytes pass, they are the client's to keep.

mod drop;
mod keepsake;
mod place;
mod record;
mod restore;

use std::fmt;
use std::sync::Arc;

pub use keepsake::Keepsake;
pub use record::{KEPT_BLOCKS_MAX, KEPT_BYTES_MAX, Recorder};

pub(crate) use drop::drop_seals;
pub(crate) use restore::{Found, look_up, restore};

/// Where keepsakes are asked for.
pub trait Custody {
    /// The keepsake of the call that the client knows by `call_id`, in this client's conversation.
    fn keepsake(&self, call_id: &str) -> Option<Arc<Keepsake>>;
}

/// What becomes of the seals in a request.
#[derive(Clone, Copy, Default)]
pub enum Seals<'c> {
    /// Those that the client carries go on; nothing is added.
    #[default]
    AsSent,
    /// Those that the client lost are put back.
    Restored(&'c dyn Custody),
    /// None is sent: the provider has refused one. The request is always converted, and the loss is told.
    Dropped,
}

impl Seals<'_> {
    /// Whether the request must go without seals.
    pub fn are_dropped(self) -> bool {
        matches!(self, Seals::Dropped)
    }
}

impl fmt::Debug for Seals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Seals::AsSent => "AsSent",
            Seals::Restored(_) => "Restored",
            Seals::Dropped => "Dropped",
        })
    }
}

#[cfg(test)]
mod tests;
