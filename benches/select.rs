//! Time to choose an account, take its slot and give it back: 1,000 accounts, 900 of them locked or without room left in
//! their minute. Pure computation on one thread; the moment is an argument, so every run does the same. CPU time is counted,
//! which other work on the machine hardly moves.

use std::collections::VecDeque;

use interlingua::limits::pace::Known;
use interlingua::limits::{Cost, Reason};
use interlingua::pool::{AccountSpec, Ask, Attempted, Lease, Millis, Registry, Settings, select};

/// Selections of each figure.
const ROUNDS: u32 = 1_000_000;
const ACCOUNTS: usize = 1_000;
const CLOSED: usize = 900;
/// Clock ticks a second of `/proc/self/stat` (`getconf CLK_TCK` on every Linux this runs on).
const TICKS_PER_SECOND: f64 = 100.0;
/// Leases held at a time.
const HELD: usize = 150;
const NOW: Millis = Millis(1_760_986_800_000);

fn pool(limits: impl Fn(usize) -> Known) -> Registry {
    let spec = |n: usize| AccountSpec {
        id: format!("account-{n:04}"),
        upstream: "up".to_owned(),
        tier: (n % 5) as u8,
        concurrency: 3,
        enabled: true,
        limits: limits(n),
        project: None,
    };
    let registry = Registry::new(Settings::default());
    registry.reconcile(&(0..ACCOUNTS).map(spec).collect::<Vec<_>>(), Settings::default());
    registry
}

fn ask(attempted: &Attempted, tokens: u64) -> Ask<'_> {
    Ask {
        upstreams: &["up"],
        family: "opus",
        attempted,
        bound: None,
        required: None,
        eligible: None,
        cost: Cost { tokens },
    }
}

/// User and system time of this process so far, in seconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

/// Nanoseconds for each of [`ROUNDS`] selections, each `step` thousandths of a millisecond after the last, of `tokens(n)`.
fn measure(registry: &Registry, step: u64, tokens: impl Fn(u64) -> u64) -> (f64, u32) {
    let attempted = Attempted::default();
    let mut held: VecDeque<Lease> = VecDeque::with_capacity(HELD + 1);
    let mut served = 0;
    let start = cpu_seconds();
    for n in 0..u64::from(ROUNDS) {
        if held.len() >= HELD {
            held.pop_front();
        }
        if let Ok(lease) = select(registry, &ask(&attempted, tokens(n)), NOW.plus(n * step / 1000)) {
            held.push_back(lease);
            served += 1;
        }
    }
    ((cpu_seconds() - start) * 1e9 / f64::from(ROUNDS), served)
}

#[expect(clippy::print_stdout, reason = "the figures are its output")]
fn main() {
    let free = pool(|_| Known::default());
    let show = |name: &str, (ns, served): (f64, u32)| println!("{name:<64} {ns:>8.0} ns  {served:>9} served");
    show("all free", measure(&free, 0, |_| 0));

    let locked = pool(|_| Known::default());
    for n in 0..CLOSED {
        locked.cool(&format!("account-{n:04}"), Some("opus"), 3_000_000, Reason::QuotaExhausted, NOW);
    }
    show("900 of 1,000 locked", measure(&locked, 0, |_| 0));

    // One request a minute each, used at once: no room until the minute is over.
    let paced = pool(|n| Known { requests: (n < CLOSED).then_some(1), tokens: None });
    let attempted = Attempted::default();
    drop((0..CLOSED * 2).filter_map(|_| select(&paced, &ask(&attempted, 0), NOW).ok()).collect::<Vec<_>>());
    show("900 of 1,000 without room for a request", measure(&paced, 0, |_| 0));

    // All have a limit of tokens, and more is asked for than there is: most have room for small prompts only.
    let tight = pool(|_| Known { requests: None, tokens: Some(100_000) });
    show("1,000 at their limit of tokens, prompts of 1 to 50 thousand", {
        measure(&tight, 2_000, |n| 1_000 + n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 49_000)
    });

    let none = pool(|_| Known::default());
    for n in 0..ACCOUNTS {
        none.cool(&format!("account-{n:04}"), Some("opus"), 3_000_000, Reason::QuotaExhausted, NOW);
    }
    show("all locked", measure(&none, 0, |_| 0));
}
