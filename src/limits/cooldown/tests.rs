use proptest::prelude::*;

use super::{Cooldowns, FAMILIES_MAX, Lock, Settings, Standing};
use crate::limits::classify::Reason;
use crate::pool::time::Millis;

const EXACT: Settings = Settings {
    enabled: true,
    lock_ms_max: 3_600_000,
    backoff_ms_max: 300_000,
    memory_ms: 600_000,
    jitter_permille: 0,
    probe: true,
    probe_lock_ms_min: 60_000,
    probe_after_permille: 500,
};

fn lock(ms: u64, hinted: bool, taken: u64, event: u64) -> Lock {
    Lock { ms, hinted, reason: Reason::RateLimit, taken, event, seed: 7 }
}

fn until(locks: &Cooldowns, family: &str, now: Millis) -> Option<u64> {
    locks.longest(family, now).map(|lock| lock.until.0)
}

#[test]
fn lesson_3_a_lock_of_one_family_leaves_the_others() {
    let mut locks = Cooldowns::default();
    locks.lock(Some("opus"), lock(5_000, true, 1, 2), Millis(0), &EXACT);
    assert!(matches!(locks.standing("opus", Millis(0)), Standing::Closed { .. }));
    assert_eq!(locks.standing("haiku", Millis(0)), Standing::Open);
    locks.lock(None, lock(1_000, true, 1, 3), Millis(0), &EXACT);
    assert!(matches!(locks.standing("haiku", Millis(0)), Standing::Closed { .. }));
    assert_eq!(locks.standing("opus", Millis(5_000)), Standing::Open);
}

#[test]
fn lesson_12_a_lock_is_never_shortened() {
    let mut locks = Cooldowns::default();
    locks.lock(Some("m"), lock(60_000, true, 1, 2), Millis(0), &EXACT);
    locks.lock(Some("m"), lock(1_000, true, 3, 4), Millis(10), &EXACT);
    assert_eq!(until(&locks, "m", Millis(10)), Some(60_000));
}

#[test]
fn lesson_2_a_hint_is_capped() {
    let mut locks = Cooldowns::default();
    locks.lock(Some("m"), lock(u64::MAX, true, 1, 2), Millis(5), &EXACT);
    assert_eq!(until(&locks, "m", Millis(5)), Some(3_600_005));
}

#[test]
fn parallel_refusals_of_one_window_count_once() {
    let mut locks = Cooldowns::default();
    for (n, taken) in [1, 2, 3].into_iter().enumerate() {
        locks.lock(Some("m"), lock(5_000, false, taken, 10 + n as u64), Millis(n as u64), &EXACT);
    }
    let found = *locks.longest("m", Millis(3)).unwrap();
    assert_eq!((found.strikes, found.until), (0, Millis(5_000)));
    // Sent after the lock had ended: a new window.
    locks.lock(Some("m"), lock(5_000, false, 20, 21), Millis(6_000), &EXACT);
    assert_eq!(until(&locks, "m", Millis(6_000)), Some(16_000));
}

#[test]
fn repetition_doubles_up_to_its_bound_and_is_forgotten() {
    let mut locks = Cooldowns::default();
    let (mut now, mut lengths) = (Millis(0), Vec::new());
    for n in 0..10 {
        let set = locks.lock(None, lock(5_000, false, 2 * n + 1, 2 * n + 2), now, &EXACT).unwrap();
        lengths.push(set.until.since(now));
        now = set.until;
    }
    assert_eq!(lengths, [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000, 300_000]);
    let later = now.plus(EXACT.memory_ms + 1);
    let set = locks.lock(None, lock(5_000, false, 90, 91), later, &EXACT).unwrap();
    assert_eq!(set.until.since(later), 5_000);
}

#[test]
fn only_a_success_sent_after_the_lock_clears_it() {
    let mut locks = Cooldowns::default();
    locks.lock(Some("m"), lock(60_000, true, 5, 6), Millis(0), &EXACT);
    assert!(!locks.succeeded("m", 4), "a stream that began earlier proves nothing");
    assert!(!locks.succeeded("other", 7));
    assert!(locks.succeeded("m", 7));
    assert_eq!(locks.standing("m", Millis(0)), Standing::Open);
}

#[test]
fn lesson_2_a_long_lock_is_probed_by_one_at_a_time() {
    let mut locks = Cooldowns::default();
    locks.lock(Some("m"), lock(600_000, true, 1, 2), Millis(0), &EXACT);
    assert_eq!(locks.standing("m", Millis(0)), Standing::Closed { at: Millis(300_000), until: Millis(600_000) });
    assert_eq!(locks.standing("m", Millis(300_000)), Standing::Probe { until: Millis(600_000) });
    locks.begin_probe("m", Millis(300_000), &EXACT);
    assert_eq!(locks.standing("m", Millis(500_000)), Standing::Closed { at: Millis(600_000), until: Millis(600_000) });
    locks.end_probe("m");
    assert_eq!(locks.standing("m", Millis(300_001)), Standing::Closed { at: Millis(450_000), until: Millis(600_000) });
    assert_eq!(locks.standing("m", Millis(600_000)), Standing::Open);
}

