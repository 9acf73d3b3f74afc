use super::*;

fn settings() -> Settings {
    Settings {
        fallback: Some("last".to_owned()),
        model: None,
        failures: 3,
        within_ms: 1_000,
        check_every_ms: 10_000,
        successes: 2,
        upstreams: ["a", "b", "last"].map(str::to_owned).to_vec(),
    }
}

#[test]
fn failures_in_a_row_switch_on() {
    let mode = SafeMode::new(settings());
    for ms in 0..3 {
        assert!(matches!(mode.active(&["a"], Millis(ms)), Decision::Normal));
        mode.note_failure(&["a"], Reason::Connect, Millis(ms));
    }
    assert!(matches!(mode.active(&["a"], Millis(3)), Decision::Safe));
    assert!(matches!(mode.active(&["b"], Millis(3)), Decision::Normal));
}
