//! Thoughts of other providers on their way through clients of Gemini's.

use proptest::prelude::*;
use serde_json::json;

use super::super::thoughts::{CARRIED_BYTES_MAX, Pending, carried};
use super::*;
use crate::Dialect;
use crate::ir::stream::{BlockStart, Delta};
use crate::ir::{Block, BlockKind, Choice, Event, ReasoningBlock, Response, Role, Signature, StopReason};
use crate::ir::{ToolUse, ToolUseKind};
use crate::json::{Extra, Str};

fn thought(issuer: Dialect, seal: &'static str, text: &[&'static str]) -> Block<'static> {
    let text = text.iter().map(|text| (*text).into()).collect();
    let id = (issuer == Dialect::OpenAiResponses).then(|| "rs_1".into());
    let mut block = Block::new(BlockKind::Reasoning(ReasoningBlock { text, redacted: false, id }));
    block.signature = Some(Signature { issuer, value: seal.into() });
    block
}

fn call(id: &'static str) -> Block<'static> {
    let call = ToolUse { id: id.into(), name: "f".into(), input: "{}".into(), kind: ToolUseKind::Function };
    Block::new(BlockKind::ToolUse(call))
}

fn answer(blocks: Vec<Block<'static>>) -> Vec<Value> {
    let choice = Choice {
        index: 0,
        blocks,
        stop: StopReason::ToolUse,
        stop_raw: None,
        stop_sequence: None,
        extra: Extra::default(),
        form: 0,
    };
    let response = Response {
        origin: Dialect::Anthropic,
        id: None,
        model: None,
        created: None,
        choices: vec![choice],
        usage: None,
        extra: Extra::default(),
    };
    let mut out = Vec::new();
    encode_response(&response, &ReplyContext::default(), &mut out);
    value(&out)["candidates"][0]["content"]["parts"].as_array().unwrap().clone()
}

/// The model's turn of a request that says `parts` again.
fn back(parts: &[Value]) -> Vec<Block<'static>> {
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "go"}]}, {"role": "model", "parts": parts}]});
    let body: &'static str = Box::leak(body.to_string().into_boxed_str());
    let request = decode_request(body.as_bytes(), &endpoint()).unwrap();
    request.turns.into_iter().find(|turn| turn.role == Role::Assistant).unwrap().blocks
}

fn shown(blocks: &[Block<'_>]) -> Vec<String> {
    let seal = |block: &Block<'_>| block.signature.as_ref().map_or("", |seal| seal.value.as_str()).to_owned();
    let shown = |block: &Block<'_>| match &block.kind {
        BlockKind::Reasoning(thought) => format!("{:?} {}", thought.text, seal(block)),
        BlockKind::ToolUse(call) => format!("{} {}", call.id, seal(block)),
        BlockKind::Text { text, .. } => text.to_string(),
        other => format!("{other:?}"),
    };
    blocks.iter().map(shown).collect()
}

#[test]
fn wire_149_thoughts_return_with_the_call_alone() {
    let said = [
        thought(Dialect::Anthropic, "s1", &["I see"]),
        Block::text("Well."),
        thought(Dialect::Anthropic, "s2", &[""]),
        call("a"),
        call("b"),
        thought(Dialect::Anthropic, "s3", &["more"]),
        call("c"),
    ];
    let parts = answer(said.to_vec());
    let sealed: Vec<bool> =
        parts.iter().map(|part| part["functionCall"].is_object() && part.get("thoughtSignature").is_some()).collect();
    assert_eq!(sealed, [false, false, false, true, false, false, true], "the first call after thoughts has them");

    let expected = ["[\"I see\"] s1", "[\"\"] s2", "Well.", "a ", "b ", "[\"more\"] s3", "c "];
    let kept: Vec<Value> = parts.iter().filter(|part| part.get("thought").is_none()).cloned().collect();
    assert_eq!(shown(&back(&kept)), expected, "a client that drops thoughts");
    assert_eq!(shown(&back(&parts)), expected, "a client that keeps them");
}

