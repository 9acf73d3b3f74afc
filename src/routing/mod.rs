//! Which upstreams, under which model name, may answer a request.
//!
//! A rule is a pattern of model names with a target and fallbacks. Its order of decision:
//!
//! 1. The client's model name is [normalised](normalise): prefixes and suffixes that only name a place or a mode go.
//! 2. A rule that is the exact name wins.
//! 3. Else the matching pattern with the most literal characters, then the one declared first.
//! 4. A rule whose target has an empty model name for this request (`openai/*` on `openai/`) does not match.
//!
//! The target's upstreams are **one pool** over all of their accounts. Which of them comes first depends on the
//! client's dialect ([`DialectChoice`]): an account that offers the client's own dialect is used in that dialect, so
//! that nothing is translated without need.
//!
//! A request goes on from one step to a later one for a [cause](Cause): each fallback says for which. A fallback of a
//! fallback is only reached through it. A step for large outputs or for [background requests](Sign) stands before the
//! target, which then follows for every cause.

mod background;
mod build;
mod cause;
mod pattern;
mod table;
mod template;
#[cfg(test)]
mod tests;

pub use background::{Look, Sign, Signs, recognise};
pub use build::{BuildError, Draft, Fallback, FallbackTo, Fault, Target};
pub use cause::{Cause, Causes};
pub use pattern::{Captures, Pattern, PatternError, WILDCARDS_MAX};
pub use table::{
    DialectChoice, LargeOutput, MODEL_BYTES_MAX, Planned, ROUTE_STEPS_MAX, Route, Rule, STEPS_MAX, Step, StepKind,
    Table, normalise,
};
pub use template::{Template, TemplateError};
