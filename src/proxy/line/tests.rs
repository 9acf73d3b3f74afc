use proptest::prelude::*;

use super::*;

/// Looks for one slot at most: until it is taken, and then for more of them.
const LOOKS_MAX: u32 = 2 * (1 + HANDS_MAX);

fn wants(who: u64, tokens: u64) -> Wants {
    Wants { who, tokens }
}

/// Lines with these waiting in one of them, numbered from 1.
fn line(waiting: &[Wants]) -> Lines<u64> {
    let mut lines = Lines::default();
    assert!((1..).zip(waiting).all(|(ticket, wants)| lines.join("p", ticket, *wants, ticket)));
    lines
}

#[test]
fn first_come_first_served_and_no_newcomer_overtakes() {
    let mut lines = line(&[wants(1, 10); 3]);
    assert!(lines.is_behind("p", wants(1, 10), 4) && !lines.is_behind("q", wants(1, 10), 4));
    assert_eq!([1, 2, 3].map(|ticket| lines.may_look("p", ticket)), [true, false, false]);
    assert_eq!(lines.firsts(), [1]);
    assert_eq!(lines.looked("p", 1, false), None, "the others want the same: they need not look");
    assert_eq!(lines.leave("p", 1, Some(5)), Some(2));
    assert_eq!(lines.leave("p", 3, None), None, "who leaves from the end wakes nobody");
    assert_eq!(lines.waiting(), 1);
    assert_eq!(lines.leave("p", 2, Some(6)), None);
    assert!(lines.lines.is_empty() && lines.waiting() == 0);
}

#[test]
fn who_comes_back_has_its_old_place() {
    let mut lines = line(&[wants(ANY, 10); 4]);
    lines.leave("p", 2, None);
    assert!(lines.is_behind("p", wants(ANY, 10), 2), "behind the first still");
    assert!(lines.join("p", 2, wants(ANY, 10), 2) && !lines.join("p", 2, wants(ANY, 10), 2));
    assert_eq!(lines.leave("p", 1, Some(0)), Some(2));
    assert!(!lines.is_behind("p", wants(ANY, 10), 1), "nobody else was there earlier");
}

#[test]
fn who_wants_something_else_is_handed_the_turn() {
    let mut lines = line(&[wants(1, 10), wants(1, 10), wants(2, 10)]);
    assert!(!lines.may_look("p", 2) && lines.may_look("p", 3));
    assert_eq!(lines.looked("p", 1, false), Some(3));
    assert!(!lines.is_behind("p", wants(3, 10), 4) && !lines.is_behind("p", wants(ANY, 10), 4));
}

#[test]
fn who_takes_any_account_is_not_passed_by_who_insists_on_one() {
    let mut lines = line(&[wants(ANY, 10)]);
    assert!(lines.is_behind("p", wants(3, 10), 2));
    lines.join("p", 2, wants(3, 10), 2);
    assert_eq!(lines.looked("p", 1, false), None);
    assert_eq!(lines.leave("p", 1, None), Some(2));
}

#[test]
fn a_large_request_is_passed_by_small_ones_but_not_for_ever() {
    let mut lines = line(&[wants(1, 1_000)]);
    assert!(lines.is_behind("p", wants(1, 10), 2), "it may want a slot alone, as the small one does");
    lines.looked("p", 1, true);
    assert!(lines.is_behind("p", wants(1, 500), 2) && !lines.is_behind("p", wants(1, 499), 2));
    for ticket in 2..=u64::from(OVERTAKEN_MAX) {
        lines.join("p", ticket, wants(1, 10), ticket);
        assert!(lines.may_look("p", ticket), "{ticket}");
        lines.leave("p", ticket, Some(0));
    }
    assert!(!lines.is_behind("p", wants(1, 10), 99));
    lines.overtook("p", 99, wants(1, 10));
    assert!(lines.is_behind("p", wants(1, 10), 100), "now it is its turn, also before newcomers that never waited");
}

#[test]
fn the_line_is_bounded_and_tells_how_it_moves() {
    let mut lines = line(&vec![wants(1, 1); WAITERS_MAX]);
    assert!(!lines.join("p", 99_999, wants(1, 1), 0));
    let requests = WAITERS_MAX as u64;
    assert_eq!(lines.ahead("p", None), Some(Ahead { requests, interval_ms: None }), "nobody was served yet");
    for ticket in 1..=11 {
        lines.leave("p", ticket, Some(ticket * 100));
    }
    let ahead = lines.ahead("p", Some(13)).unwrap();
    assert_eq!(ahead, Ahead { requests: requests - 12, interval_ms: Some(100) }, "without its own place");
    let last: Vec<_> = lines.joined_after("p", requests - 2).collect();
    assert_eq!(last, [(requests - 1, requests - 1, wants(1, 1)), (requests, requests, wants(1, 1))]);
    lines.join("p", 5, wants(1, 2), 5);
    assert_eq!(
        lines.joined_after("p", requests).collect::<Vec<_>>(),
        [(requests + 1, 5, wants(1, 2))],
        "it comes back"
    );
    assert_eq!(lines.ahead("q", None), None);
    let alone = line(&[wants(1, 1)]);
    assert_eq!(alone.ahead("p", Some(1)), None, "nobody but itself");
}

