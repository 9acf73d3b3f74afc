//! Small requests, answers and event sequences.

use interlingua_filters::Dialect;
use interlingua_filters::ir::stream::{BlockStart, Delta};
use interlingua_filters::ir::{
    ApiError, Block, BlockKind, Choice, ErrorKind, Event, ReasoningBlock, Request, Response, Role, Signature,
    StopReason, Tool, ToolKind, ToolResult, ToolUse, ToolUseKind, Turn, Usage,
};
use interlingua_filters::json::{Extra, Num, Raw, Str};
use proptest::prelude::*;

/// Words that every dialect takes as they are: not empty, no white space at either end.
pub(crate) fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z][a-z\u{e9}\u{1F600}\u{2028}\"\\\\{}<]{0,8}[a-z]( [a-z]{1,5}){0,2}",
        1 => Just("data: [DONE]".to_owned()),
    ]
}

pub(crate) fn dialect() -> impl Strategy<Value = Dialect> {
    proptest::sample::select(Dialect::ALL.to_vec())
}

fn arguments() -> impl Strategy<Value = String> {
    proptest::collection::btree_map("[a-z]{1,4}", words(), 0..3).prop_map(|map| serde_json::to_string(&map).unwrap())
}

pub(crate) fn call(id: String, name: &str, input: String) -> Block<'static> {
    let (id, name, input) = (Str::from(id), Str::from(name.to_owned()), Str::from(input));
    Block::new(BlockKind::ToolUse(ToolUse { id, name, input, kind: ToolUseKind::Function }))
}

pub(crate) fn result(id: String, text: String) -> Block<'static> {
    Block::new(BlockKind::ToolResult(ToolResult {
        id: Str::from(id),
        name: None,
        content: vec![Block::text(text)],
        is_error: None,
        kind: ToolUseKind::Function,
    }))
}

/// A conversation that every dialect can say: user and model in turn, each call answered.
pub(crate) fn request() -> impl Strategy<Value = Request<'static>> {
    let round = (words(), proptest::option::of(words()), proptest::collection::vec((arguments(), words()), 0..3));
    (proptest::option::of(words()), proptest::collection::vec(round, 0..4), words(), any::<bool>()).prop_map(
        |(system, rounds, last, with_cap)| {
            let mut request = Request::new(Dialect::OpenAiChat, Str::from("model-1"));
            request.turns.extend(system.map(|text| Turn::new(Role::System, vec![Block::text(text)])));
            request.tools = vec![tool("get_weather")];
            request.max_output_tokens = with_cap.then(|| Num::from(512_u64));
            for (number, (asked, said, calls)) in rounds.into_iter().enumerate() {
                request.turns.push(Turn::new(Role::User, vec![Block::text(asked)]));
                let id = |at: usize| format!("call_{number}_{at}");
                let mut blocks: Vec<Block<'_>> = said.map(Block::text).into_iter().collect();
                if calls.is_empty() && blocks.is_empty() {
                    blocks.push(Block::text("yes"));
                }
                blocks.extend(
                    calls.iter().enumerate().map(|(at, (input, _))| call(id(at), "get_weather", input.clone())),
                );
                request.turns.push(Turn::new(Role::Assistant, blocks));
                for (at, (_, answer)) in calls.into_iter().enumerate() {
                    request.turns.push(Turn::new(Role::Tool, vec![result(id(at), answer)]));
                }
            }
            request.turns.push(Turn::new(Role::User, vec![Block::text(last)]));
            request
        },
    )
}

/// What no honest client sends: empty turns, unanswered and doubly answered calls, ids and names of any characters.
pub(crate) fn hostile_request() -> impl Strategy<Value = Request<'static>> {
    let block = prop_oneof![
        ".{0,6}".prop_map(Block::text),
        (".{0,3}", ".{0,6}").prop_map(|(id, input)| call(id, "a.b/c", input)),
        (".{0,3}", ".{0,6}").prop_map(|(id, text)| result(id, text)),
        (dialect(), ".{0,6}").prop_map(|(issuer, text)| reasoning(issuer, vec![text], "seal")),
    ];
    let role = proptest::sample::select(vec![Role::System, Role::Developer, Role::User, Role::Assistant, Role::Tool]);
    let turn = (role, proptest::collection::vec(block, 0..4)).prop_map(|(role, blocks)| Turn::new(role, blocks));
    (dialect(), proptest::collection::vec(turn, 0..6)).prop_map(|(origin, turns)| {
        let mut request = Request::new(origin, Str::from(""));
        request.turns = turns;
        request
    })
}

fn tool(name: &'static str) -> Tool<'static> {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"}}}"#;
    Tool {
        name: Str::from(name),
        description: Some(Str::from("Looks it up")),
        strict: None,
        kind: ToolKind::Function { parameters: Raw::parse(schema) },
        cache: None,
        extra: Extra::default(),
        form: 0,
    }
}

pub(crate) fn reasoning(issuer: Dialect, text: Vec<String>, seal: &str) -> Block<'static> {
    let text = text.into_iter().map(Str::from).collect();
    Block {
        signature: Some(Signature { issuer, value: Str::from(seal.to_owned()) }),
        ..Block::new(BlockKind::Reasoning(ReasoningBlock { text, redacted: false, id: None }))
    }
}

