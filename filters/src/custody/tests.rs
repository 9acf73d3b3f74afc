use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Custody, KEPT_BLOCKS_MAX, KEPT_BYTES_MAX, Keepsake, Recorder, Seals};
use crate::Dialect;
use crate::dialects::{
    Endpoint, StreamDecoder, StreamEncoder, Target, decode_request, decode_response, encode_request, encode_response,
};
use crate::ir::stream::{BlockStart, Delta};
use crate::ir::{
    Block, BlockKind, Choice, Event, ReasoningBlock, ReplyContext, Request, Response, Role, Signature, StopReason,
    ToolResult, ToolUse, ToolUseKind, Turn,
};
use crate::json::skim::skim;
use crate::json::{Extra, Str};
use crate::lane::Lane;
use crate::reply::{Collector, Reply, ReplyPlan, expand};
use crate::request::{Prepared, prepare};
use crate::sse::Parser;

use Dialect::{Anthropic, Gemini, OpenAiChat, OpenAiResponses};

/// What was kept, by the ids of calls.
#[derive(Default)]
struct Kept(HashMap<String, Arc<Keepsake>>);

impl Custody for Kept {
    fn keepsake(&self, call_id: &str) -> Option<Arc<Keepsake>> {
        self.0.get(call_id).cloned()
    }
}

fn kept(keepsakes: Vec<(String, Keepsake)>) -> Kept {
    Kept(keepsakes.into_iter().map(|(id, keepsake)| (id, Arc::new(keepsake))).collect())
}

/// A part of an answer as its provider must get it back.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Thought { text: String, redacted: bool, seal: String },
    Text { text: String, seal: Option<String> },
    Call { name: String, input: serde_json::Value, seal: Option<String> },
}

/// The parts of an answer that its provider must see again, in order. Texts without a seal may be put together.
fn said<'b, 'a: 'b>(issuer: Dialect, blocks: impl IntoIterator<Item = &'b Block<'a>>) -> Vec<Said> {
    let mut parts: Vec<Said> = Vec::new();
    for block in blocks {
        let seal = block.signature.as_ref().map(|seal| {
            assert_eq!(seal.issuer, issuer);
            seal.value.to_string()
        });
        match (&block.kind, seal) {
            (BlockKind::Reasoning(thought), Some(seal)) => {
                parts.push(Said::Thought { text: thought.text.join(), redacted: thought.redacted, seal });
            }
            (BlockKind::Text { text, .. }, None) => match parts.last_mut() {
                Some(Said::Text { text: last, seal: None }) => last.push_str(text),
                _ if text.is_empty() => {}
                _ => parts.push(Said::Text { text: text.to_string(), seal: None }),
            },
            (BlockKind::Text { text, .. }, seal) => parts.push(Said::Text { text: text.to_string(), seal }),
            (BlockKind::ToolUse(call), seal) => {
                let input = serde_json::from_str(&call.input).unwrap_or_default();
                parts.push(Said::Call { name: call.name.to_string(), input, seal });
            }
            _ => {}
        }
    }
    parts
}

trait Join {
    fn join(&self) -> String;
}

impl Join for Vec<Str<'_>> {
    fn join(&self) -> String {
        self.iter().map(Str::as_str).collect::<Vec<_>>().join("\n\n")
    }
}

fn sealed<'a>(issuer: Dialect, seal: &str, kind: BlockKind<'a>) -> Block<'a> {
    Block { signature: Some(Signature { issuer, value: Str::from(seal.to_owned()) }), ..Block::new(kind) }
}

fn thought(issuer: Dialect, text: &str, redacted: bool, seal: &str) -> Block<'static> {
    let text = if redacted { Vec::new() } else { vec![Str::from(text.to_owned())] };
    let id = (issuer == OpenAiResponses).then(|| Str::from("rs_1"));
    sealed(issuer, seal, BlockKind::Reasoning(ReasoningBlock { text, redacted, id }))
}

