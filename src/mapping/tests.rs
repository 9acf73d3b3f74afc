use proptest::prelude::*;

use super::*;

const DAY: u64 = 24 * 60 * 60 * 1000;
const START: Millis = Millis(1_760_000_000_000);

fn names(mappings: &Mappings) -> Vec<(&str, &str)> {
    mappings.alive().collect()
}

#[test]
fn the_last_written_wins_also_against_a_clock_that_is_ahead() {
    let (mut a, mut b) = (Mappings::default(), Mappings::default());
    a.set("fast", "gpt-5-mini", START.plus(3 * 3_600_000)).unwrap();
    b.merge(&a);
    b.set("fast", "gemini-2.5-flash", START).unwrap();
    a.merge(&b);
    assert_eq!(names(&a), [("fast", "gemini-2.5-flash")], "b had seen what a wrote");
    assert!(b.remove("fast", START) && !b.remove("fast", START));
    a.merge(&b);
    assert!(names(&a).is_empty() && a.entries["fast"].deleted);
}

#[test]
fn what_is_no_name_is_refused_with_what_is_wrong() {
    let mut all = Mappings::default();
    for (name, target) in [("", "x"), ("a b", "x"), ("a", ""), ("a", "b c"), ("a", "{1}"), ("a*", "b*"), ("a", "x\n")] {
        assert!(all.set(name, target, START).is_err(), "{name:?} {target:?}");
    }
    all.set("claude-*", "anthropic/claude-{1}", START).unwrap();
    let long = "x".repeat(MODEL_BYTES_MAX + 1);
    assert!(all.set(&long, "x", START).is_err() && all.set("x", &long, START).is_err());
    for n in 1..ENTRIES_MAX {
        all.set(&format!("m{n}"), "x", START).unwrap();
    }
    assert_eq!(all.set("one-more", "x", START), Err(MappingError::Full));
    all.set("m1", "y", START).unwrap();
}

#[test]
fn an_entry_from_the_far_future_waits_until_its_time() {
    let mut far = Mappings::default();
    far.set("far", "x", START.plus(2 * DAY)).unwrap();
    far.set("near", "x", START.plus(DAY / 2)).unwrap();
    let (taken, early) = far.clone().checked(START).unwrap();
    assert_eq!((names(&taken), early), (vec![("near", "x")], vec!["far".to_owned()]));
    assert_eq!(far.checked(START.plus(DAY)).unwrap().1, Vec::<String>::new());
}

#[test]
fn a_tombstone_is_kept_for_thirty_days_and_until_the_other_has_it() {
    let mut one = Replica::default();
    one.mappings.set("old", "x", START).unwrap();
    one.mappings.remove("old", START);
    assert!(one.clone().collect(START.plus(29 * DAY), false).is_empty());
    assert!(one.clone().collect(START.plus(31 * DAY), true).is_empty(), "the other has not heard of it");
    assert_eq!(one.clone().collect(START.plus(31 * DAY), false), ["old"]);
    let told = one.mappings.clone();
    one.met(&told);
    assert_eq!(one.collect(START.plus(31 * DAY), true), ["old"]);
}

#[test]
fn what_was_removed_and_collected_while_a_gateway_was_away_does_not_come_back() {
    let (mut hub, mut spoke) = (Replica::default(), Replica::default());
    hub.mappings.set("gone", "x", START).unwrap();
    hub.mappings.set("kept", "x", START).unwrap();
    meet(&mut spoke, &mut hub);
    spoke.mappings.set("own", "y", START.plus(DAY)).unwrap();
    hub.mappings.remove("gone", START.plus(DAY));
    hub.collect(START.plus(60 * DAY), false);
    meet(&mut spoke, &mut hub);
    assert_eq!(names(&hub.mappings), [("kept", "x"), ("own", "y")]);
    assert_eq!(hub.mappings, spoke.mappings);
}

/// One meeting, as the sync has it.
fn meet(spoke: &mut Replica, hub: &mut Replica) {
    spoke.hear(&hub.mappings);
    hub.mappings.merge(&spoke.mappings);
    spoke.met(&hub.mappings);
}

fn entry() -> impl Strategy<Value = Entry> {
    (0u64..6, 0usize..3, any::<bool>()).prop_map(|(updated_at, target, deleted)| Entry {
        updated_at,
        target: ["x", "y", "z"][target].to_owned(),
        deleted,
    })
}

