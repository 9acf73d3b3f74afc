use super::*;
use crate::config::Family;
use crate::limits::cooldown::Standing;
use crate::pool::{AccountSpec, Settings};
use crate::routing::Pattern;

const START: Millis = Millis(1_760_000_000_000);
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

struct World {
    registry: Registry,
    quotas: Quotas,
    families: Vec<Family>,
    protected: Vec<Pattern>,
}

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::parse(text).unwrap()).collect()
}

/// Accounts `a` and `b` share a project, `c` is alone.
fn world(protected: &[&str]) -> World {
    let spec = |id: &&str| AccountSpec {
        id: (*id).to_owned(),
        upstream: "u".to_owned(),
        tier: 0,
        concurrency: 3,
        enabled: true,
        limits: crate::limits::pace::Known::default(),
        project: None,
    };
    let usual = crate::limits::cooldown::Settings::default();
    let cooldown = crate::limits::cooldown::Settings { jitter_permille: 0, lock_ms_max: 5 * HOUR, ..usual };
    let settings = Settings { cooldown, ..Settings::default() };
    let registry = Registry::new(settings);
    registry.reconcile(&["a", "b", "c"].iter().map(spec).collect::<Vec<_>>(), settings);
    let quotas = Quotas::default();
    for (id, group) in [("a", Some("p")), ("b", Some("p")), ("c", None)] {
        let entry = Entry {
            group: group.map(str::to_owned),
            schedule: Some(Schedule::first(id, 3, START)),
            ..Entry::default()
        };
        quotas.accounts.lock().insert(id.to_owned(), entry);
    }
    let families = vec![Family { name: "flash".to_owned(), models: patterns(&["gemini-*-flash*"]) }];
    World { registry, quotas, families, protected: patterns(protected) }
}

impl World {
    fn rules(&self) -> Rules<'_> {
        Rules {
            families: &self.families,
            protected: &self.protected,
            below_percent: 10,
            exhausted_ms: 10 * MINUTE,
            protected_ms: 22 * MINUTE,
            lock_ms_max: 5 * HOUR,
            shares_projects: true,
        }
    }

    fn poll(&self, account: &str, model: &str, left: f64, read: Millis) {
        let reading = Reading { left, reset: Some(START.plus(4 * HOUR)), source: Source::Poll, read };
        self.quotas.told(&self.registry, &self.rules(), account, &[(model, reading)], read.plus(100));
    }

    fn refuse(&self, account: &str, model: &str, at: Millis) {
        self.quotas.refused(&self.registry, &self.rules(), account, model, None, at);
    }

    fn rests(&self, account: &str, family: &str, now: Millis) -> Option<(Reason, Millis)> {
        lock(&self.registry, account, family, now).map(|lock| (lock.reason, lock.until))
    }
}

#[test]
fn a_protected_family_rests_until_the_reset_and_no_other_does() {
    let world = world(&["gemini-2.5-flash"]);
    world.poll("a", "gemini-2.5-flash", 0.09, START);
    let until = START.plus(4 * HOUR);
    assert_eq!(world.rests("a", "flash", START.plus(200)), Some((Reason::QuotaProtected, until)));
    assert_eq!(world.rests("b", "flash", START.plus(200)), Some((Reason::QuotaProtected, until)), "one project");
    assert_eq!(world.rests("c", "flash", START.plus(200)), None);
    world.poll("c", "gemini-2.5-pro", 0.01, START);
    assert_eq!(world.rests("c", "gemini-2.5-pro", START.plus(200)), None, "it is not protected");
    world.poll("c", "gemini-2.5-flash", 0.10, START);
    assert_eq!(world.rests("c", "flash", START.plus(200)), None, "the threshold itself is enough");
    assert_eq!(world.rests("a", "flash", until), None, "every lock ends");
}

#[test]
fn what_is_kept_back_is_not_probed() {
    let world = world(&["m"]);
    world.poll("c", "m", 0.05, START);
    let lock = world.registry.get("c").unwrap().cooldowns(START.plus(200)).pop().unwrap().1;
    assert_eq!((lock.reason, lock.probe_at), (Reason::QuotaProtected, None));
    world.refuse("c", "n", START.plus(300));
    let locks = world.registry.get("c").unwrap().cooldowns(START.plus(300));
    assert!(locks.iter().any(|(family, lock)| family.as_deref() == Some("n") && lock.probe_at.is_some()));
}