fn call(id: &str, name: &str, input: &str) -> Block<'static> {
    let (id, name, input) = (id.to_owned().into(), name.to_owned().into(), input.to_owned().into());
    Block::new(BlockKind::ToolUse(ToolUse { id, name, input, kind: ToolUseKind::Function }))
}

fn elsewhere(than: Dialect) -> Dialect {
    Dialect::ALL.into_iter().find(|dialect| *dialect != than).unwrap()
}

/// The answer as its provider's bytes.
fn provider_bytes(issuer: Dialect, blocks: Vec<Block<'static>>, stream: bool) -> Vec<u8> {
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
        origin: elsewhere(issuer),
        id: Some(Str::from("answer_1")),
        model: Some(Str::from("m")),
        created: None,
        choices: vec![choice],
        usage: None,
        extra: Extra::default(),
    };
    let (context, mut bytes) = (ReplyContext { seed: 5, ..ReplyContext::default() }, Vec::new());
    if stream {
        let mut encoder = StreamEncoder::new(issuer, context);
        expand(&response, &mut |event| encoder.event(event, &mut bytes));
    } else {
        encode_response(issuer, &response, &context, &mut bytes);
    }
    bytes
}

/// What the provider said, read off its bytes.
fn truth(issuer: Dialect, bytes: &[u8], stream: bool) -> Vec<Said> {
    if !stream {
        return said(issuer, &decode_response(issuer, bytes).unwrap().choices[0].blocks);
    }
    let (mut decoder, mut collector) = (StreamDecoder::new(issuer), Collector::new(issuer));
    Parser::default()
        .push(bytes, &mut |event| decoder.event(event, &mut |event| collector.push(event).unwrap()))
        .unwrap();
    decoder.finish(&mut |event| collector.push(event).unwrap());
    said(issuer, &collector.into_response().choices[0].blocks)
}

fn plan(client: Dialect, upstream: Dialect, client_streams: bool, upstream_streams: bool) -> ReplyPlan {
    ReplyPlan {
        lane: Lane::Convert,
        client,
        upstream,
        client_streams,
        upstream_streams,
        context: ReplyContext { model: "m".to_owned(), seed: 9, reasoning_content: true, ..ReplyContext::default() },
        notes: crate::ir::ReplyNotes::default(),
        strip_usage: false,
    }
}

/// What the client has of the answer, and the keepsakes.
fn answer(client: Dialect, issuer: Dialect, bytes: &[u8], modes: (bool, bool)) -> (Vec<Block<'static>>, Kept) {
    let (client_streams, upstream_streams) = modes;
    let (mut reply, mut out) = (Reply::new(plan(client, issuer, client_streams, upstream_streams)), Vec::new());
    for piece in bytes.chunks(97) {
        reply.push(piece, &mut out).unwrap();
    }
    if !reply.ended() {
        assert!(reply.take_keepsakes().is_empty(), "half an answer has no keepsakes");
    }
    reply.finish(&mut out);
    assert!(reply.ended(), "{:?}", reply.failure());
    let keepsakes = kept(reply.take_keepsakes());
    assert!(reply.take_keepsakes().is_empty(), "they are taken once");
    if !client_streams {
        let blocks = decode_response(client, &out).unwrap().choices.remove(0).blocks;
        return (blocks.into_iter().map(owned).collect(), keepsakes);
    }
    let (mut decoder, mut collector) = (StreamDecoder::new(client), Collector::new(client));
    Parser::default()
        .push(&out, &mut |event| decoder.event(event, &mut |event| collector.push(event).unwrap()))
        .unwrap();
    decoder.finish(&mut |event| collector.push(event).unwrap());
    (collector.into_response().choices.remove(0).blocks, keepsakes)
}

