//! The provider simulator (`interlingua mock`).
//!
//! It speaks the four provider dialects at their real paths, answers deterministically by *scenario*, fails on request by
//! *fault*, refuses what the real provider would refuse, and records what it received. Use it to rehearse failover and in
//! every test and bench.
//!
//! It is an independent witness: it shares no code with `interlingua-filters`. Wire formats are written here a second
//! time, from the providers' documentation, so that a mistake in a translator cannot be hidden by the same mistake here.
//!
//! | Question | File |
//! |---|---|
//! | Which path means what? | `route.rs`, `platform.rs` |
//! | Who gives out access tokens, and which project is an account's? | `oauth.rs` |
//! | Who is calling, and what does a missing key answer? | `auth.rs` |
//! | What is in the request? | `view/` (one file a dialect) |
//! | What does the provider refuse? | `checks/` (one file a dialect) |
//! | What is answered? | `scenario.rs` names it, `plan.rs` composes it |
//! | How is it written? | `speak/` (one file a dialect), `frame.rs`, `player.rs` |
//! | How does it fail? | `fault.rs` names it, `outage.rs` and `player.rs` do it |
//! | When is a key limited? | `limits.rs` |
//! | What answers were recorded elsewhere? | `recording.rs` |
//! | What was received? | `record.rs`, `admin.rs` |
//!
//! The scenario is the first found of: header `x-mock-scenario`; the model name (`mock-<scenario>`, `…+<scenario>` or the
//! bare word); `[[scenario]]` in the last user text; a rule of the script; `echo`. Faults come from the header
//! `x-mock-fault`, from `fault=…` in the model's suffix or in `[[…]]`, and from the script; all of them add up.
//!
//! `[[tool:Bash {"command":"echo hi"}]]` spells out which tool is called with what (also `text-tool:` and `think-tool:`;
//! several are called at once; without the object the tool's schema makes the arguments up).

mod admin;
mod auth;
mod checks;
mod chunks;
mod clock;
mod dialect;
mod extra;
mod fault;
mod frame;
mod headers;
mod limits;
mod memory;
mod models;
mod oauth;
mod outage;
mod plan;
mod platform;
mod player;
mod record;
mod recording;
mod refusal;
mod route;
mod sample;
mod scenario;
mod script;
mod seal;
mod server;
mod service;
mod socket;
mod speak;
mod state;
mod tokens;
mod tools;
mod view;

pub use record::key_hash;
pub use script::{KeyLimits, Matcher, Rule, Script, ScriptError};
pub use server::{Mock, MockError, MockHandle, MockOptions, bind};