#[test]
fn lessons_13_a_refusal_outranks_a_number_that_was_asked_for_before_it() {
    let world = world(&[]);
    world.poll("c", "m", 0.8, START);
    world.refuse("c", "m", START.plus(1000));
    let until = START.plus(4 * HOUR);
    assert_eq!(world.rests("c", "m", START.plus(1000)), Some((Reason::QuotaExhausted, until)), "until the known reset");
    // Asked before the refusal, answered after it.
    world.poll("c", "m", 0.8, START.plus(950));
    assert_eq!(world.rests("c", "m", START.plus(2000)), Some((Reason::QuotaExhausted, until)));
    world.poll("c", "m", 0.8, START.plus(1001));
    assert_eq!(world.rests("c", "m", START.plus(2000)), None, "asked after it: fresh evidence");
}

#[test]
fn lessons_16_a_refusal_of_one_model_stops_its_family_and_its_project() {
    let world = world(&[]);
    world.refuse("a", "gemini-2.5-flash", START);
    for account in ["a", "b"] {
        assert_eq!(world.rests(account, "flash", START), Some((Reason::QuotaExhausted, START.plus(10 * MINUTE))));
    }
    assert_eq!(world.rests("c", "flash", START), None);
    let alone = Rules { shares_projects: false, ..world.rules() };
    world.quotas.refused(&world.registry, &alone, "a", "other", None, START);
    assert!(world.rests("a", "other", START).is_some() && world.rests("b", "other", START).is_none());
}

#[test]
fn a_lock_that_a_success_took_back_is_not_set_again_by_the_same_number() {
    let world = world(&[]);
    world.poll("c", "m", 0.0, START);
    assert!(world.rests("c", "m", START.plus(200)).is_some());
    world.registry.clear("c", Some("m"));
    world.poll("c", "m", 0.0, START.plus(15 * MINUTE));
    assert_eq!(world.rests("c", "m", START.plus(16 * MINUTE)), None);
    world.refuse("c", "m", START.plus(17 * MINUTE));
    assert!(world.rests("c", "m", START.plus(17 * MINUTE)).is_some(), "a refusal is news");
}

#[test]
fn of_one_answer_the_least_counts_for_the_family() {
    let world = world(&["gemini-*"]);
    let reading = |left| Reading { left, reset: None, source: Source::Poll, read: START };
    let told = [("gemini-2.5-flash", reading(0.9)), ("gemini-2.5-flash-lite", reading(0.05)), ("x", reading(0.0))];
    world.quotas.told(&world.registry, &world.rules(), "c", &told, START);
    assert_eq!(world.rests("c", "flash", START), Some((Reason::QuotaProtected, START.plus(22 * MINUTE))));
    assert_eq!(world.quotas.left(&world.rules(), "c", "gemini-2.5-flash", START), Some(0.05));
    assert_eq!(world.rests("c", "x", START), Some((Reason::QuotaExhausted, START.plus(10 * MINUTE))));
}

#[test]
fn locks_of_other_reasons_are_left_alone() {
    let world = world(&[]);
    world.registry.cool("c", Some("m"), MINUTE, Reason::RateLimit, START);
    world.poll("c", "m", 1.0, START.plus(10));
    let locks = world.registry.get("c").unwrap().cooldowns(START.plus(200));
    assert_eq!(locks.len(), 1, "a limit of the minute says nothing of the quota, nor the quota of it");
}

#[test]
fn one_of_a_project_is_asked_and_failures_come_ever_more_rarely() {
    let world = world(&[]);
    let now = START.plus(10_000);
    assert_eq!(world.quotas.begin(now, true, 9), ["a", "c"]);
    assert_eq!(world.quotas.begin(now, false, 9), ["b"], "those under way are not asked again");
    let mut schedule = Schedule::first("a", 1, START);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        schedule.failed("a", 15 * MINUTE, "down".to_owned(), START);
        pauses.push(schedule.due.since(START));
    }
    assert!(pauses[0] >= 5 * MINUTE && pauses.windows(2).take(4).all(|two| two[1] > two[0] * 3 / 2), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= 2 * HOUR + 12 * MINUTE), "{pauses:?}");
    schedule.answered("a", MINUTE, START);
    assert!((5 * MINUTE..6 * MINUTE).contains(&schedule.due.since(START)), "never within five minutes");
}

