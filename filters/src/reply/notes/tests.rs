use proptest::prelude::*;

use super::*;
use crate::Dialect;
use crate::ir::stream::Guard;
use crate::ir::{Choice, ToolUse};
use crate::json::Extra;
use crate::reply::{Collector, expand};

fn notes() -> ReplyNotes {
    ReplyNotes {
        tool_names: vec![
            ("short_1".to_owned(), "a.very.long/name".to_owned()),
            ("patch".to_owned(), "apply.patch".to_owned()),
        ],
        wrapped_custom: vec!["patch".to_owned()],
        json_tool: Some("json_answer".to_owned()),
        shell_commands: vec!["sh_1".to_owned()],
    }
}

fn call(name: &str, input: &str) -> Block<'static> {
    let (id, name, input) = (Str::from("call_1"), Str::from(name.to_owned()), Str::from(input.to_owned()));
    Block::new(BlockKind::ToolUse(ToolUse { id, name, input, kind: ToolUseKind::Function }))
}

fn answer(blocks: Vec<Block<'static>>) -> Response<'static> {
    let choice = Choice {
        index: 0,
        blocks,
        stop: StopReason::ToolUse,
        stop_raw: None,
        stop_sequence: None,
        extra: Extra::default(),
        form: 0,
    };
    Response {
        origin: Dialect::Gemini,
        id: None,
        model: None,
        created: None,
        choices: vec![choice],
        usage: None,
        extra: Extra::default(),
    }
}

/// The answer undone as a whole, and as events with inputs in pieces of `size` characters.
fn undone(blocks: Vec<Block<'static>>, size: usize) -> (String, String) {
    let mut whole = answer(blocks);
    let mut undo = Undo::new(notes());
    let mut collector = Collector::new(Dialect::Gemini);
    let mut guard = Guard::default();
    let mut sink = |event: Event<'_>| collector.push(event).unwrap();
    expand(&whole, &mut |event| match event {
        Event::Delta { index, delta: Delta::Input(text) } => {
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(size.max(1)) {
                let delta = Delta::Input(Str::from(piece.iter().collect::<String>()));
                undo.push(Event::Delta { index, delta }, &mut |event| guard.push(event, &mut sink));
            }
        }
        other => undo.push(other, &mut |event| guard.push(event, &mut sink)),
    });
    Undo::new(notes()).response(&mut whole);
    (format!("{:?}", whole.choices), format!("{:?}", collector.into_response().choices))
}

#[test]
fn wire_057_tool_names_come_back() {
    let (whole, events) = undone(vec![call("short_1", "{}"), call("other", "{\"input\":\"x\"}")], 3);
    assert_eq!(whole, events);
    assert!(whole.contains("a.very.long/name") && whole.contains("{\\\"input\\\":\\\"x\\\"}"), "{whole}");
}

#[test]
fn wire_054_wrapped_custom_tools_are_unwrapped() {
    for (wrapped, plain) in [
        (r#"{"input":"*** Begin\n\ud83d\ude00\u00e9\"\\\/"}"#, "*** Begin\n\u{1F600}\u{e9}\"\\/"),
        (r#" { "input" : "a" } "#, "a"),
        (r#"{"note":1,"input":"b"}"#, "b"),
        (r#"{"input":"cut off \u00"#, "cut off "),
        (r#"{"input":""}"#, ""),
        (r#"{"other":1}"#, r#"{"other":1}"#),
        ("not json", "not json"),
        (r#"{"input":5}"#, r#"{"input":5}"#),
        (r#"{"input":"\ud83dx"}"#, "\u{FFFD}x"),
        (r#"{"input":"\u00é0z"}"#, "\u{FFFD}0z"),
    ] {
        for size in 1..8 {
            let (whole, events) = undone(vec![call("patch", wrapped)], size);
            assert_eq!(whole, events);
            let expected = format!("input: {plain:?}, kind: Custom");
            assert!(whole.contains(&expected), "{wrapped} gave {whole}");
            assert!(whole.contains("apply.patch"));
        }
    }
}

#[test]
fn shell_commands_become_lists() {
    for size in 1..8 {
        let (whole, events) =
            undone(vec![call("sh_1", r#"{"command":"ls -la"}"#), call("other", r#"{"command":"ls"}"#)], size);
        assert_eq!(whole, events);
        assert!(whole.contains(r#"{\"command\":[\"bash\",\"-lc\",\"ls -la\"]}"#), "{whole}");
        assert!(whole.contains(r#"{\"command\":\"ls\"}"#), "{whole}");
    }
}

#[test]
fn wire_113_the_forced_call_becomes_the_answers_text() {
    let (whole, events) = undone(vec![call("json_answer", "{\"a\":1.0}")], 2);
    assert_eq!(whole, events);
    assert!(whole.contains("Text { text: \"{\\\"a\\\":1.0}\"") && whole.contains("stop: EndTurn"), "{whole}");
    let (whole, events) = undone(vec![call("json_answer", "{}"), call("short_1", "{}")], 2);
    assert_eq!(whole, events);
    assert!(whole.contains("stop: ToolUse"));
}

proptest! {
    #[test]
    fn any_input_unwraps_the_same_in_any_pieces(text in ".{0,20}", is_wrapped in any::<bool>(), size in 1_usize..9) {
        let wrapped = if is_wrapped { serde_json::json!({"input": text}).to_string() } else { text.clone() };
        let (whole, events) = undone(vec![call("patch", &wrapped)], size);
        prop_assert_eq!(&whole, &events);
        if is_wrapped {
            let expected = format!("input: {text:?}, kind: Custom");
            prop_assert!(whole.contains(&expected));
        }
    }

    #[test]
    fn any_half_of_json_unwraps_the_same_in_any_pieces(text in r#"\{"input":"([a-c"]|\\[nu"0-9d]){0,12}"#, size in 1_usize..9) {
        let (whole, events) = undone(vec![call("patch", &text)], size);
        prop_assert_eq!(whole, events);
    }
}
