use std::collections::VecDeque;

use proptest::prelude::*;

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

fn fail(mode: &SafeMode, upstreams: &[&str], times: std::ops::Range<u64>) {
    times.for_each(|ms| mode.note_failure(upstreams, Reason::Connect, Millis(ms)));
}

fn upstream(id: &str) -> Scope {
    Scope::Upstream(id.to_owned())
}

fn is_normal(mode: &SafeMode, upstreams: &[&str], ms: u64) -> bool {
    matches!(mode.active(upstreams, Millis(ms)), Decision::Normal)
}

fn is_safe(mode: &SafeMode, upstreams: &[&str], ms: u64) -> bool {
    matches!(mode.active(upstreams, Millis(ms)), Decision::Safe)
}

fn trial(mode: &SafeMode, upstreams: &[&str], ms: u64) -> Trial {
    match mode.active(upstreams, Millis(ms)) {
        Decision::Try(trial) => trial,
        other => panic!("{other:?} at {ms}"),
    }
}

#[test]
fn failures_within_the_time_switch_their_upstream_on() {
    let mode = SafeMode::new(settings());
    fail(&mode, &["a"], 0..2);
    assert!(is_normal(&mode, &["a"], 2));
    mode.note_failure(&["a"], Reason::Connect, Millis(1_001));
    assert!(is_normal(&mode, &["a"], 1_001), "the first was too long ago");
    mode.note_failure(&["a"], Reason::Connect, Millis(1_001));
    assert!(is_safe(&mode, &["a"], 1_001));
    assert!(is_normal(&mode, &["b"], 1_001) && is_normal(&mode, &["a", "b"], 1_001), "b can still serve");
    assert!(is_normal(&mode, &[], 1_001));
}

#[test]
fn all_together_need_failures_of_more_than_one_upstream() {
    let mode = SafeMode::new(settings());
    mode.note_failure(&["a"], Reason::Connect, Millis(0));
    mode.note_failure(&["b"], Reason::Connect, Millis(1));
    mode.note_failure(&["a"], Reason::Connect, Millis(2));
    assert!(is_safe(&mode, &["a"], 3) && is_safe(&mode, &["b"], 3));
    assert_eq!(mode.status(Millis(3)).scopes.iter().filter(|scope| scope.active).count(), 1, "the global one");
    let both = SafeMode::new(settings());
    fail(&both, &["a", "b", "a"], 0..3);
    assert!(both.status(Millis(3)).scopes.iter().all(|scope| scope.active == (scope.scope != "last")));
}

#[test]
fn a_missing_endpoint_is_enough() {
    let mode = SafeMode::new(settings());
    mode.note_failure(&["a"], Reason::EndpointMissing, Millis(0));
    assert!(is_safe(&mode, &["b"], 0));
    let status = mode.status(Millis(5));
    assert_eq!((status.scopes[0].reason, status.scopes[0].since_ms), (Some("endpoint_missing"), Some(0)));
    assert_eq!(status.scopes[0].next_try_in_ms, Some(9_995));
}

#[test]
fn a_busy_gateway_may_have_failures() {
    let mode = SafeMode::new(settings());
    for ms in 0..100 {
        mode.note_failure(&["a"], Reason::ProviderError, Millis(ms));
        mode.note_success("a");
        mode.note_success("a");
    }
    assert!(is_normal(&mode, &["a"], 100));
    fail(&mode, &["a"], 100..103);
    assert!(is_safe(&mode, &["a"], 103));
}

#[test]
fn one_request_at_a_time_tries_and_good_tries_switch_off() {
    let mode = SafeMode::new(settings());
    fail(&mode, &["a"], 0..3);
    assert!(is_safe(&mode, &["a"], 10_001));
    let first = trial(&mode, &["a"], 10_002);
    assert!(is_safe(&mode, &["a"], 60_000), "one at a time");
    first.succeeded("a", Millis(10_100));
    assert!(is_safe(&mode, &["a"], 20_000));
    let bad = trial(&mode, &["a"], 20_100);
    bad.failed(Millis(20_200));
    for round in 0..2 {
        let good = trial(&mode, &["a"], 30_200 + round * 20_000);
        good.succeeded("a", Millis(30_300 + round * 20_000));
    }
    assert!(is_normal(&mode, &["a"], 50_301), "two in a row");
    fail(&mode, &["a"], 50_302..50_304);
    assert!(is_normal(&mode, &["a"], 50_305), "counting begins anew");
}

#[test]
fn a_try_that_comes_to_nothing_lets_the_next_one_try() {
    let mode = SafeMode::new(settings());
    fail(&mode, &["a"], 0..3);
    drop(trial(&mode, &["a"], 10_002));
    let other = trial(&mode, &["a"], 10_003);
    // A success elsewhere in the pool proves nothing of this one.
    other.succeeded("b", Millis(10_004));
    let status = mode.status(Millis(10_004)).scopes;
    assert_eq!((status[1].good_tries, status[1].trying), (0, false));
    drop(trial(&mode, &["a"], 10_005));
}

