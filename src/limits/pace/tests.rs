use proptest::prelude::*;

use super::{Charge, Cost, Known, MINUTE_MS, Paces, Settings, Source, Terms};
use crate::limits::allowance::{Allowance, Meter, Share};
use crate::pool::time::Millis;

const START: Millis = Millis(1_760_986_800_000);
const SETTINGS: Settings = Settings {
    enabled: true,
    slow_at_percent: 80,
    pause_ms_max: 100,
    skip_at_percent: 120,
    decrease_percent: 10,
    increase_percent: 5,
};
const NOTHING: Known = Known { requests: None, tokens: None };

fn terms(known: &Known) -> Terms<'_> {
    Terms { known, settings: &SETTINGS }
}

fn cost(tokens: u64) -> Cost {
    Cost { tokens }
}

fn requests(limit: u64, remaining: u64, reset_ms: u64) -> Allowance {
    let meter = Meter { limit: Some(limit), remaining: Some(remaining), reset_ms: Some(reset_ms) };
    Allowance { requests: Some(meter), ..Allowance::default() }
}

/// A provider: its own count, and what it says of it.
trait Server {
    /// Takes a request. `false` if it refuses.
    fn admit(&mut self, now: Millis) -> bool;
    /// Remaining, and milliseconds to the reset.
    fn header(&mut self, now: Millis) -> (u64, u64);
}

struct BucketServer {
    limit: f64,
    level: f64,
    at: Millis,
}

impl Server for BucketServer {
    fn admit(&mut self, now: Millis) -> bool {
        self.level = (self.level + now.since(self.at) as f64 * self.limit / 60_000.0).min(self.limit);
        self.at = now;
        let fits = self.level + 1e-6 >= 1.0;
        self.level -= f64::from(u8::from(fits));
        fits
    }

    fn header(&mut self, now: Millis) -> (u64, u64) {
        let level = (self.level + now.since(self.at) as f64 * self.limit / 60_000.0).min(self.limit);
        (level as u64, ((self.limit - level) * 60_000.0 / self.limit) as u64)
    }
}

struct WindowServer {
    limit: u64,
    used: u64,
    number: u64,
    phase: u64,
}

impl WindowServer {
    fn turn(&mut self, now: Millis) {
        let number = (now.0 + self.phase) / MINUTE_MS;
        if number != self.number {
            (self.number, self.used) = (number, 0);
        }
    }
}

impl Server for WindowServer {
    fn admit(&mut self, now: Millis) -> bool {
        self.turn(now);
        let fits = self.used < self.limit;
        self.used += u64::from(fits);
        fits
    }

    fn header(&mut self, now: Millis) -> (u64, u64) {
        self.turn(now);
        (self.limit - self.used, MINUTE_MS - (now.0 + self.phase) % MINUTE_MS)
    }
}

/// When it is answered, what it took, and the header as it was when it arrived.
type Sent = (Millis, Charge, (u64, u64));