#[test]
fn what_the_store_kept_comes_back_unless_it_is_over() {
    let world = world(&[]);
    world.poll("c", "m", 0.4, START);
    let stored = world.quotas.export(START.plus(MINUTE));
    assert_eq!(stored.len(), 1);
    let text = serde_json::to_string(&stored).unwrap();
    let stored: Vec<StoredQuota> = serde_json::from_str(&text).unwrap();
    let left = |now: Millis| {
        let world = self::world(&[]);
        world.quotas.import(&world.registry, &stored, now);
        world.quotas.left(&world.rules(), "c", "m", now)
    };
    assert_eq!(left(START.plus(HOUR)), Some(0.4));
    assert_eq!(left(START.plus(4 * HOUR)), None, "renewed");
    assert_eq!(left(Millis(START.0 - 1)), None, "from the future");
}

/// What headers tell: of the account, and of the family.
fn told(account: Option<f64>, family: f64) -> Told {
    let left = |left| told::Left { left, reset: Some(START.plus(HOUR)) };
    Told { account: account.map(left), family: Some(left(family)) }
}

#[test]
fn a_fresher_header_outranks_a_poll_and_a_refusal_an_older_header() {
    let world = world(&["m"]);
    let answered = |left: f64, sent: Millis| {
        world.quotas.answered(&world.registry, &world.rules(), ("c", "m"), told(None, left), sent, sent.plus(100));
    };
    world.poll("c", "m", 0.8, START);
    answered(0.05, START.plus(10));
    let rests = |now| world.rests("c", "m", now).map(|(reason, _)| reason);
    assert_eq!(rests(START.plus(200)), Some(Reason::QuotaProtected), "at once, not at the next poll");
    world.poll("c", "m", 0.8, START.plus(5));
    assert_eq!(rests(START.plus(200)), Some(Reason::QuotaProtected), "asked before");
    world.refuse("c", "m", START.plus(50));
    answered(0.9, START.plus(40));
    assert_eq!(rests(START.plus(200)), Some(Reason::QuotaExhausted), "sent before the refusal");
    answered(0.9, START.plus(60));
    assert_eq!(rests(START.plus(200)), None);
}

#[test]
fn what_all_models_share_is_told_of_those_that_were_not_asked() {
    let world = world(&["big"]);
    let answered = |model: &str, told: Told, sent: Millis| {
        world.quotas.answered(&world.registry, &world.rules(), ("c", model), told, sent, sent);
    };
    let left = |model: &str| world.quotas.left(&world.rules(), "c", model, START.plus(1000));
    answered("big", told(Some(0.5), 0.2), START);
    answered("small", told(Some(0.4), 0.4), START.plus(1));
    assert_eq!((left("big"), left("small")), (Some(0.2), Some(0.4)), "its own window has less");
    answered("small", told(Some(0.05), 0.05), START.plus(2));
    assert_eq!(left("big"), Some(0.05));
    assert_eq!(world.rests("big", "big", START.plus(1000)), None);
    assert_eq!(world.rests("c", "big", START.plus(1000)).map(|(reason, _)| reason), Some(Reason::QuotaProtected));
    answered("small", told(Some(0.9), 0.9), START.plus(3));
    assert_eq!((left("big"), world.rests("c", "big", START.plus(1000))), (Some(0.9), None), "renewed early");
    let text = serde_json::to_string(&world.quotas.export(START.plus(4))).unwrap();
    assert_eq!(text.matches("\"shared\":true").count(), 2, "{text}");
}

#[test]
fn a_limit_that_was_refused_is_doubted_when_a_later_poll_says_that_there_is_quota() {
    let world = world(&[]);
    world.registry.cool("c", Some("m"), 10 * MINUTE, Reason::RateLimit, START);
    let probe = |now| world.registry.get("c").unwrap().standing("m", now);
    let at = START.plus(200);
    world.poll("c", "m", 0.8, Millis(START.0 - 1));
    assert!(matches!(probe(at), Standing::Closed { .. }), "asked before");
    world.poll("c", "m", 0.8, START.plus(1));
    assert!(matches!(probe(at), Standing::Probe { .. }));
}

