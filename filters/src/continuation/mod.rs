//! Going on with an answer that broke off after the client had a part of it.
//!
//! The provider died (a reset, a silence, an error event) or ended without a reason (one that sends its protocol's last
//! event has ended, whatever reason it left out). Another account is asked to go on
//! from the text that the client has, and what it says joins the same stream: no second beginning, text into the open
//! block, later blocks under the next numbers, one ledger, one end.
//!
//! **What can be gone on with** ([`Obstacle`] names the rest): one answer of text and thoughts. The text goes to the
//! target as the beginning of the model's turn ([`Way`]). Not gone on with: anything behind a tool call, whole or in part
//! (a call wants its result before the model speaks again), refusals, pictures, parts that only one dialect knows, several
//! alternatives, answers longer than the bound, and answers in a form that the provider enforces (JSON, a forced tool: the
//! grammar would begin anew). Before any word of text was said, the question is simply asked again, to any target.
//!
//! **Thoughts.** A thought that broke off is ended as it is: the client's block or item is closed, with the gateway's own
//! mark for "nobody sealed this" in the slot of the seal, so that it is known and taken out when it comes back
//! (an item without the mark would look like one that the provider has stored). What was thought is not sent along. Asked
//! anew, the target thinks again: these thoughts are the answer's, in blocks of their own, with their own seals. Behind
//! text, a Messages provider is asked without thinking, as the protocol wants it for a begun answer: the thinking was
//! done. Other targets may think again; such thoughts stand in no place of the answer and are dropped (a loss).
//!
//! **White space.** No target gets a begun answer that ends in white space: some refuse it, others stumble. What was
//! trimmed is taken off the beginning of what comes, as far as it is repeated ([`Seam`]).
//!
//! **Repetitions.** A target that truly goes on repeats nothing, so nothing else is taken from it. A [`Way::Loose`]
//! target may begin its last sentence again, or all: exactly that is taken off, when it is long enough to be no chance.
//!
//! **What is exact.** Text: every character once, for a target that goes on and for a loose one that repeats. The bill:
//! what providers told is added up, so with Gemini, which tells the count in each chunk, the sum is exact. Output that
//! a broken attempt had not told (Messages, Chat) is estimated from what was heard of it ([`Heard`]), corrected by what
//! whole answers of the model were billed, and input that it had not told (Chat, Responses) is taken to be what the next
//! attempt's was without the begun answer ([`Bills::is_estimated`]). Thoughts that a provider bills and does not show are in
//! no estimate. The cap of output tokens is lowered by what was said,
//! estimated from below.

mod bills;
mod heard;
mod joint;
mod passed;
mod prefill;
mod seam;
mod transcript;

pub use bills::{Bill, Bills, tokens_of};
pub use heard::Heard;
pub use joint::Joint;
pub use passed::Passed;
pub(crate) use passed::PassedThought;
pub use prefill::{Begun, Way, begin};
pub use seam::Seam;
pub use transcript::{Obstacle, Transcript};

#[cfg(test)]
mod tests;
