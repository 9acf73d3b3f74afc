//! Configuration: one YAML file, read once into types that cannot be wrong.
//!
//! ```text
//! text ── read ──▶ raw::Config ── mean ──▶ Config ── publish ──▶ Snapshot (one per request, never changed)
//!          │                        │
//!          └── problems, by key path┴──▶ Report: every one with file, line, column and what to do
//! ```
//!
//! - [`raw`] is the file **as written**: serde types with the default and the unit of every key. The JSON schema in
//!   `conf/schema.json` is made of them.
//! - [`model`](Config) is the file **as meant**: names are resolved, numbers are in bounds, credentials are read.
//! - [`load`] goes from a path to the meaning. [`zero_config`] does the same from the well-known environment variables.
//! - [`Store`] swaps whole snapshots; [`Reloader`] is what the file watch, SIGHUP and the admin API call.
//!
//! A file with any error is refused as a whole, and what ran before goes on. Nothing of a secret is ever part of a
//! message: a problem quotes key names and never the value of a key that may hold one.

mod additions;
mod base;
mod base_url;
pub mod load;
mod mean;
mod model;
mod operator;
mod presets;
mod protections;
pub mod raw;
mod read;
mod reference;
mod report;
mod resilience;
mod roster;
mod snapshot;
mod spans;
mod suggest;
mod units;
mod watch;
mod zero;

pub use additions::{Addition, EntryKind, Faulty, Origins, PINNED};
pub use base::Base;
pub use base_url::{BaseUrl, BaseUrlError};
pub use load::{Beside, CONFIG_BYTES_MAX, Loaded, inspect, inspect_text, inspect_with, load_file};
pub use model::{
    Account, AuthStyle, Client, Config, Custody, MappingSync, McpServer, OldKey, Passthrough, Platform, Server,
    StreamMode, Timeouts, Upstream, key_digest,
};
pub use operator::{OperatorApi, operator_api};
pub use presets::{opened_by, providers};
pub use protections::{
    AccountLimits, Breaker, Continuation, ContinuationMode, Family, Health, Hedging, Move, MoveRule, Overload, Pace,
    Quota, SafeMode, State, WarmUp,
};
pub use report::{PROBLEMS_MAX, Problem, Report};
pub use resilience::{Affinity, Cooldown, GraceRetry, Peek, PerClient, Resilience};
pub use roster::{Roster, specs};
pub use snapshot::{Follower, Snapshot, Store};
pub use units::{ByteSize, OneOrMany, SecretText, Threads, TimeSpan};
pub use watch::{Added, Book, Env, Reloader, Surroundings, Vault, Watch};
pub use zero::{variables, zero_config, zero_with};

/// The JSON schema of the file, as pretty JSON with a line break at its end. Editors complete and check by it.
pub fn schema() -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(raw::Config))?;
    text.push('\n');
    Ok(text)
}
