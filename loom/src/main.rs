//! The pool under a checker of concurrency: its own files, with the checker's locks and atomics in the place of the real
//! ones. Every order of the threads' steps is run, up to a number of preemptions (`LOOM_MAX_PREEMPTIONS`).
#![expect(dead_code, unused_imports, reason = "only a part of the pool is driven here")]

mod breaker;
#[path = "../../src/limits/mod.rs"]
mod limits;

mod pool {
    #[path = "../../../src/pool/account.rs"]
    pub mod account;
    #[path = "../../../src/pool/ask.rs"]
    pub mod ask;
    #[path = "../../../src/pool/index.rs"]
    mod index;
    #[path = "../../../src/pool/lane.rs"]
    mod lane;
    #[path = "../../../src/pool/lease.rs"]
    pub mod lease;
    #[path = "../../../src/pool/pass.rs"]
    pub mod pass;
    #[path = "../../../src/pool/registry.rs"]
    pub mod registry;
    #[path = "../../../src/pool/select.rs"]
    pub mod select;
    #[path = "../../../src/pool/slots.rs"]
    pub mod slots;
    #[path = "../../../src/pool/standing.rs"]
    mod standing;
    #[path = "../../../src/pool/stored.rs"]
    pub mod stored;
    mod sync;
    #[path = "../../../src/pool/time.rs"]
    pub mod time;

    pub use account::{AccountSpec, AccountState};
    pub use ask::{Ask, Attempted, Unavailable, UnavailableReason};
    pub use lease::Lease;
    pub use registry::{Registry, Settings};
    pub use select::select;
    pub use stored::StoredPool;
    pub use time::Millis;

    pub mod checks;
}

fn main() {
    for (name, check) in pool::checks::ALL {
        println!("{name}");
        check();
    }
}