#[test]
fn wire_149_streamed_thoughts_return_whole() {
    let mut encoder = StreamEncoder::new(ReplyContext::default());
    let mut out = Vec::new();
    let seal = Signature { issuer: Dialect::OpenAiResponses, value: "gAAA".into() };
    let block = BlockStart::Reasoning { redacted: false, id: Some("rs_1".into()) };
    let tool = BlockStart::ToolUse { id: "a".into(), name: "f".into(), kind: ToolUseKind::Function };
    for event in [
        Event::Start { id: None, model: None },
        Event::BlockStart { index: 0, choice: 0, block },
        Event::Delta { index: 0, delta: Delta::Text("I ".into()) },
        Event::Delta { index: 0, delta: Delta::Text("see".into()) },
        Event::Delta { index: 0, delta: Delta::NextPart },
        Event::Delta { index: 0, delta: Delta::Text("so".into()) },
        Event::Delta { index: 0, delta: Delta::Signature(seal) },
        Event::BlockStop { index: 0 },
        Event::BlockStart { index: 1, choice: 0, block: tool },
        Event::BlockStop { index: 1 },
        Event::End,
    ] {
        encoder.event(event, &mut out);
    }
    let chunks = String::from_utf8(out).unwrap();
    let chunks = chunks.split("\n\n").filter_map(|line| line.strip_prefix("data: ")).map(|line| value(line.as_bytes()));
    let parts: Vec<Value> =
        chunks.filter_map(|chunk| chunk["candidates"][0]["content"]["parts"].get(0).cloned()).collect();
    for client in [parts.clone(), parts.iter().filter(|part| part.get("thought").is_none()).cloned().collect()] {
        let blocks = back(&client);
        let BlockKind::Reasoning(thought) = &blocks[0].kind else { panic!("{:?}", shown(&blocks)) };
        assert_eq!((thought.id.as_deref(), thought.text.len()), (Some("rs_1"), 2));
        assert_eq!(shown(&blocks)[..2], ["[\"I see\", \"so\"] gAAA", "a "]);
    }
}

#[test]
fn carried_thoughts_reach_no_gemini() {
    let parts = answer(vec![thought(Dialect::Anthropic, "s1", &["I see"]), call("a")]);
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "go"}]}, {"role": "model", "parts": parts}]});
    assert!(Signature::is_carried_in(body.to_string().as_bytes()), "never spliced");
    let out = again(&body.to_string(), "gemini-2.5-pro")["contents"][1].clone();
    assert_eq!(out["parts"], json!([{"functionCall": {"id": "a", "name": "f", "args": {}}}]));
}

#[test]
fn what_is_no_carried_thought_is_none() {
    let mut pending = Pending::default();
    assert_eq!(pending.slot(), None);
    let own = ReasoningBlock { text: vec!["x".into()], redacted: false, id: None };
    pending.keep(&own, None);
    pending.keep(&own, Some(&Signature { issuer: Dialect::Gemini, value: "s".into() }));
    assert_eq!(pending.slot(), None);
    let long = ReasoningBlock { text: vec![Str::from("x".repeat(CARRIED_BYTES_MAX + 1))], redacted: false, id: None };
    pending.keep(&long, Some(&Signature { issuer: Dialect::Anthropic, value: "s".into() }));
    assert_eq!(pending.slot(), None, "too much to come back with every request");
    let seal = Signature { issuer: Dialect::Anthropic, value: "s".into() };
    assert!(carried(&seal.carried(Dialect::Gemini)).is_none() && carried("\u{e9}".repeat(40).as_str()).is_none());
}

proptest! {
    #[test]
    fn a_slot_cut_anywhere_is_none_or_whole(cut in any::<prop::sample::Index>(), issuer in 0..3_usize) {
        let issuer = [Dialect::Anthropic, Dialect::OpenAiChat, Dialect::OpenAiResponses][issuer];
        let mut pending = Pending::default();
        let said = ReasoningBlock { text: vec!["\u{e9}\u{2028}".into()], redacted: true, id: None };
        pending.keep(&said, Some(&Signature { issuer, value: "Eq+/=".into() }));
        let slot = pending.slot().unwrap();
        let whole = carried(&slot).unwrap();
        prop_assert_eq!(whole[0].signature.as_ref().map(|seal| seal.issuer), Some(issuer));
        prop_assert!(carried(&slot.replace('+', "-").replace('/', "_")).is_some());
        prop_assert!(carried(&slot[..cut.index(slot.len())]).is_none());
    }
}