fn mappings() -> impl Strategy<Value = Mappings> {
    proptest::collection::btree_map("[abc]", entry(), 0..4).prop_map(|entries| Mappings { entries })
}

/// What happens among a hub and its spokes.
#[derive(Clone, Debug)]
enum Step {
    Set {
        at: usize,
        name: usize,
        target: usize,
    },
    Remove {
        at: usize,
        name: usize,
    },
    Meet {
        spoke: usize,
    },
    /// All spokes but one stay away while days pass, and everybody collects.
    Days(u64),
    Collect {
        at: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0usize..4, 0usize..3, 0usize..3).prop_map(|(at, name, target)| Step::Set { at, name, target }),
        2 => (0usize..4, 0usize..3).prop_map(|(at, name)| Step::Remove { at, name }),
        4 => (1usize..4).prop_map(|spoke| Step::Meet { spoke }),
        1 => (1u64..50).prop_map(Step::Days),
        2 => (0usize..4).prop_map(|at| Step::Collect { at }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_order_of_merges_converges(all in proptest::collection::vec(mappings(), 1..6), seed in any::<u64>()) {
        let mut forward = Mappings::default();
        for one in &all {
            forward.merge(one);
        }
        let mut order: Vec<usize> = (0..all.len() * 2).map(|n| n % all.len()).collect();
        let mut state = seed;
        for i in (1..order.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            order.swap(i, (state >> 33) as usize % (i + 1));
        }
        // In any order, any of them twice, and by way of others.
        let mut any = Mappings::default();
        for pair in order.chunks(2) {
            let mut between = all[pair[0]].clone();
            for index in pair {
                between.merge(&all[*index]);
            }
            any.merge(&between);
        }
        prop_assert_eq!(&any, &forward);
        let same = forward.clone();
        prop_assert!(!forward.merge(&same), "to merge again changes nothing");
    }

    /// Node 0 is the hub. Clocks are hours apart. After all have met twice, all have the same, and what was removed last is
    /// nowhere.
    #[test]
    fn gateways_converge_through_partitions_and_skew_and_removed_names_stay_away(steps in proptest::collection::vec(step(), 1..60)) {
        const NAMES: [&str; 3] = ["a", "b", "c"];
        let skews = [0u64, 5 * 3_600_000, 11 * 3_600_000, 3_600_000];
        let mut nodes: Vec<Replica> = vec![Replica::default(); 4];
        let mut now = START;
        let clock = |now: Millis, at: usize| now.plus(skews[at]);
        for step in steps {
            now = now.plus(60_000);
            match step {
                Step::Set { at, name, target } => nodes[at].mappings.set(NAMES[name], ["x", "y", "z"][target], clock(now, at)).unwrap(),
                Step::Remove { at, name } => drop(nodes[at].mappings.remove(NAMES[name], clock(now, at))),
                Step::Meet { spoke } => {
                    let (hub, spokes) = nodes.split_at_mut(1);
                    meet(&mut spokes[spoke - 1], &mut hub[0]);
                }
                Step::Days(days) => now = now.plus(days * DAY),
                Step::Collect { at } => drop(nodes[at].collect(clock(now, at), at > 0)),
            }
        }
        let settle = |nodes: &mut [Replica]| {
            for _ in 0..2 {
                let (hub, spokes) = nodes.split_at_mut(1);
                for spoke in spokes {
                    meet(spoke, &mut hub[0]);
                }
            }
        };
        settle(&mut nodes);
        for node in &nodes[1..] {
            prop_assert_eq!(&node.mappings, &nodes[0].mappings);
        }
        // One removes all names; whoever was away, and whoever has collected, nothing comes back.
        for name in NAMES {
            nodes[1].mappings.remove(name, clock(now, 1));
        }
        {
            let (hub, spokes) = nodes.split_at_mut(1);
            meet(&mut spokes[0], &mut hub[0]);
        }
        now = now.plus(90 * DAY);
        nodes[0].collect(now, false);
        nodes[1].collect(clock(now, 1), true);
        settle(&mut nodes);
        for node in &nodes {
            prop_assert_eq!(names(&node.mappings), Vec::<(&str, &str)>::new());
        }
    }
}