#[test]
fn the_turn_is_told_by_limits_and_by_slots_where_these_lack() {
    let ahead = Ahead { requests: 4, interval_ms: Some(100) };
    assert_eq!(ahead.turn(Some(1_200), false, 1_000), Some(1_200));
    assert_eq!(ahead.turn(Some(1_000), false, 1_000), Some(1_000), "at once");
    assert_eq!(ahead.turn(Some(1_200), true, 1_000), Some(1_500), "the fifth slot");
    assert_eq!(ahead.turn(Some(1_700), true, 1_000), Some(1_700), "the later of both");
    let unknown = Ahead { interval_ms: None, ..ahead };
    assert_eq!(unknown.turn(Some(1_000), true, 1_000), None, "there is room, but nobody knows of slots");
    assert_eq!(unknown.turn(Some(1_200), true, 1_000), Some(1_200));
}

#[test]
fn a_slot_wakes_the_first_of_some_lines_and_of_all_in_turn() {
    let mut lines = Lines::default();
    for ticket in 1..=200 {
        lines.join(&format!("p{ticket}"), ticket, wants(ANY, 1), ticket);
    }
    let mut woken = BTreeSet::new();
    for _ in 0..=200 / (LINES_MAX / 2) {
        let firsts = lines.firsts();
        assert!(firsts.len() <= LINES_MAX && firsts.contains(&1), "the oldest among them");
        woken.extend(firsts);
    }
    assert_eq!(woken.len(), 200);
}

/// What comes of one slot given back: who is served if `can` says who could use it, and how many looked.
fn release(lines: &mut Lines<u64>, can: impl Fn(u64) -> bool) -> (Option<u64>, u32) {
    let (mut turn, mut served, mut looks) = (lines.firsts().first().copied(), None, 0);
    while let Some(ticket) = turn {
        assert!(lines.may_look("p", ticket), "{ticket} was woken, so it may look");
        looks += 1;
        turn = if served.is_none() && can(ticket) {
            served = Some(ticket);
            lines.leave("p", ticket, Some(0))
        } else {
            lines.looked("p", ticket, false)
        };
    }
    (served, looks)
}

#[test]
fn many_who_have_tried_different_accounts_are_served_in_few_looks() {
    // Each is of its own kind, as those are that have tried accounts.
    let all = WAITERS_MAX as u64;
    let mut lines = line(&(1..=all).map(|who| wants(who, 10)).collect::<Vec<_>>());
    let mut looks = 0;
    for wanted in 1..=all {
        let (served, looked) = release(&mut lines, |_| true);
        assert_eq!(served, Some(wanted), "in their order");
        looks += looked;
    }
    assert!(looks <= (2 + HANDS_MAX) * WAITERS_MAX as u32, "{looks} looks");
    assert_eq!(lines.waiting(), 0);
}

#[test]
fn who_alone_can_use_a_slot_gets_it_wherever_it_stands() {
    let all = WAITERS_MAX as u64;
    let mut lines = line(&(1..=all).map(|who| wants(who, 10)).collect::<Vec<_>>());
    let in_window = (1..=all).filter(|ticket| lines.may_look("p", *ticket)).count();
    assert_eq!(in_window, WINDOW, "these alone look by themselves");
    let mut looks = 0;
    for (round, wanted) in [all, all / 2, 100, 3].into_iter().enumerate() {
        let most = all.div_ceil(u64::from(HANDS_MAX) + 1 - WINDOW as u64) + 1;
        let mut rounds = 0;
        loop {
            let (served, looked) = release(&mut lines, |ticket| ticket == wanted);
            looks += looked;
            rounds += 1;
            assert!(looked <= LOOKS_MAX, "{looked} looks for one slot");
            assert!(rounds <= most, "{wanted} has not looked in {rounds} rounds");
            if served == Some(wanted) {
                break;
            }
        }
        assert_eq!(lines.waiting(), WAITERS_MAX - 1 - round);
    }
    assert!(looks <= 4 * 3 * WAITERS_MAX as u32, "{looks} looks");
}

#[test]
fn behind_one_that_takes_any_account_nobody_is_searched_for() {
    let mut all = vec![wants(5, 10), wants(6, 10), wants(ANY, 10)];
    all.extend((100..1_100).map(|who| wants(who, 10)));
    let mut lines = line(&all);
    assert_eq!(release(&mut lines, |_| false), (None, 3));
    assert_eq!(lines.lookers(4), 0);
}