/// Sends whenever it may, for ten minutes, with answers that take `delay` and are written when the request arrives (or
/// `late`, when the answer is sent). Returns what was served, and what was refused after the first
/// answer: before that nothing is known.
fn drive(server: &mut dyn Server, limit: u64, gap: u64, delay: u64, late: bool) -> (u64, u64) {
    let (mut paces, mut now, mut taken) = (Paces::default(), START, 0);
    let mut open: Vec<Sent> = Vec::new();
    let (mut served, mut refused, mut answered) = (0, 0, 0);
    let end = START.plus(10 * MINUTE_MS);
    while now < end {
        let (done, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(|(at, ..)| *at <= now);
        open = rest;
        for (_, mut charge, told) in done {
            let (remaining, reset) = if late { server.header(now) } else { told };
            paces.told("m", &mut charge, &requests(limit, remaining, reset), now);
            paces.close("m", &mut charge);
            answered = 1;
        }
        if paces.opens("m", cost(0), terms(&NOTHING), now).is_none() && open.len() < 8 {
            taken += 1;
            let (pause, charge) = paces.take("m", cost(0), taken, terms(&NOTHING), now);
            let at = now.plus(pause);
            if server.admit(at) {
                served += 1;
            } else {
                refused += answered;
            }
            open.push((at.plus(delay), charge, server.header(at)));
        }
        now = now.plus(gap);
    }
    (served, refused)
}

/// What the clients ask for at most in ten minutes: eight at a time.
fn asked(gap: u64, delay: u64) -> u64 {
    (10 * MINUTE_MS / gap).min(8 * 10 * MINUTE_MS / delay.max(gap))
}

#[test]
fn a_bucket_s_limit_is_met_without_being_hit() {
    for (limit, gap, delay) in [(60, 37, 400), (600, 11, 900), (5, 500, 3_000), (60, 101, 20_000)] {
        for late in [false, true] {
            let mut server = BucketServer { limit: limit as f64, level: limit as f64, at: START };
            let (served, refused) = drive(&mut server, limit, gap, delay, late);
            assert_eq!(refused, 0, "{limit} {gap} {delay} {late}");
            let most = (11 * limit).min(asked(gap, delay));
            assert!(served * 10 >= most * 8, "{served} of {most}: {limit} {gap} {delay} {late}");
        }
    }
}

#[test]
fn a_fixed_window_s_limit_is_met_without_being_hit() {
    for (limit, gap, delay) in [(60, 37, 400), (600, 11, 900), (5, 500, 3_000)] {
        for phase in [0, 17_000, 59_000] {
            let mut server = WindowServer { limit, used: 0, number: 0, phase };
            let (served, refused) = drive(&mut server, limit, gap, delay, true);
            assert_eq!(refused, 0, "{limit} {gap} {delay} {phase}");
            let most = (10 * limit).min(asked(gap, delay));
            assert!(served * 10 >= most * 9, "{served} of {most}: {limit} {gap} {delay} {phase}");
        }
    }
}

#[test]
fn what_the_operator_knows_holds_in_every_minute() {
    let known = Known { requests: Some(7), tokens: Some(1_000) };
    let (mut paces, mut now, mut sent) = (Paces::default(), START, Vec::new());
    for n in 0..2_000 {
        if paces.opens("m", cost(100), terms(&known), now).is_none() {
            let (pause, _) = paces.take("m", cost(100), n + 1, terms(&known), now);
            assert!(pause <= SETTINGS.pause_ms_max);
            sent.push(now.plus(pause));
        }
        now = now.plus(311);
    }
    for (n, first) in sent.iter().enumerate() {
        let minute = sent.iter().skip(n).take_while(|at| at.since(*first) < MINUTE_MS).count();
        assert!(minute <= 7, "{minute}");
    }
    assert!(sent.len() >= 66, "and all of it is used: {}", sent.len());
}

#[test]
fn a_prompt_larger_than_the_limit_passes_when_nothing_else_is_used() {
    let known = Known { requests: None, tokens: Some(1_000) };
    let mut paces = Paces::default();
    assert_eq!(paces.opens("m", cost(5_000), terms(&known), START), None);
    paces.take("m", cost(5_000), 1, terms(&known), START);
    let at = paces.opens("m", cost(1), terms(&known), START).unwrap();
    assert!(at.since(START) >= MINUTE_MS - SETTINGS.pause_ms_max);
    assert_eq!(paces.opens("m", cost(5_000), terms(&known), at), None);
    assert!(paces.opens("m", cost(5_000), terms(&known), Millis(at.0 - 1)).is_some(), "the exact moment");
}

#[test]
fn the_moment_of_a_bucket_is_exact() {
    let mut paces = Paces::default();
    let (_, mut charge) = paces.take("m", cost(0), 1, terms(&NOTHING), START);
    for (n, remaining) in [50, 40, 30, 0].into_iter().enumerate() {
        let reset = (60 - remaining) * 1_000;
        paces.told("m", &mut charge, &requests(60, remaining, reset), START.plus(n as u64));
    }
    let now = START.plus(3);
    let at = paces.opens("m", cost(0), terms(&NOTHING), now).unwrap();
    assert_eq!(at, now.plus(1_000 - SETTINGS.pause_ms_max), "one comes back each second");
    let (pause, _) = paces.take("m", cost(0), 2, terms(&NOTHING), at);
    assert_eq!(pause, SETTINGS.pause_ms_max);
}

#[test]
fn tokens_are_an_estimate_until_they_are_settled() {
    let known = Known { requests: None, tokens: Some(1_000) };
    let mut paces = Paces::default();
    let (_, mut charge) = paces.take("m", cost(900), 1, terms(&known), START);
    assert!(paces.opens("m", cost(500), terms(&known), START).is_some());
    paces.settle("m", &mut charge, 300, START.plus(5));
    assert_eq!(paces.opens("m", cost(500), terms(&known), START.plus(5)), None);
    paces.settle("m", &mut charge, 0, START.plus(6));
    paces.close("m", &mut charge);
    let used = paces.views(terms(&known), START.plus(6))[0].tokens;
    assert_eq!((used.last_minute, used.used_permille, used.source), (300, 300, Some(Source::Operator)));
    let (_, mut dropped) = paces.take("m", cost(600), 2, terms(&known), START.plus(7));
    paces.close("m", &mut dropped);
    assert_eq!(paces.views(terms(&known), START.plus(7))[0].tokens.last_minute, 900, "the estimate stays");
}

/// Sends so often within a minute, and is refused by the last.
fn refused_after(paces: &mut Paces, count: u64, first: u64, now: Millis) -> Charge {
    for n in 0..count {
        let _ = paces.take("m", cost(0), first + n, terms(&NOTHING), now);
    }
    let mut last = paces.take("m", cost(0), first + count, terms(&NOTHING), now).1;
    paces.refused("m", &mut last, first + count + 1, None, terms(&NOTHING), now);
    last
}

fn learned(paces: &Paces, now: Millis) -> Option<u64> {
    paces.views(terms(&NOTHING), now)[0].requests.limit
}

/// A pace that was refused at the start, and again 30 s later after as many more: twice as many a minute.
fn measured(more: u64) -> Paces {
    let mut paces = Paces::default();
    refused_after(&mut paces, 100, 1, START);
    refused_after(&mut paces, more, 1_000, START.plus(30_000));
    paces
}

#[test]
fn one_refusal_teaches_no_limit_and_two_measure_it() {
    let mut paces = Paces::default();
    refused_after(&mut paces, 100, 1, START);
    assert_eq!(learned(&paces, START), None, "the full bucket of the first minute is not the rate");
    assert!(paces.opens("m", cost(0), terms(&NOTHING), START.plus(1)).is_none());
    let paces = measured(30);
    let now = START.plus(30_000);
    assert_eq!(learned(&paces, now), Some(60));
    assert_eq!(paces.views(terms(&NOTHING), now)[0].requests.source, Some(Source::Learned));
    let opens = paces.opens("m", cost(0), terms(&NOTHING), now);
    assert_eq!(opens, Some(now.plus(1_000 - SETTINGS.pause_ms_max)), "one comes back each second");
}

#[test]
fn a_hinted_wait_tells_when_there_is_room() {
    let mut paces = Paces::default();
    let mut refuse = |taken: u64, hint_ms, now| {
        for n in 0..10 {
            let _ = paces.take("m", cost(0), taken + n, terms(&NOTHING), now);
        }
        let mut last = paces.take("m", cost(0), taken + 10, terms(&NOTHING), now).1;
        paces.refused("m", &mut last, taken + 11, Some(hint_ms), terms(&NOTHING), now);
        (learned(&paces, now), paces.opens("m", cost(0), terms(&NOTHING), now))
    };
    assert_eq!(refuse(1, 400, START).0, None);
    // Ten in 20.5 s - 0.4 s + 0.3 s.
    let (limit, opens) = refuse(100, 300, START.plus(20_100));
    assert_eq!((limit, opens), (Some(30), Some(START.plus(20_100 + 300 - SETTINGS.pause_ms_max))));
    assert_eq!(refuse(200, 20_000, START.plus(40_000)).0, Some(30), "no bucket of that size lets wait so long");
    assert_eq!(refuse(300, 3_600_000, START.plus(60_000)).0, Some(30), "this is no limit a minute");
}

#[test]
fn refusals_far_apart_or_after_a_few_requests_teach_nothing() {
    let mut paces = Paces::default();
    for round in 0..5 {
        refused_after(&mut paces, 20, 1 + round * 100, START.plus(round * 600_000));
        assert_eq!(learned(&paces, START.plus(round * 600_000)), None, "one refusal in ten minutes");
    }
    let mut quiet = Paces::default();
    for round in 0..5 {
        refused_after(&mut quiet, 2, 1 + round * 100, START.plus(round * 70_000));
        assert_eq!(learned(&quiet, START.plus(round * 70_000)), None);
    }
}

#[test]
fn a_wave_of_refusals_measures_what_was_served() {
    let mut paces = Paces::default();
    refused_after(&mut paces, 100, 1, START);
    let now = START.plus(30_000);
    let charges: Vec<_> = (0..50).map(|n| paces.take("m", cost(0), 1_000 + n, terms(&NOTHING), now).1).collect();
    for (mut charge, event) in charges.into_iter().skip(20).zip(2_000..) {
        paces.refused("m", &mut charge, event, None, terms(&NOTHING), now);
    }
    assert_eq!(learned(&paces, now), Some(40), "20 of the 50 were served in half a minute");
}

#[test]
fn a_learned_limit_holds_and_then_grows_in_steps_that_double() {
    let mut paces = measured(30);
    let (mut now, mut n, mut sent) = (START.plus(30_000), 5_000, 0);
    let mut limits = Vec::new();
    for _ in 0..3_000 {
        now = now.plus(100);
        if paces.opens("m", cost(0), terms(&NOTHING), now).is_none() {
            let _ = paces.take("m", cost(0), n, terms(&NOTHING), now);
            (n, sent) = (n + 1, sent + 1);
        }
        limits.push(learned(&paces, now).unwrap());
        limits.dedup();
        if now.since(START.plus(30_000)) == 59_000 {
            assert_eq!((limits.as_slice(), sent), (&[60][..], 59), "held for twice the time of the measure");
        }
    }
    assert_eq!(limits[..6], [60, 61, 65, 73, 88, 105], "{limits:?}");
}

#[test]
fn who_has_nobody_else_passes_a_learned_limit_and_is_believed() {
    let mut paces = measured(30);
    let now = START.plus(30_000);
    assert_eq!(paces.passes_at("m", cost(0), terms(&NOTHING), now), Some(now.plus(5_000)), "it refused just now");
    let mut pass = |taken, now| {
        let mut charge = paces.take("m", cost(0), taken, terms(&NOTHING), now).1;
        paces.pass("m", &mut charge, now);
        assert!(paces.passes_at("m", cost(0), terms(&NOTHING), now) > Some(now), "one at a time");
        paces.served("m", &mut charge, terms(&NOTHING), now);
        paces.close("m", &mut charge);
        learned(&paces, now).unwrap()
    };
    let now = now.plus(10);
    let limits: Vec<_> = (0..16).map(|n| pass(9_000 + n, now)).collect();
    assert!(limits[0] == 60 && limits.is_sorted() && limits[15] >= 120, "it doubles within 16: {limits:?}");
    let mut charge = paces.take("m", cost(0), 10_000, terms(&NOTHING), now).1;
    paces.pass("m", &mut charge, now);
    paces.refused("m", &mut charge, 10_001, None, terms(&NOTHING), now);
    let next = paces.passes_at("m", cost(0), terms(&NOTHING), now);
    assert_eq!(next, Some(now.plus(5_000)), "and not again soon");
    let known = Known { requests: Some(1), tokens: None };
    assert_eq!(paces.passes_at("m", cost(0), terms(&known), now), None, "the operator's limit is never passed");
}

#[test]
fn what_was_learned_or_told_of_a_refusal_can_be_forgotten() {
    let mut paces = measured(30);
    let now = START.plus(30_000);
    let (_, mut charge) = paces.take("t", cost(0), 9_000, terms(&NOTHING), now);
    paces.told("t", &mut charge, &requests(60, 0, 60_000), now);
    let closed = |paces: &Paces| ["m", "t"].map(|family| paces.opens(family, cost(0), terms(&NOTHING), now).is_some());
    assert_eq!(closed(&paces), [true, true]);
    paces.forget(Some("t"));
    assert_eq!(closed(&paces), [true, false]);
    paces.forget(None);
    assert_eq!(closed(&paces), [false, false]);
}

#[test]
fn what_one_refusal_taught_can_be_taken_back() {
    let mut paces = measured(30);
    refused_after(&mut paces, 10, 2_000, START.plus(60_000));
    assert_eq!(learned(&paces, START.plus(60_000)), Some(20));
    assert!(!paces.forgive("m", 1_031), "something else has been learned since");
    assert!(paces.forgive("m", 2_011));
    assert_eq!(learned(&paces, START.plus(60_000)), Some(60));
}

#[test]
fn somebody_else_s_use_is_seen_once() {
    let mut paces = Paces::default();
    let (_, mut a) = paces.take("m", cost(0), 1, terms(&NOTHING), START);
    paces.told("m", &mut a, &requests(100, 99, 60_000), START);
    let (_, mut b) = paces.take("m", cost(0), 2, terms(&NOTHING), START);
    let (_, mut c) = paces.take("m", cost(0), 3, terms(&NOTHING), START);
    paces.told("m", &mut b, &requests(100, 48, 60_000), START.plus(1));
    paces.told("m", &mut c, &requests(100, 47, 60_000), START.plus(2));
    let used = paces.views(terms(&NOTHING), START.plus(2))[0].requests.used_permille;
    assert!((520..=550).contains(&used), "{used}");
}

#[test]
fn a_rate_limit_surprises_where_there_was_room() {
    let known = Known { requests: Some(100), tokens: None };
    let mut paces = Paces::default();
    let (_, first) = paces.take("m", cost(0), 1, terms(&known), START);
    assert!(paces.surprised("m", &first));
    let last = (2..=60).map(|n| paces.take("m", cost(0), n, terms(&known), START).1).last().unwrap();
    assert!(!paces.surprised("m", &last), "more than half was used");
    let (_, mut later) = paces.take("m", cost(0), 61, terms(&known), START);
    paces.served("m", &mut later, terms(&known), START);
    assert!(paces.surprised("m", &last), "what was sent later was served");
    let mut unknown = Paces::default();
    let (_, one) = unknown.take("m", cost(0), 1, terms(&NOTHING), START);
    assert!(!unknown.surprised("m", &one), "nothing is known");
}

#[test]
fn near_a_limit_requests_are_spread() {
    let known = Known { requests: Some(100), tokens: None };
    let mut paces = Paces::default();
    let pauses: Vec<_> = (1..=100).map(|n| paces.take("m", cost(0), n, terms(&known), START).0).collect();
    assert_eq!(pauses[..80], [0; 80]);
    assert!(pauses[80..].is_sorted() && pauses[81] > 0 && pauses[99] <= 100, "{:?}", &pauses[80..]);
}

#[test]
fn an_empty_share_closes_until_it_is_full() {
    let mut paces = Paces::default();
    let (_, mut charge) = paces.take("m", cost(0), 1, terms(&NOTHING), START);
    let share = |left_permille| Allowance {
        share: Some(Share { left_permille, reset_ms: Some(5_000) }),
        ..Allowance::default()
    };
    paces.told("m", &mut charge, &share(400), START);
    assert_eq!(paces.opens("m", cost(0), terms(&NOTHING), START), None);
    paces.told("m", &mut charge, &share(0), START);
    assert_eq!(paces.opens("m", cost(0), terms(&NOTHING), START), Some(START.plus(4_900)));
    assert_eq!(paces.opens("m", cost(0), terms(&NOTHING), START.plus(5_000)), None);
}

#[test]
fn it_can_be_switched_off_and_is_bounded() {
    let off = Settings { enabled: false, ..SETTINGS };
    let known = Known { requests: Some(1), tokens: Some(1) };
    let terms = |settings| Terms { known: &known, settings };
    let mut paces = Paces::default();
    for n in 1..100 {
        assert_eq!(paces.take("m", cost(9), n, terms(&off), START).0, 0);
        assert_eq!(paces.opens("m", cost(9), terms(&off), START), None);
    }
    for n in 1..1_000 {
        paces.take(&format!("family-{n}"), cost(9), n, terms(&SETTINGS), START.plus(n));
    }
    assert_eq!(paces.families.len(), super::FAMILIES_MAX);
}

#[test]
fn what_is_kept_comes_back_and_nothing_more_is_believed() {
    let known = Known { requests: Some(10), tokens: None };
    let mut paces = Paces::default();
    for n in 1..=6 {
        paces.take("m", cost(20), n, terms(&known), START);
    }
    let (_, mut charge) = paces.take("t", cost(20), 7, terms(&known), START);
    paces.told("t", &mut charge, &requests(60, 12, 48_000), START);
    refused_after(&mut paces, 8, 10, START);
    refused_after(&mut paces, 8, 30, START.plus(1_000));
    let text = serde_json::to_string(&paces.stored(START)).unwrap();
    let mut again = Paces::default();
    let text = text.replace(r#""family":"t""#, r#""family":"t","unknown":[1]"#);
    again.restore(&serde_json::from_str::<Vec<super::StoredPace>>(&text).unwrap(), START.plus(1));
    for (before, after) in paces.views(terms(&known), START).iter().zip(again.views(terms(&known), START)) {
        assert_eq!(
            (before.requests.limit, before.requests.last_minute),
            (after.requests.limit, after.requests.last_minute)
        );
        assert!(after.requests.used_permille >= before.requests.used_permille);
    }
    again.restore(&[super::StoredPace { family: "x".into(), ..Default::default() }], START);
    assert_eq!(again.opens("x", cost(9), terms(&NOTHING), START), None);
}

proptest! {
    #[test]
    fn every_closure_ends_and_the_moment_is_exact(
        ops in proptest::collection::vec((0u8..5, 0u64..3_000, 0u64..4_000, 1u64..200), 1..80),
        limit in proptest::option::of(1u64..30),
        tokens in proptest::option::of(1u64..5_000),
    ) {
        let known = Known { requests: limit, tokens };
        let (mut paces, mut now, mut taken) = (Paces::default(), START, 0);
        let mut open = Vec::new();
        for (op, step, amount, other) in ops {
            now = now.plus(step);
            match op {
                0..2 => {
                    taken += 1;
                    if paces.opens("m", cost(amount), terms(&known), now).is_none() {
                        open.push(paces.take("m", cost(amount), taken, terms(&known), now).1);
                    }
                }
                2 => if let Some(charge) = open.last_mut() {
                    paces.told("m", charge, &requests(other, amount % (other + 1), step * 20), now);
                },
                3 => if let Some(charge) = open.last_mut() {
                    paces.settle("m", charge, amount, now);
                },
                _ => if let Some(mut charge) = open.pop() {
                    taken += 1;
                    let hint_ms = (other % 2 == 0).then_some(amount);
                    paces.refused("m", &mut charge, taken, hint_ms, terms(&known), now);
                    paces.close("m", &mut charge);
                },
            }
            if let Some(at) = paces.opens("m", cost(amount), terms(&known), now) {
                prop_assert!(at > now && at.since(now) <= 25 * 3_600_000);
                prop_assert_eq!(paces.opens("m", cost(amount), terms(&known), at), None);
                prop_assert!(paces.opens("m", cost(amount), terms(&known), Millis(at.0 - 1)).is_some());
            }
        }
    }
}
