//! Limits: what a refusal means, how long it lasts and whom it stops.
//!
//! - [`mod@hint`]: one reader for every form in which providers say how long to wait; [`duration`] is its number format.
//! - [`mod@classify`]: one table from an upstream's failure to {whose fault, scope, retry, cooldown}.
//! - [`refusals`]: the same refusal from several accounts means that trying more of them is pointless.
//! - [`cooldown`]: the locks of one account, per model family or in whole, with early probes.
//!
//! Pure: time and seeds are arguments.

pub mod allowance;
pub mod classify;
pub mod cooldown;
pub mod duration;
pub mod hint;
pub mod overload;
pub mod pace;
pub mod refusals;

pub use allowance::{Allowance, Meter, Share, allowance};
pub use classify::{Defaults, Failure, Fault, Reason, Retry, Scope, Transport, classify};
pub use hint::{Hint, HintSource, hint};
pub use pace::Cost;
pub use refusals::Refusals;
