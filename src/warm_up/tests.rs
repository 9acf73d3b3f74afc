use super::*;

const START: Millis = Millis(1_760_000_000_000);
const HOUR: u64 = 3_600_000;

#[test]
fn one_in_the_time_of_the_cooldown_and_one_at_a_time() {
    let warm_ups = WarmUps::default();
    assert!(warm_ups.begin("a", "m", 4 * HOUR, START));
    assert!(!warm_ups.begin("a", "m", 4 * HOUR, START), "under way");
    assert!(warm_ups.begin("b", "m", 4 * HOUR, START) && warm_ups.begin("a", "n", 4 * HOUR, START));
    warm_ups.end("a", "m", START, Some(OK), START.plus(700));
    assert!(!warm_ups.begin("a", "m", 4 * HOUR, START.plus(4 * HOUR - 1)));
    assert!(warm_ups.begin("a", "m", 4 * HOUR, START.plus(4 * HOUR)));
    assert_eq!(warm_ups.export().history[0].took_ms, 700);
}

#[test]
fn one_that_failed_or_was_not_sent_may_be_tried_again() {
    let warm_ups = WarmUps::default();
    for (result, remembered) in [(Some("rate_limit"), 1), (None, 1), (Some(OK), 2)] {
        assert!(warm_ups.begin("a", "m", HOUR, START));
        warm_ups.end("a", "m", START, result, START);
        assert_eq!(warm_ups.export().history.len(), remembered);
    }
    assert!(!warm_ups.begin("a", "m", HOUR, START));
    assert!(warm_ups.begin("a", "m", 0, START), "without a cooldown at any time");
}

#[test]
fn a_restart_forgets_nothing_and_the_history_is_bounded() {
    let before = WarmUps::default();
    for number in 0..HISTORY_MAX + 5 {
        let (model, at) = (format!("m{number}"), START.plus(number as u64));
        assert!(before.begin("a", &model, HOUR, at));
        before.end("a", &model, at, Some(OK), at);
    }
    let text = serde_json::to_string(&before.export()).unwrap();
    let after = WarmUps::default();
    assert!(after.begin("a", "new", HOUR, START));
    after.end("a", "new", START, Some(OK), START);
    after.import(&serde_json::from_str(&text).unwrap());
    let told = after.export();
    assert_eq!(told.history.len(), HISTORY_MAX);
    assert_eq!(told.history.last().unwrap().model, "new", "what was sent since comes last");
    assert!(!after.begin("a", "m3", HOUR, START.plus(1000)) && !after.begin("a", "new", HOUR, START.plus(1000)));
}

#[test]
fn a_clock_that_was_set_back_stops_nothing() {
    let warm_ups = WarmUps::default();
    assert!(warm_ups.begin("a", "m", HOUR, START));
    warm_ups.end("a", "m", START, Some(OK), START);
    assert!(warm_ups.begin("a", "m", HOUR, Millis(START.0 - 10 * HOUR)));
}