/// Another dialect: encoders write what is of their own dialect as its decoder left it, and these values were never read.
pub(crate) fn elsewhere(than: Dialect) -> Dialect {
    Dialect::ALL.into_iter().find(|dialect| *dialect != than).unwrap()
}

/// An answer that every dialect can say: thoughts, text, calls. `issuer` sealed the thoughts.
pub(crate) fn response(issuer: Dialect) -> impl Strategy<Value = Response<'static>> {
    let usage = (1..1_000_u64, 0..500_u64, 1..300_u64, 0..100_u64);
    let calls = proptest::collection::vec(arguments(), 0..3);
    (proptest::option::of(words()), proptest::option::of(words()), calls, any::<bool>(), usage).prop_map(
        move |(thought, text, calls, is_capped, (uncached, cache_read, output, reasoning_tokens))| {
            let mut blocks: Vec<Block<'_>> = Vec::new();
            blocks.extend(thought.map(|thought| reasoning(issuer, vec![thought], "c2VhbA==")));
            blocks.extend(text.map(Block::text));
            if calls.is_empty() && !blocks.iter().any(|block| matches!(block.kind, BlockKind::Text { .. })) {
                blocks.push(Block::text("yes"));
            }
            let stop = match (calls.is_empty(), is_capped) {
                (false, _) => StopReason::ToolUse,
                (true, true) => StopReason::MaxTokens,
                (true, false) => StopReason::EndTurn,
            };
            blocks.extend(
                calls.into_iter().enumerate().map(|(at, input)| call(format!("call_{at}"), "get_weather", input)),
            );
            let usage = Usage { uncached, cache_read, output, reasoning: reasoning_tokens, ..Usage::default() };
            answer(elsewhere(issuer), vec![(blocks, stop)], Some(usage))
        },
    )
}

/// An answer of any form that events can say, with several alternatives.
pub(crate) fn any_response() -> impl Strategy<Value = Response<'static>> {
    let block = prop_oneof![
        ".{0,6}".prop_map(Block::text),
        (".{1,3}", ".{0,6}").prop_map(|(id, input)| call(id, "a.b/c", input)),
        (dialect(), proptest::collection::vec(".{1,6}", 0..3)).prop_map(|(by, text)| reasoning(by, text, "seal")),
        ".{0,6}".prop_map(|text| Block::new(BlockKind::Refusal { text: Str::from(text) })),
    ];
    let stop = proptest::sample::select(vec![StopReason::EndTurn, StopReason::Refusal, StopReason::Other]);
    let choice = (proptest::collection::vec(block, 0..4), stop);
    (dialect(), proptest::collection::vec(choice, 1..3), proptest::option::of(0..9_u64)).prop_map(
        |(origin, choices, tokens)| {
            let usage = tokens.map(|output| Usage { output, ..Usage::default() });
            answer(origin, choices, usage)
        },
    )
}

fn answer(
    origin: Dialect,
    choices: Vec<(Vec<Block<'static>>, StopReason)>,
    usage: Option<Usage<'static>>,
) -> Response<'static> {
    let choices = choices.into_iter().zip(0..).map(|((blocks, stop), index)| Choice {
        index,
        blocks,
        stop,
        stop_raw: None,
        stop_sequence: None,
        extra: Extra::default(),
        form: 0,
    });
    Response {
        origin,
        id: Some(Str::from("id_1")),
        model: Some(Str::from("model-1")),
        created: None,
        choices: choices.collect(),
        usage,
        extra: Extra::default(),
    }
}

/// Events in any order with colliding indexes: what a broken decoder could say.
pub(crate) fn garbage() -> impl Strategy<Value = Vec<Event<'static>>> {
    let (index, choice) = (0..6_u32, 0..3_u32);
    let event = prop_oneof![
        1 => Just(Event::Start { id: None, model: None }),
        6 => (index.clone(), choice.clone(), any::<bool>()).prop_map(|(index, choice, is_call)| {
            let block = if is_call {
                BlockStart::ToolUse { id: Str::from("i"), name: Str::from("n"), kind: ToolUseKind::Function }
            } else {
                BlockStart::Text
            };
            Event::BlockStart { index, choice, block }
        }),
        8 => (index.clone(), "[a-z]{1,3}", any::<bool>()).prop_map(|(index, text, is_input)| {
            let text = Str::from(text);
            Event::Delta { index, delta: if is_input { Delta::Input(text) } else { Delta::Text(text) } }
        }),
        4 => index.prop_map(|index| Event::BlockStop { index }),
        1 => Just(Event::Usage(Usage::default())),
        2 => choice.prop_map(|choice| Event::Finish {
            choice,
            stop: StopReason::EndTurn,
            stop_sequence: None,
            note: None,
        }),
        1 => Just(Event::Ping),
        1 => Just(Event::End),
        1 => Just(Event::Error(ApiError::new(ErrorKind::Internal, "x"))),
    ];
    proptest::collection::vec(event, 0..40)
}