impl Lines<u64> {
    fn lookers(&self, from: u64) -> usize {
        self.lines["p"].lookers(from, usize::MAX).len()
    }
}

/// What the line must do, in its plainest form.
fn blocks(ahead: (u64, Wants, bool, u32), behind: Wants) -> bool {
    let (_, wants, short, overtaken) = ahead;
    let passes = short && overtaken < OVERTAKEN_MAX && behind.tokens < wants.tokens / 2;
    (wants.who == behind.who || wants.who == ANY) && !passes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever comes and goes: the first may always look, nobody is lost, leaving wakes somebody, and who may look is
    /// blocked by nobody ahead.
    #[test]
    fn lines_never_stall(steps in proptest::collection::vec((0u8..5, 0u64..4, 0u64..2000, 0usize..8), 1..200)) {
        let mut lines = Lines::default();
        let mut inside: Vec<(u64, Wants, bool, u32)> = Vec::new();
        for (ticket, (step, who, tokens, at)) in (1..).zip(steps) {
            if step < 2 {
                // Three kinds, and one that is each one's own.
                let wants = wants(if who == 3 { 1_000 + ticket } else { who }, tokens);
                let behind = inside.iter().any(|ahead| blocks(*ahead, wants));
                prop_assert_eq!(lines.is_behind("p", wants, ticket), behind);
                prop_assert!(lines.join("p", ticket, wants, ticket));
                inside.push((ticket, wants, false, 0));
                continue;
            }
            let free = |at: usize| !inside[..at].iter().any(|ahead| blocks(*ahead, inside[at].1));
            let may: Vec<usize> = (0..inside.len()).filter(|at| free(*at)).collect();
            for (place, at) in may.iter().enumerate() {
                let looks = lines.may_look("p", inside[*at].0);
                prop_assert!(looks || place >= WINDOW, "the first few may look");
            }
            for (at, (ticket, ..)) in inside.iter().enumerate() {
                prop_assert!(!lines.may_look("p", *ticket) || may.contains(&at), "nobody else may");
            }
            let Some(at) = may.get(at.min(may.len().saturating_sub(1))).copied() else { continue };
            let (ticket, wants, ..) = inside[at];
            let next = match step {
                2 => {
                    inside[at].2 = tokens % 2 == 0;
                    lines.looked("p", ticket, tokens % 2 == 0)
                }
                served => {
                    let next = lines.leave("p", ticket, (served == 3).then_some(0));
                    for ahead in inside[..at].iter_mut().filter(|ahead| served == 3 && ahead.2) {
                        ahead.3 += u32::from(ahead.1.who == ANY || ahead.1.who == wants.who);
                    }
                    inside.remove(at);
                    if at == 0 {
                        prop_assert_eq!(next, inside.first().map(|first| first.0), "the new first");
                    }
                    next
                }
            };
            if let Some(next) = next {
                prop_assert!(next != ticket && inside.iter().any(|one| one.0 == next));
                prop_assert!(lines.may_look("p", next));
            }
            prop_assert_eq!(lines.waiting(), inside.len());
        }
    }

    /// Each slot that is given back serves the first that can use it among those that may look, if that is in the window;
    /// and if any can, it is served within some slots.
    #[test]
    fn every_slot_finds_who_can_use_it(
        kinds in proptest::collection::vec((0u64..6, 1u64..4), 1..60),
        free in 0u64..4,
    ) {
        // Kind 0 takes any account, 1 and 2 are bound to one, the others have tried some. `needs`: what it can use.
        let all: Vec<(Wants, u64)> = (1..).zip(&kinds).map(|(own, (kind, needs))| {
            (wants(if *kind > 2 { 1_000 + own } else { *kind }, 10), *needs)
        }).collect();
        let mut lines = line(&all.iter().map(|(wants, _)| *wants).collect::<Vec<_>>());
        let can = |ticket: u64| all[ticket as usize - 1].1 == free;
        let mut idle = 0;
        while lines.waiting() > 0 && idle <= 2 * kinds.len() {
            let may: Vec<u64> = (1..=all.len() as u64).filter(|ticket| lines.may_look("p", *ticket)).collect();
            let first = may.iter().copied().find(|ticket| can(*ticket));
            let (served, looks) = release(&mut lines, can);
            prop_assert!(looks <= LOOKS_MAX);
            prop_assert!(first.is_none() || served == first);
            idle = if served.is_some() { 0 } else { idle + 1 };
        }
        // Who is left cannot use it, or stands behind who cannot.
        let left: Vec<u64> = lines.joined_after("p", 0).map(|(_, ticket, _)| ticket).collect();
        for (at, ticket) in left.iter().enumerate() {
            let own = all[*ticket as usize - 1].0;
            let blocked = left[..at].iter().any(|ahead| blocks((0, all[*ahead as usize - 1].0, false, 0), own));
            prop_assert!(blocked || !can(*ticket), "{} could be served", ticket);
        }
    }
}