#[test]
fn a_short_lock_is_not_probed() {
    let mut locks = Cooldowns::default();
    locks.lock(Some("m"), lock(59_999, true, 1, 2), Millis(0), &EXACT);
    assert_eq!(locks.standing("m", Millis(59_998)), Standing::Closed { at: Millis(59_999), until: Millis(59_999) });
}

#[test]
fn everything_can_be_switched_off() {
    let mut locks = Cooldowns::default();
    let off = Settings { enabled: false, ..EXACT };
    assert_eq!(locks.lock(None, lock(5_000, true, 1, 2), Millis(0), &off), None);
    assert_eq!(locks.standing("m", Millis(0)), Standing::Open);
    let no_probe = Settings { probe: false, backoff_ms_max: 0, ..EXACT };
    for n in 0..3 {
        let set = locks.lock(None, lock(100_000, false, 2 * n + 3, 2 * n + 4), Millis(n * 200_000), &no_probe).unwrap();
        assert_eq!((set.probe_at, set.until.since(Millis(n * 200_000))), (None, 100_000));
    }
}

#[test]
fn stored_locks_come_back_within_the_cap() {
    let mut locks = Cooldowns::default();
    locks.lock(Some("m"), lock(50_000, true, 1, 2), Millis(0), &EXACT);
    let stored = *locks.longest("m", Millis(0)).unwrap();
    let mut again = Cooldowns::default();
    again.restore(Some("m"), stored, Millis(10_000), &EXACT);
    assert_eq!(until(&again, "m", Millis(10_000)), Some(50_000));
    again.restore(None, super::Cooldown { until: Millis(u64::MAX), ..stored }, Millis(10_000), &EXACT);
    assert_eq!(until(&again, "m", Millis(10_000)), Some(3_610_000));
    let mut late = Cooldowns::default();
    late.restore(Some("m"), stored, Millis(50_000), &EXACT);
    assert_eq!(late.active(Millis(50_000)).count(), 0);
}

#[test]
fn families_are_bounded() {
    let mut locks = Cooldowns::default();
    locks.lock(Some("long"), lock(3_000_000, true, 1, 2), Millis(0), &EXACT);
    for n in 0..1000 {
        locks.lock(Some(&format!("spam-{n}")), lock(60_000, false, n + 2, n + 3), Millis(0), &EXACT);
    }
    assert_eq!(locks.active(Millis(0)).count(), FAMILIES_MAX);
    assert!(until(&locks, "long", Millis(0)).is_some(), "the longest lock is not pushed out by short ones");
}

proptest! {
    #[test]
    fn a_lock_lies_between_what_was_said_and_the_cap(ms in 1u64..8_000_000, seed: u64, jitter in 0u32..1000) {
        let settings = Settings { jitter_permille: jitter, ..EXACT };
        let mut locks = Cooldowns::default();
        let set = locks.lock(None, Lock { seed, ..lock(ms, true, 1, 2) }, Millis(0), &settings).unwrap();
        prop_assert!(set.until.0 <= settings.lock_ms_max);
        let least = if ms < settings.lock_ms_max { ms } else { settings.lock_ms_max - settings.lock_ms_max * u64::from(jitter) / 1000 };
        prop_assert!(set.until.0 >= least);
    }

    #[test]
    fn every_lock_ends_and_deadlines_only_grow(ops in proptest::collection::vec((0u64..700_000, any::<bool>(), 0u64..100_000, any::<u64>(), any::<bool>()), 1..60)) {
        let (mut locks, mut now, mut event, mut last) = (Cooldowns::default(), Millis(0), 1, 0);
        for (ms, hinted, step, seed, same_window) in ops {
            let taken = if same_window { event - 1 } else { event };
            event += 2;
            let lock = Lock { ms, hinted, reason: Reason::RateLimit, taken, event: event - 1, seed };
            locks.lock(Some("m"), lock, now, &Settings::default());
            let end = until(&locks, "m", now).unwrap_or(0);
            prop_assert!(last <= now.0 || end >= last);
            prop_assert!(end <= now.0 + Settings::default().lock_ms_max || end <= last);
            last = last.max(end);
            now = now.plus(step);
        }
        prop_assert_eq!(locks.standing("m", Millis(last)), Standing::Open);
    }
}