fn owned(block: Block<'_>) -> Block<'static> {
    let kind = match block.kind {
        BlockKind::Text { text, .. } => BlockKind::Text { text: text.into_owned(), citations: None },
        BlockKind::ToolUse(ToolUse { id, name, input, kind }) => BlockKind::ToolUse(ToolUse {
            id: id.into_owned(),
            name: name.into_owned(),
            input: input.into_owned(),
            kind,
        }),
        BlockKind::Reasoning(ReasoningBlock { text, redacted, id }) => {
            let text = text.into_iter().map(Str::into_owned).collect();
            BlockKind::Reasoning(ReasoningBlock { text, redacted, id: id.map(Str::into_owned) })
        }
        other => panic!("{other:?}"),
    };
    Block { signature: block.signature.map(Signature::into_owned), ..Block::new(kind) }
}

/// The client's next request. A forgetful client keeps texts and calls only.
fn next_request(client: Dialect, mut blocks: Vec<Block<'static>>, forgets: bool) -> Vec<u8> {
    if forgets {
        blocks.retain(|block| match &block.kind {
            BlockKind::Reasoning(_) => false,
            BlockKind::Text { text, .. } => !text.is_empty(),
            _ => true,
        });
        for block in &mut blocks {
            block.signature = None;
        }
    }
    let results: Vec<Turn<'_>> = blocks.iter().filter_map(result).collect();
    let mut request = Request::new(elsewhere(client), Str::from("m"));
    request.turns = vec![Turn::new(Role::User, vec![Block::text("go")]), Turn::new(Role::Assistant, blocks)];
    request.turns.extend(results);
    let mut body = Vec::new();
    // Clients of Gemini's send back the ids that they were given.
    let quirks = crate::dialects::Quirks { call_ids: true, ..Default::default() };
    encode_request(client, &request, &Target { quirks, ..Target::new("m", false) }, &mut body).unwrap();
    body
}

fn result(block: &Block<'static>) -> Option<Turn<'static>> {
    let BlockKind::ToolUse(call) = &block.kind else { return None };
    let (id, name) = (call.id.clone(), Some(call.name.clone()));
    let content = vec![Block::text("done")];
    let result = ToolResult { id, name, content, is_error: None, kind: ToolUseKind::Function };
    Some(Turn::new(Role::Tool, vec![Block::new(BlockKind::ToolResult(result))]))
}

fn endpoint() -> Endpoint<'static> {
    Endpoint { model: Some(Str::from("m")), stream: Some(false) }
}

fn prepared(client: Dialect, body: &[u8], upstream: Dialect, seals: Seals<'_>) -> Prepared {
    let found = skim(client, body).unwrap();
    prepare(client, &endpoint(), body, &found, upstream, &Target::new("m", false), seals).unwrap()
}

/// What the provider gets back of its answer.
fn returned(upstream: Dialect, body: &[u8]) -> Vec<Said> {
    let request = decode_request(upstream, body, &endpoint()).unwrap();
    said(upstream, request.turns.iter().filter(|turn| turn.role == Role::Assistant).flat_map(|turn| &turn.blocks))
}

fn has_words_behind_a_call(parts: &[Said]) -> bool {
    let mut rest = parts.iter().skip_while(|part| !matches!(part, Said::Call { .. }));
    rest.any(|part| matches!(part, Said::Text { text, .. } if !text.is_empty()))
}

fn without_words(mut parts: Vec<Said>) -> Vec<Said> {
    parts.retain(|part| !matches!(part, Said::Text { text, .. } if !text.is_empty()));
    parts
}

fn words() -> impl Strategy<Value = String> {
    "[a-zé😀\"\\\\]{1,6}( [a-z]{1,4}){0,2}"
}

fn seal() -> impl Strategy<Value = String> {
    "[A-Za-z0-9+/]{8,40}={0,2}"
}

/// An answer of `issuer` that ends with a call.
fn blocks(issuer: Dialect) -> impl Strategy<Value = Vec<Block<'static>>> {
    let piece = (0..4_u8, words(), seal());
    let round = (proptest::collection::vec(piece, 0..4), proptest::option::of(seal()));
    proptest::collection::vec(round, 1..4).prop_map(move |rounds| {
        let mut blocks = Vec::new();
        for (number, (pieces, call_seal)) in rounds.into_iter().enumerate() {
            for (kind, text, seal) in pieces {
                blocks.push(match (kind, issuer) {
                    (0, _) => Block::text(text),
                    (1, Anthropic) => thought(issuer, "", true, &seal),
                    (1, Gemini) => sealed(issuer, &seal, BlockKind::Text { text: Str::default(), citations: None }),
                    (2, Gemini) => sealed(issuer, &seal, BlockKind::Text { text: text.into(), citations: None }),
                    _ => thought(issuer, &text, false, &seal),
                });
            }
            let mut call = call(&format!("call_{number}"), "get_weather", r#"{"city":"Paris"}"#);
            let value = call_seal.filter(|_| issuer == Gemini);
            call.signature = value.map(|value| Signature { issuer, value: value.into() });
            blocks.push(call);
        }
        blocks
    })
}

fn issuer() -> impl Strategy<Value = Dialect> {
    proptest::sample::select(vec![OpenAiResponses, Anthropic, Gemini])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn wire_149_a_forgetful_client_gives_back_the_providers_own_parts(
        (issuer, blocks) in issuer().prop_flat_map(|issuer| (Just(issuer), blocks(issuer))),
        modes in any::<(bool, bool)>(),
    ) {
        let bytes = provider_bytes(issuer, blocks, modes.1);
        let truth = truth(issuer, &bytes, modes.1);
        for client in Dialect::ALL.into_iter().filter(|client| *client != issuer) {
            let (had, kept) = answer(client, issuer, &bytes, modes);
            let body = next_request(client, had, true);
            let prepared = prepared(client, &body, issuer, Seals::Restored(&kept));
            let (got, text) = (returned(issuer, &prepared.body), String::from_utf8_lossy(&prepared.body));
            if client == OpenAiChat && has_words_behind_a_call(&truth) {
                // A Chat message says its text first: the words move, the sealed parts and the calls do not.
                prop_assert_eq!(without_words(got), without_words(truth.clone()), "{:?}: {}", issuer, text);
            } else {
                prop_assert_eq!(&got, &truth, "{:?} over {:?}: {}", issuer, client, text);
            }
        }
    }

    #[test]
    fn a_client_that_carries_seals_is_left_alone(
        (issuer, blocks) in issuer().prop_flat_map(|issuer| (Just(issuer), blocks(issuer))),
    ) {
        let bytes = provider_bytes(issuer, blocks, false);
        for client in [OpenAiResponses, Anthropic] {
            let (had, kept) = answer(client, issuer, &bytes, (false, false));
            if client == issuer || had.iter().all(|block| block.signature.is_none()) {
                continue;
            }
            let body = next_request(client, had, false);
            let with = prepared(client, &body, issuer, Seals::Restored(&kept));
            if decode_request(client, &body, &endpoint()).unwrap().turns.iter().flat_map(|turn| &turn.blocks)
                .any(|block| block.signature.as_ref().is_some_and(|seal| seal.issuer == issuer))
            {
                prop_assert_eq!(with.restored, 0);
                prop_assert_eq!(with.body, prepared(client, &body, issuer, Seals::AsSent).body);
            }
        }
    }

    #[test]
    fn seals_go_to_their_issuer_only(
        (issuer, blocks) in issuer().prop_flat_map(|issuer| (Just(issuer), blocks(issuer))),
        upstream in issuer(),
    ) {
        let bytes = provider_bytes(issuer, blocks, false);
        let (had, kept) = answer(OpenAiChat, issuer, &bytes, (false, false));
        let body = next_request(OpenAiChat, had, true);
        let prepared = prepared(OpenAiChat, &body, upstream, Seals::Restored(&kept));
        if upstream != issuer {
            prop_assert_eq!(prepared.restored, 0);
        }
    }

    #[test]
    fn without_seals_nothing_sealed_is_sent(
        (issuer, blocks) in issuer().prop_flat_map(|issuer| (Just(issuer), blocks(issuer))),
        client in proptest::sample::select(Dialect::ALL.to_vec()),
    ) {
        let mut request = Request::new(elsewhere(client), Str::from("m"));
        let results: Vec<Turn<'_>> = blocks.iter().filter_map(result).collect();
        request.turns = vec![Turn::new(Role::User, vec![Block::text("go")]), Turn::new(Role::Assistant, blocks)];
        request.turns.extend(results);
        let mut body = Vec::new();
        encode_request(client, &request, &Target::new("m", false), &mut body).unwrap();
        let prepared = prepared(client, &body, issuer, Seals::Dropped);
        prop_assert_eq!(prepared.lane, Lane::Convert);
        prop_assert!(prepared.encoded.losses.iter().any(|loss| loss.field == "reasoning.signature"));
        for part in returned(issuer, &prepared.body) {
            prop_assert!(matches!(part, Said::Call { seal: None, .. } | Said::Text { seal: None, .. }), "{:?}", part);
        }
    }
}

#[test]
fn texts_that_the_client_changed_keep_the_thoughts_before_the_call() {
    let blocks = vec![
        thought(Anthropic, "first", false, "c2VhbDE="),
        Block::text("one"),
        thought(Anthropic, "second", false, "c2VhbDI="),
        Block::text("two"),
        call("toolu_1", "get_weather", "{}"),
    ];
    let bytes = provider_bytes(Anthropic, blocks, false);
    let (mut had, kept) = answer(OpenAiChat, Anthropic, &bytes, (false, false));
    for block in &mut had {
        if let BlockKind::Text { text, .. } = &mut block.kind {
            *text = Str::from("something else");
        }
    }
    let body = next_request(OpenAiChat, had, true);
    let prepared = prepared(OpenAiChat, &body, Anthropic, Seals::Restored(&kept));
    let kinds: Vec<String> = returned(Anthropic, &prepared.body)
        .into_iter()
        .map(|part| match part {
            Said::Thought { text, .. } | Said::Text { text, .. } => text,
            Said::Call { name, .. } => name,
        })
        .collect();
    assert_eq!(kinds, ["first", "something else", "second", "get_weather"]);
    assert_eq!(prepared.restored, 1);
}

#[test]
fn wire_103_the_words_of_a_thought_that_a_chat_client_sends_back_make_room_for_the_sealed_one() {
    let blocks = vec![thought(Anthropic, "hm", false, "c2VhbA=="), call("toolu_1", "get_weather", "{}")];
    let (_, kept) = answer(OpenAiChat, Anthropic, &provider_bytes(Anthropic, blocks, true), (true, true));
    let body = br#"{"model":"m","reasoning_effort":"high","messages":[{"role":"user","content":"go"},
        {"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"toolu_1","type":"function",
        "function":{"name":"get_weather","arguments":"{}"}}]},{"role":"tool","tool_call_id":"toolu_1","content":"x"}]}"#;
    let with = prepared(OpenAiChat, body, Anthropic, Seals::Restored(&kept));
    let text = String::from_utf8(with.body).unwrap();
    assert!(
        text.contains(r#"[{"type":"thinking","thinking":"hm","signature":"c2VhbA=="},{"type":"tool_use""#),
        "{text}"
    );
    assert!(text.contains(r#""thinking":{"type":"enabled""#) && with.encoded.losses.is_empty(), "{text}");
    let without = prepared(OpenAiChat, body, Anthropic, Seals::AsSent);
    assert!(String::from_utf8(without.body).unwrap().contains(r#""thinking":{"type":"disabled"}"#));
}

#[test]
fn lesson_31_a_refused_seal_of_the_own_dialect_goes_with_thinking_switched_off() {
    let body = |blocks: &str| {
        format!(
            r#"{{"model":"m","max_tokens":4096,"thinking":{{"type":"enabled","budget_tokens":2048}},"messages":[
            {{"role":"user","content":"go"}},{{"role":"assistant","content":[{blocks}
            {{"type":"tool_use","id":"toolu_1","name":"a","input":{{}}}}]}},
            {{"role":"user","content":[{{"type":"tool_result","tool_use_id":"toolu_1","content":"x"}}]}}]}}"#
        )
    };
    // The second has lost its thought: the provider expects one and found the call.
    for blocks in [r#"{"type":"thinking","thinking":"hm","signature":"Zm9yZ2Vk"},"#, ""] {
        let prepared = prepared(Anthropic, body(blocks).as_bytes(), Anthropic, Seals::Dropped);
        let text = String::from_utf8(prepared.body).unwrap();
        assert!(text.contains(r#""thinking":{"type":"disabled"}"#) && !text.contains("signature"), "{text}");
    }
}

#[test]
fn items_without_their_reasoning_stand_alone() {
    let body = br#"{"model":"m","input":[{"role":"user","content":"go"},
        {"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"Zm9yZ2Vk"},
        {"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[]}]},
        {"type":"function_call","id":"fc_1","call_id":"call_1","name":"a","arguments":"{}"},
        {"type":"function_call_output","call_id":"call_1","output":"x"}]}"#;
    let prepared = prepared(OpenAiResponses, body, OpenAiResponses, Seals::Dropped);
    let text = String::from_utf8(prepared.body).unwrap();
    assert!(!text.contains("reasoning") && !text.contains("msg_1") && !text.contains("fc_1"), "{text}");
    assert!(text.contains(r#""call_id":"call_1""#));
}

#[test]
fn ids_made_alike_by_two_providers_are_told_apart_by_the_tool() {
    let blocks = vec![thought(Anthropic, "hm", false, "c2VhbA=="), call("call_0", "other", "{}")];
    let (had, kept) = answer(OpenAiChat, Anthropic, &provider_bytes(Anthropic, blocks, false), (false, false));
    let mut renamed = had;
    for block in &mut renamed {
        if let BlockKind::ToolUse(call) = &mut block.kind {
            call.name = Str::from("get_weather");
        }
    }
    let body = next_request(OpenAiChat, renamed, true);
    assert_eq!(prepared(OpenAiChat, &body, Anthropic, Seals::Restored(&kept)).restored, 0);
}

#[test]
fn wire_091_an_id_that_the_client_cannot_take_is_found_as_it_was_written() {
    let id = format!("call {}", "x".repeat(80));
    let mut recorder = Recorder::new(Gemini).unwrap();
    let block = BlockStart::ToolUse { id: id.as_str().into(), name: "a".into(), kind: ToolUseKind::Function };
    recorder.see(&Event::BlockStart { index: 0, choice: 0, block });
    let value = Str::from("seal");
    recorder.see(&Event::Delta { index: 0, delta: Delta::Signature(Signature { issuer: Gemini, value }) });
    let ids: Vec<String> = recorder.into_keepsakes().into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [crate::repair::names::call_id(&id).into_owned(), id]);
}

#[test]
fn an_answer_that_is_too_much_to_keep_is_not_kept_in_part() {
    let calls = |recorder: &mut Recorder, from: u32, count: u32| {
        for index in from..from + count {
            let block = BlockStart::ToolUse { id: "call".into(), name: "a".into(), kind: ToolUseKind::Function };
            recorder.see(&Event::BlockStart { index, choice: 0, block });
            let value = Str::from("seal");
            recorder.see(&Event::Delta { index, delta: Delta::Signature(Signature { issuer: Anthropic, value }) });
        }
    };
    let mut recorder = Recorder::new(Anthropic).unwrap();
    calls(&mut recorder, 0, 2);
    assert_eq!(recorder.into_keepsakes().len(), 2);
    let mut recorder = Recorder::new(Anthropic).unwrap();
    calls(&mut recorder, 0, u32::try_from(KEPT_BLOCKS_MAX).unwrap() + 1);
    assert!(recorder.into_keepsakes().is_empty());
    let mut recorder = Recorder::new(Anthropic).unwrap();
    recorder.see(&Event::BlockStart {
        index: 0,
        choice: 0,
        block: BlockStart::Reasoning { redacted: false, id: None },
    });
    let text = "x".repeat(KEPT_BYTES_MAX / 2 + 1);
    for _ in 0..2 {
        recorder.see(&Event::Delta { index: 0, delta: Delta::Text(Str::from(text.as_str())) });
    }
    calls(&mut recorder, 1, 1);
    assert!(recorder.into_keepsakes().is_empty());
    assert!(Recorder::new(OpenAiChat).is_none());
}
