use interlingua_filters::Dialect;
use interlingua_filters::custody::{Custody as _, Keepsake, Recorder};
use interlingua_filters::ir::stream::{BlockStart, Delta};
use interlingua_filters::ir::{Event, Signature, ToolUseKind};
use interlingua_filters::json::Str;
use proptest::prelude::*;

use super::{Keeper, Settings};
use crate::pool::Millis;

const SETTINGS: Settings = Settings { enabled: true, entries_max: 100, bytes_max: 100_000, ttl_ms: 1_000 };

/// A keepsake of one sealed call.
fn kept(call: &str, seal: &str) -> Vec<(String, Keepsake)> {
    let mut recorder = Recorder::new(Dialect::Gemini).unwrap();
    let block = BlockStart::ToolUse { id: call.into(), name: "tool".into(), kind: ToolUseKind::Function };
    recorder.see(&Event::BlockStart { index: 0, choice: 0, block });
    let signature = Signature { issuer: Dialect::Gemini, value: Str::from(seal) };
    recorder.see(&Event::Delta { index: 0, delta: Delta::Signature(signature) });
    recorder.into_keepsakes()
}

fn one(call: &str, seal: &str) -> Keepsake {
    kept(call, seal).pop().unwrap().1
}

#[test]
fn wire_149_a_keepsake_is_found_by_client_conversation_and_call() {
    let keeper = Keeper::new(SETTINGS);
    assert_eq!(keeper.keep("a", Some(1), kept("call_1", "first"), Millis(0)), 1);
    keeper.keep("a", Some(2), kept("call_1", "second"), Millis(1));
    let find = |client, session, call| keeper.find(client, session, call, Millis(2)).map(|found| (*found).clone());
    assert_eq!(find("a", Some(1), "call_1"), Some(one("call_1", "first")));
    assert_eq!(find("a", Some(2), "call_1"), Some(one("call_1", "second")));
    assert_eq!(find("a", Some(3), "call_1"), Some(one("call_1", "second")), "the conversation's name may change");
    assert_eq!(find("a", None, "call_1"), Some(one("call_1", "second")));
    assert_eq!(find("b", Some(1), "call_1"), None, "clients never meet");
    assert_eq!(find("a", Some(1), "call_2"), None);
    assert!(keeper.of("a", Some(1), Millis(2)).keepsake("call_1").is_some());
}

#[test]
fn what_is_not_used_is_forgotten() {
    let keeper = Keeper::new(SETTINGS);
    keeper.keep("a", None, kept("call_1", "seal"), Millis(0));
    assert!(keeper.find("a", None, "call_1", Millis(1_000)).is_some());
    assert!(keeper.find("a", None, "call_1", Millis(2_000)).is_some(), "a conversation that goes on keeps it");
    assert!(keeper.find("a", None, "call_1", Millis(3_001)).is_none());
    assert_eq!(keeper.size(), (0, 0));
}

#[test]
fn it_is_bounded_in_entries_and_bytes() {
    let keeper = Keeper::new(Settings { entries_max: 2, ..SETTINGS });
    for n in 0..5 {
        keeper.keep("a", None, kept(&format!("call_{n}"), "seal"), Millis(n));
    }
    let there = |n: u64| keeper.find("a", None, &format!("call_{n}"), Millis(5)).is_some();
    assert_eq!([0, 2, 3, 4].map(there), [false, false, true, true]);
    let keeper = Keeper::new(Settings { bytes_max: 10_000, ..SETTINGS });
    for n in 0..50 {
        keeper.keep("a", None, kept(&format!("call_{n}"), &"s".repeat(3_000)), Millis(n));
        assert!(keeper.size().1 <= 10_000);
    }
    assert!(keeper.size().0 > 1 && keeper.find("a", None, "call_49", Millis(50)).is_some());
    keeper.keep("a", None, kept("large", &"s".repeat(20_000)), Millis(51));
    assert_eq!(keeper.size(), (0, 0), "one that is larger than everything is not kept");
}

#[test]
fn a_reload_shrinks_and_the_switch_empties() {
    let keeper = Keeper::new(SETTINGS);
    for n in 0..10 {
        keeper.keep("a", None, kept(&format!("call_{n}"), "seal"), Millis(n));
    }
    keeper.configure(Settings { entries_max: 3, ..SETTINGS });
    assert_eq!(keeper.size().0, 3);
    assert!(keeper.find("a", None, "call_9", Millis(10)).is_some());
    keeper.configure(Settings { enabled: false, ..SETTINGS });
    assert_eq!(keeper.size(), (0, 0));
    assert_eq!(keeper.keep("a", None, kept("call_1", "seal"), Millis(11)), 0);
    assert!(keeper.find("a", None, "call_1", Millis(11)).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_books_are_right_after_any_use(
        ops in proptest::collection::vec((0u8..3, 0u8..3, 0u8..12, 0usize..900, 0u64..400), 1..200),
    ) {
        let settings = Settings { entries_max: 8, bytes_max: 4_000, ..SETTINGS };
        let (keeper, mut now) = (Keeper::new(settings), 0);
        for (op, session, call, size, step) in ops {
            now += step;
            let (session, call) = (Some(u128::from(session)), format!("call_{call}"));
            if op == 0 {
                keeper.find("a", session, &call, Millis(now));
            } else {
                keeper.keep("a", session, kept(&call, &"s".repeat(size + 1)), Millis(now));
            }
            let (len, bytes) = keeper.size();
            prop_assert!(len <= 8 && bytes <= 4_000 && (len == 0) == (bytes == 0), "{} {}", len, bytes);
        }
    }
}
