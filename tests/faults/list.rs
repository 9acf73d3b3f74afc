//! The faults, and what a client may see of each.

/// What a client may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Seen {
    /// Nothing, and the first account serves: the provider is only slow or writes oddly.
    Harmless,
    /// Nothing: the second account serves.
    Unseen,
    /// This status, since the request itself is at fault.
    Told(u16),
    /// Unary nothing; a stream may end early, with the one event that says so.
    Cut,
}

/// A fault of the simulator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// As the simulator's script names it.
    pub(crate) name: &'static str,
    pub(crate) seen: Seen,
    /// Whether the first account's bill was told: the provider billed nothing, or said what it billed.
    pub(crate) told: bool,
}

const fn fault(name: &'static str, seen: Seen, told: bool) -> Fault {
    Fault { name, seen, told }
}

/// All faults of `src/mock/fault.rs`, each where it matters.
pub(crate) const FAULTS: &[Fault] = &[
    fault("401", Seen::Unseen, true),
    fault("402", Seen::Unseen, true),
    fault("403", Seen::Unseen, true),
    fault("429:1", Seen::Unseen, true),
    fault("429-quota", Seen::Unseen, true),
    fault("429-bare", Seen::Unseen, true),
    fault("500", Seen::Unseen, true),
    fault("502", Seen::Unseen, true),
    fault("503", Seen::Unseen, true),
    fault("504", Seen::Unseen, true),
    fault("529", Seen::Unseen, true),
    fault("html:502", Seen::Unseen, true),
    fault("close", Seen::Unseen, true),
    fault("reset", Seen::Unseen, true),
    fault("hang", Seen::Unseen, true),
    fault("empty", Seen::Unseen, false),
    fault("close-after:0", Seen::Unseen, false),
    fault("reset-after:10", Seen::Unseen, false),
    fault("close-mid-event:0", Seen::Unseen, false),
    fault("malformed:0", Seen::Unseen, false),
    fault("hang-after:0", Seen::Unseen, false),
    fault("error-first:503", Seen::Unseen, false),
    fault("error-first:429", Seen::Unseen, false),
    fault("error-after:0:500", Seen::Unseen, false),
    fault("400", Seen::Told(400), true),
    fault("context", Seen::Told(400), true),
    fault("delay-head:60", Seen::Harmless, true),
    fault("delay-first:60", Seen::Harmless, true),
    fault("delay-chunk:10", Seen::Harmless, true),
    fault("split", Seen::Harmless, true),
    fault("crlf", Seen::Harmless, true),
    fault("cr", Seen::Harmless, true),
    fault("comments", Seen::Harmless, true),
    fault("content-type:text/plain", Seen::Harmless, true),
    fault("close-mid-event:2", Seen::Cut, false),
    fault("malformed:2", Seen::Cut, false),
    fault("error-after:2:529", Seen::Cut, false),
    fault("error-after:2:500", Seen::Cut, false),
    fault("hang-after:2", Seen::Cut, false),
    fault("no-finish", Seen::Cut, false),
    fault("no-terminal", Seen::Cut, false),
    fault("close-after:700", Seen::Cut, false),
    fault("reset-after:700", Seen::Cut, false),
];
