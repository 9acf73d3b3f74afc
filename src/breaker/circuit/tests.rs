use proptest::prelude::*;

use super::{Circuit, CircuitState, Settings, counts};
use crate::limits::classify::{Defaults, Transport, classify};
use crate::limits::cooldown::Standing;
use crate::pool::time::Millis;
use interlingua_filters::Dialect;

const SETTINGS: Settings =
    Settings { enabled: true, failures: 3, open_ms: 1_000, open_ms_max: 3_000, last_resort_ms: 100 };

fn opened(now: Millis) -> Circuit {
    let mut circuit = Circuit::default();
    for event in 1..=3 {
        circuit.failed(event, event + 10, now, &SETTINGS);
    }
    circuit
}

fn state(circuit: &Circuit, now: u64) -> CircuitState {
    circuit.view(Millis(now), &SETTINGS).state
}

#[test]
fn failures_in_a_row_open_it_and_a_success_in_between_starts_again() {
    let mut circuit = Circuit::default();
    circuit.failed(1, 2, Millis(0), &SETTINGS);
    circuit.failed(3, 4, Millis(0), &SETTINGS);
    assert!(!circuit.succeeded(5));
    assert!(!circuit.failed(6, 7, Millis(0), &SETTINGS));
    assert_eq!(state(&circuit, 0), CircuitState::Closed);
    circuit.failed(8, 9, Millis(0), &SETTINGS);
    assert!(circuit.failed(10, 11, Millis(0), &SETTINGS));
    assert_eq!(state(&circuit, 999), CircuitState::Open);
    assert_eq!(state(&circuit, 1_000), CircuitState::HalfOpen);
}

#[test]
fn a_rest_doubles_up_to_its_bound() {
    let (mut circuit, mut now, mut event) = (opened(Millis(0)), Millis(0), 100);
    let mut lengths = Vec::new();
    for _ in 0..4 {
        let until = circuit.view(now, &SETTINGS).until.unwrap();
        lengths.push(until.since(now));
        now = until;
        circuit.begin_try(now);
        circuit.failed(event, event + 1, now, &SETTINGS);
        event += 2;
    }
    assert_eq!(lengths, [1_000, 2_000, 3_000, 3_000]);
}

#[test]
fn what_was_sent_before_it_opened_neither_doubles_nor_closes() {
    let mut circuit = opened(Millis(0));
    assert!(!circuit.failed(2, 20, Millis(5), &SETTINGS));
    assert!(!circuit.succeeded(2));
    assert_eq!(circuit.view(Millis(5), &SETTINGS).until, Some(Millis(1_000)));
    assert!(circuit.succeeded(21));
    assert_eq!(circuit, Circuit::default());
}

#[test]
fn one_at_a_time_and_a_try_without_a_verdict_wedges_nothing() {
    let mut circuit = opened(Millis(0));
    let at = Millis(1_000);
    assert!(matches!(circuit.standing(at, &SETTINGS), Standing::Probe { .. }));
    circuit.begin_try(at);
    assert!(matches!(circuit.standing(at, &SETTINGS), Standing::Closed { .. }));
    circuit.end_try();
    assert!(matches!(circuit.standing(at, &SETTINGS), Standing::Probe { .. }));
    circuit.begin_try(at);
    assert!(matches!(circuit.standing(Millis(2_000), &SETTINGS), Standing::Probe { .. }), "it hangs: another may try");
}

#[test]
fn a_last_resort_is_seldom_and_does_not_lengthen_the_rest() {
    let mut circuit = opened(Millis(0));
    assert_eq!(circuit.last_resort_at(&SETTINGS), Some(Millis(100)));
    circuit.begin_try(Millis(100));
    assert_eq!(circuit.last_resort_at(&SETTINGS), Some(Millis(1_100)), "one tries");
    circuit.failed(50, 51, Millis(150), &SETTINGS);
    assert_eq!(circuit.last_resort_at(&SETTINGS), Some(Millis(200)));
    assert_eq!(circuit.view(Millis(200), &SETTINGS).until, Some(Millis(1_000)));
}

#[test]
fn forgiven_failures_do_not_open_it() {
    let mut circuit = Circuit::default();
    for event in 1..100 {
        circuit.failed(event * 2, event * 2 + 1, Millis(0), &SETTINGS);
        circuit.forgive(event * 2 + 1);
    }
    assert_eq!(circuit.view(Millis(0), &SETTINGS).failures, 0);
    let mut circuit = opened(Millis(0));
    assert!(!circuit.forgive(11), "an earlier one of the row");
    assert!(circuit.forgive(13), "the one that opened it");
    assert_eq!(state(&circuit, 0), CircuitState::Closed);
}

#[test]
fn it_can_be_switched_off_and_kept() {
    let off = Settings { enabled: false, ..SETTINGS };
    let mut circuit = Circuit::default();
    (0..9).for_each(|event| assert!(!circuit.failed(event, event, Millis(0), &off)));
    let open = opened(Millis(0));
    assert_eq!(open.standing(Millis(0), &off), Standing::Open);
    let mut again = Circuit::default();
    again.restore(open.stored().unwrap(), Millis(400), &SETTINGS);
    assert_eq!(again.view(Millis(400), &SETTINGS), open.view(Millis(400), &SETTINGS));
    let mut cut = Circuit::default();
    cut.restore(super::StoredCircuit { failures: 9, length_ms: 9_999_999, until: u64::MAX }, Millis(0), &SETTINGS);
    assert_eq!(cut.view(Millis(0), &SETTINGS).until, Some(Millis(3_000)));
}

#[test]
fn only_the_provider_and_the_way_to_it_count() {
    let failure = |status, transport| classify(Dialect::Anthropic, status, None, None, transport, &Defaults::default());
    for (status, transport, expected) in [
        (Some(500), None, true),
        (Some(503), None, true),
        (None, Some(Transport::Connect), true),
        (Some(200), Some(Transport::Truncated), true),
        (Some(200), Some(Transport::Malformed), true),
        (Some(529), None, false),
        (Some(429), None, false),
        (Some(401), None, false),
        (Some(400), None, false),
        (Some(404), None, false),
    ] {
        assert_eq!(counts(&failure(status, transport)), expected, "{status:?} {transport:?}");
    }
}

proptest! {
    #[test]
    fn whatever_happens_it_opens_up_again(ops in proptest::collection::vec((0u8..6, 0u64..2_000), 0..60)) {
        let (mut circuit, mut now, mut event) = (Circuit::default(), Millis(0), 0);
        for (op, step) in ops {
            now = now.plus(step);
            event += 1;
            match op {
                0..3 => { circuit.failed(event, event, now, &SETTINGS); }
                3 => { circuit.succeeded(event); }
                4 => circuit.begin_try(now),
                _ => circuit.end_try(),
            }
        }
        let later = now.plus(SETTINGS.open_ms_max + SETTINGS.open_ms);
        let closed = matches!(circuit.standing(later, &SETTINGS), Standing::Closed { .. });
        prop_assert!(!closed);
        if let Standing::Closed { at, until } = circuit.standing(now, &SETTINGS) {
            prop_assert!(now < at && at <= until);
        }
    }
}