#[test]
fn a_try_for_all_is_one_for_the_upstream_too() {
    let mode = SafeMode::new(settings());
    fail(&mode, &["a", "b"], 0..3);
    let first = trial(&mode, &["a"], 10_002);
    assert!(is_safe(&mode, &["a"], 10_003) && is_safe(&mode, &["b"], 10_003));
    first.succeeded("a", Millis(10_004));
    trial(&mode, &["a"], 20_004).succeeded("a", Millis(20_005));
    assert!(is_normal(&mode, &["a"], 20_006));
    trial(&mode, &["b"], 20_006).failed(Millis(20_007));
}

#[test]
fn what_the_operator_says_holds_until_it_is_changed() {
    let mode = SafeMode::new(settings());
    mode.set_manual(&upstream("a"), Manual::On).unwrap();
    assert!(is_safe(&mode, &["a"], 0) && is_safe(&mode, &["a"], u64::MAX), "nothing is tried");
    assert!(is_normal(&mode, &["a", "b"], 0));
    mode.set_manual(&upstream("a"), Manual::Off).unwrap();
    fail(&mode, &["a"], 0..10);
    assert!(is_normal(&mode, &["a"], 10));
    mode.set_manual(&upstream("a"), Manual::Auto).unwrap();
    assert!(is_normal(&mode, &["a"], 10));
    fail(&mode, &["a"], 10..13);
    assert!(is_safe(&mode, &["a"], 13));
    mode.set_manual(&Scope::Global, Manual::Off).unwrap();
    assert!(is_normal(&mode, &["a"], 13), "off for all is off for each");
    mode.set_manual(&Scope::Global, Manual::On).unwrap();
    assert!(is_safe(&mode, &["b"], 13) && is_safe(&mode, &[], 13));
    let unknown = mode.set_manual(&upstream("c"), Manual::On).unwrap_err();
    assert!(unknown.to_string().contains("'c'"));
    for (text, manual) in [("on", Manual::On), ("off", Manual::Off), ("auto", Manual::Auto)] {
        assert_eq!(Manual::parse(text), Some(manual));
    }
    assert_eq!((Manual::parse("maybe"), Scope::parse("*"), Scope::parse("a")), (None, Scope::Global, upstream("a")));
}

#[test]
fn a_try_of_a_state_that_the_operator_ended_changes_nothing() {
    let mode = SafeMode::new(settings());
    fail(&mode, &["a"], 0..3);
    let old = trial(&mode, &["a"], 10_002);
    mode.set_manual(&upstream("a"), Manual::Off).unwrap();
    mode.set_manual(&upstream("a"), Manual::Auto).unwrap();
    fail(&mode, &["a"], 10_003..10_006);
    old.succeeded("a", Millis(10_007));
    assert_eq!(mode.status(Millis(10_007)).scopes[1].good_tries, 0);
}

#[test]
fn without_an_upstream_of_last_resort_there_is_none() {
    let mode = SafeMode::new(Settings { fallback: None, ..settings() });
    fail(&mode, &["a"], 0..9);
    mode.set_manual(&upstream("a"), Manual::On).unwrap();
    assert!(is_normal(&mode, &["a"], 9));
    assert!(mode.status(Millis(9)).scopes.iter().all(|scope| !scope.active));
    mode.configure(settings());
    assert!(is_safe(&mode, &["a"], 9), "what the operator said holds");
    mode.configure(Settings { upstreams: vec!["b".to_owned()], ..settings() });
    mode.configure(settings());
    assert!(is_normal(&mode, &["a"], 9), "an upstream that went and came begins anew");
}

#[test]
fn what_is_stored_comes_back() {
    let mode = SafeMode::new(settings());
    fail(&mode, &["a"], 0..3);
    trial(&mode, &["a"], 10_002).succeeded("a", Millis(10_100));
    mode.set_manual(&upstream("b"), Manual::On).unwrap();
    let _open = trial(&mode, &["a"], 20_100);
    let text = serde_json::to_string(&mode.export()).unwrap();
    let stored: Stored = serde_json::from_str(&text).unwrap();
    let other = SafeMode::new(settings());
    other.import(&stored, Millis(20_200));
    assert_eq!(other.export(), stored);
    assert!(is_safe(&other, &["b"], 20_200));
    trial(&other, &["a"], 20_200).succeeded("a", Millis(20_300));
    assert!(is_normal(&other, &["a"], 20_300), "the good try before counted");
    // A clock that was set back must not put the next try off for ever.
    let back = SafeMode::new(settings());
    back.import(&stored, Millis(50));
    drop(trial(&back, &["a"], 10_050));
    let gone = SafeMode::new(Settings { fallback: None, ..settings() });
    gone.import(&stored, Millis(20_200));
    gone.configure(settings());
    assert!(is_normal(&gone, &["a"], 20_200) && is_safe(&gone, &["b"], 20_200));
}