/// The account that is taken for a model.
fn first(world: &World, model: &str, now: Millis) -> String {
    let attempted = crate::pool::Attempted::default();
    let ask = crate::pool::Ask {
        upstreams: &["u"],
        family: model,
        attempted: &attempted,
        bound: None,
        required: None,
        eligible: None,
        cost: crate::limits::Cost::default(),
    };
    crate::pool::select(&world.registry, &ask, now).unwrap().account_id().to_owned()
}

#[test]
fn who_has_more_left_is_taken_first_until_the_quota_is_renewed() {
    let world = world(&[]);
    let answered = |account: &str, told: Told| {
        world.quotas.answered(&world.registry, &world.rules(), (account, "m"), told, START, START);
    };
    world.poll("a", "m", 0.2, START);
    answered("c", told(Some(0.55), 0.55));
    let soon = START.plus(200);
    assert_eq!([first(&world, "m", soon), first(&world, "m", soon)], ["c", "c"], "a and b share a project");
    assert_ne!(first(&world, "other", soon), "c", "of another model a poll says nothing, what models share does");
    let stored = world.quotas.export(soon);
    let again = self::world(&[]);
    again.quotas.import(&again.registry, &stored, soon);
    assert_eq!([first(&again, "m", soon), first(&again, "m", soon)], ["c", "c"], "after a restart");
    // In an hour that of `c` is renewed, in four hours that of the project.
    world.quotas.renew(&world.registry, START.plus(HOUR));
    assert_eq!(first(&world, "m", START.plus(HOUR)), "c");
    world.quotas.renew(&world.registry, START.plus(4 * HOUR));
    let taken: std::collections::BTreeSet<_> = (0..3).map(|_| first(&world, "m", START.plus(4 * HOUR))).collect();
    assert_eq!(taken.len(), 3, "in turn");
}

#[test]
fn readings_wait_for_an_account_that_is_away() {
    let world = world(&[]);
    world.poll("c", "m", 0.4, START);
    let stored = world.quotas.export(START.plus(MINUTE));
    let away = self::world(&[]);
    away.quotas.accounts.lock().remove("c");
    away.quotas.import(&away.registry, &stored, START.plus(MINUTE));
    assert_eq!(away.quotas.left(&away.rules(), "c", "m", START.plus(MINUTE)), None);
    assert_eq!(away.quotas.export(START.plus(MINUTE)), stored, "it is not forgotten meanwhile");
    assert_eq!(away.quotas.export(START.plus(4 * HOUR)), [], "until it is over");
}

#[test]
fn families_are_bounded() {
    let world = world(&[]);
    for number in 0..(FAMILIES_MAX as u64 + 20) {
        world.refuse("c", &format!("m{number}"), START.plus(number));
    }
    assert_eq!(world.quotas.accounts.lock()["c"].families.len(), FAMILIES_MAX);
}

proptest::proptest! {
    /// Whatever comes in whatever order: what counts is the latest, and a lock of ours ends.
    #[test]
    fn the_latest_evidence_counts(events in proptest::collection::vec((0u64..100, 0u8..3, 0u8..=10), 1..40)) {
        let world = world(&["m"]);
        let mut latest: Option<(u64, Source)> = None;
        let mut left = 0.0;
        for (at, kind, tenths) in events {
            let read = START.plus(at);
            let (source, told) = match kind {
                0 => (Source::Poll, f64::from(tenths) / 10.0),
                1 => (Source::Header, f64::from(tenths) / 10.0),
                _ => (Source::Refusal, 0.0),
            };
            let reading = Reading { left: told, reset: Some(START.plus(HOUR)), source, read };
            world.quotas.told(&world.registry, &world.rules(), "c", &[("m", reading)], START.plus(200));
            if latest.is_none_or(|latest| (at, source) >= latest) {
                (latest, left) = (Some((at, source)), told);
            }
            proptest::prop_assert_eq!(world.quotas.left(&world.rules(), "c", "m", START.plus(200)), Some(left));
            if left >= 0.1 {
                proptest::prop_assert_eq!(world.rests("c", "m", START.plus(200)), None);
            }
            proptest::prop_assert_eq!(world.rests("c", "m", START.plus(HOUR)), None);
        }
    }
}