#[test]
fn changes_are_told_once() {
    let mode = SafeMode::new(settings());
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    assert!(mode.on_change(Box::new(move |change| heard.lock().push(change.clone()))));
    fail(&mode, &["a"], 0..9);
    mode.set_manual(&upstream("a"), Manual::On).unwrap();
    mode.set_manual(&upstream("a"), Manual::Auto).unwrap();
    for at in [20_000, 40_000] {
        trial(&mode, &["a"], at).succeeded("a", Millis(at));
    }
    let lines: Vec<String> =
        told.lock().iter().map(|change| format!("{} {} {}", change.scope, change.active, change.why)).collect();
    assert_eq!(lines, ["a true connect", "a false recovered"]);
}

/// The definition of "on by failures": it keeps everything that ever happened.
#[derive(Default)]
struct Naive {
    /// Failures with their time and upstreams; `None` is a request that was served.
    events: Vec<Option<(u64, Vec<&'static str>)>>,
    on: bool,
}

impl Naive {
    fn fails(&mut self, at: u64, upstreams: &[&'static str], several: bool, settings: &Settings) {
        if self.on {
            return;
        }
        self.events.push(Some((at, upstreams.to_vec())));
        let mut last: VecDeque<(u64, &[&'static str])> = VecDeque::new();
        let mut served = 0;
        for event in self.events.iter().rev() {
            match event {
                Some((at, upstreams)) => last.push_front((*at, upstreams)),
                None => served += 1,
            }
            if last.len() == settings.failures as usize {
                break;
            }
        }
        let mut about: Vec<&str> = last.iter().flat_map(|(_, upstreams)| upstreams.iter().copied()).collect();
        about.sort_unstable();
        about.dedup();
        self.on = last.len() == settings.failures as usize
            && at - last[0].0 <= settings.within_ms
            && served <= settings.failures
            && (!several || about.len() > 1);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Fail(u8),
    Serve(&'static str),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_u8..4).prop_map(Step::Fail),
        3 => prop_oneof![Just("a"), Just("b")].prop_map(Step::Serve),
        2 => (0_u64..800).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn it_goes_on_exactly_when_the_definition_says(steps in steps(), failures in 1_u32..5) {
        let settings = Settings { failures, ..settings() };
        let mode = SafeMode::new(settings.clone());
        let (mut now, mut all, mut a, mut b) = (0, Naive::default(), Naive::default(), Naive::default());
        for step in steps {
            match step {
                Step::Wait(ms) => now += ms,
                Step::Serve(id) => {
                    mode.note_success(id);
                    all.events.push(None);
                    if id == "a" { a.events.push(None) } else { b.events.push(None) }
                }
                Step::Fail(which) => {
                    let upstreams: &[&'static str] = [&["a"][..], &["b"], &["a", "b"]][usize::from(which) - 1];
                    mode.note_failure(upstreams, Reason::Reset, Millis(now));
                    all.fails(now, upstreams, true, &settings);
                    if which != 2 { a.fails(now, &["a"], false, &settings) }
                    if which != 1 { b.fails(now, &["b"], false, &settings) }
                }
            }
            let on: Vec<bool> = mode.status(Millis(now)).scopes.iter().map(|scope| scope.active).collect();
            prop_assert_eq!(on, [all.on, a.on, b.on, false]);
        }
    }

    #[test]
    fn never_two_tries_at_once_and_always_a_way_back(
        moves in proptest::collection::vec((0_u8..5, 0_u64..12_000), 1..80),
    ) {
        let mode = SafeMode::new(settings());
        fail(&mode, &["a"], 0..3);
        let (mut now, mut open): (u64, Option<Trial>) = (3, None);
        for (what, wait) in moves {
            now += wait;
            match (what, open.take()) {
                (0, Some(trial)) => trial.succeeded("a", Millis(now)),
                (1, Some(trial)) => trial.failed(Millis(now)),
                (2, Some(trial)) => drop(trial),
                (_, held) => match mode.active(&["a"], Millis(now)) {
                    Decision::Try(trial) => {
                        prop_assert!(held.is_none(), "two tries at once");
                        open = Some(trial);
                    }
                    Decision::Normal => {
                        prop_assert!(!mode.status(Millis(now)).scopes[1].active);
                        fail(&mode, &["a"], now..now + 3);
                        open = held;
                    }
                    Decision::Safe => open = held,
                },
            }
        }
        drop(open);
        // However it stands: with good tries it comes back.
        for _ in 0..2 {
            now += 20_000;
            if let Decision::Try(trial) = mode.active(&["a"], Millis(now)) {
                trial.succeeded("a", Millis(now));
            }
        }
        prop_assert!(is_normal(&mode, &["a"], now));
    }
}
