//! Streams that break off behind the commit point: another account goes on, in the same stream.
//!
//! `INTERLINGUA_CUTS` sets how many streams are cut in all (`make cuts`).

use std::time::{Duration, Instant};

use serde_json::Value;

use super::protocol::{ALL, Event, Protocol, events};
use super::rig::{Gateway, Mock};
use super::stage::Stage;
use super::wire::Answer;

/// No memory: each request meets the better account anew.
const QUICK: &str = "grace_retry: { enabled: false }, affinity: { enabled: false }, cooldown: { enabled: false }, \
    pace: { enabled: false }, breaker: { enabled: false }, overload: { enabled: false }";
/// Streams that are cut in the quick form.
const CUTS: usize = 256;
/// What is said again by the simulated model.
const WORDS: &str = "one two  three four\n\nfive six seven eight nine ten, eleven; twelve thirteen fourteen fifteen sixteen \
                     seventeen eighteen 世界 nineteen twenty 👩\u{200d}💻 twenty-one and the rest of a sentence that ends here.";

/// Where requests go. The model's tokenizer is not the gateway's estimate: what it bills must be learned.
///
/// A target's name, the model, and the dialect whose first answer is cut.
const TARGETS: [(&str, &str, &str); 4] = [
    ("chat", "chat/dense", "openai_chat"),
    ("anthropic", "anthropic/dense", "anthropic"),
    ("gemini", "gemini/dense", "gemini"),
    // Responses cannot go on; the route's fallback can.
    ("responses", "mixed", "openai_responses"),
];

/// Numbers that look random: xorshift (Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

fn stage(port: u16) -> Stage {
    Stage::new(port)
        .account("a", "tier: pro")
        .account("b", "tier: free")
        .upstream("quirks: { prefill: prefix }")
        .resilience(QUICK)
        .model("match: mixed, upstream: responses, model: dense, dialect: as_declared, fallbacks: [{ upstream: anthropic, model: dense }]")
}

/// Text of a stream without thoughts, how often it ended well, and how often badly.
fn read(protocol: Protocol, answer: &Answer) -> (String, usize, usize) {
    let events = events(&answer.text()).unwrap_or_else(|error| panic!("{protocol:?}: {error}"));
    check_numbers(protocol, &events);
    let spoken: Vec<Event> = events.iter().filter(|(_, data)| !data.contains("\"thought\":true")).cloned().collect();
    let (ends, errors) = protocol.ends(&events);
    (protocol.text(&spoken), ends, errors)
}

/// One beginning, numbers without gaps.
fn check_numbers(protocol: Protocol, events: &[Event]) {
    let values: Vec<Value> = events.iter().filter_map(|(_, data)| serde_json::from_str(data).ok()).collect();
    match protocol {
        Protocol::Responses => {
            let mut items = 0;
            for (at, value) in values.iter().enumerate() {
                // The simulator counts the event that its error stands for, too.
                assert!(value["sequence_number"] == at || value["type"] == "response.failed", "{at}: {value}");
                if value["type"] == "response.output_item.added" {
                    assert_eq!(value["output_index"], items);
                    items += 1;
                }
            }
            let ids: Vec<&str> = values.iter().filter_map(|value| value["response"]["id"].as_str()).collect();
            assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
        }
        Protocol::Anthropic => {
            let (mut next, mut open, mut starts) = (0, None, 0);
            for value in &values {
                match value["type"].as_str().unwrap_or_default() {
                    "message_start" => starts += 1,
                    "content_block_start" => {
                        assert_eq!((value["index"].as_u64(), open), (Some(next), None), "{value}");
                        open = Some(next);
                        next += 1;
                    }
                    "content_block_delta" => assert_eq!(value["index"].as_u64(), open, "{value}"),
                    "content_block_stop" => {
                        assert_eq!(value["index"].as_u64(), open, "{value}");
                        open = None;
                    }
                    _ => {}
                }
            }
            assert_eq!(starts, 1);
        }
        Protocol::Chat => {
            let roles = values.iter().filter(|value| value["choices"][0]["delta"]["role"].is_string()).count();
            assert_eq!(roles, 1);
            let ids: Vec<&Value> =
                values.iter().filter(|value| value["error"].is_null()).map(|value| &value["id"]).collect();
            assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
        }
        Protocol::Gemini => {}
    }
}

/// Input and output tokens that the client hears of.
fn usage(protocol: Protocol, answer: &Answer) -> Option<(u64, u64)> {
    let events = events(&answer.text()).ok()?;
    let values = events.iter().filter_map(|(_, data)| serde_json::from_str::<Value>(data).ok());
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let told = |value: Value| match protocol {
        Protocol::Chat => Some(&value["usage"])
            .filter(|usage| usage.is_object())
            .map(|usage| (number(&usage["prompt_tokens"]), number(&usage["completion_tokens"]))),
        Protocol::Responses => Some(&value["response"]["usage"])
            .filter(|usage| usage.is_object())
            .map(|usage| (number(&usage["input_tokens"]), number(&usage["output_tokens"]))),
        Protocol::Anthropic => Some(&value["usage"]).filter(|usage| usage.is_object()).map(|usage| {
            let cached = number(&usage["cache_read_input_tokens"]) + number(&usage["cache_creation_input_tokens"]);
            (number(&usage["input_tokens"]) + cached, number(&usage["output_tokens"]))
        }),
        Protocol::Gemini => Some(&value["usageMetadata"]).filter(|usage| usage.is_object()).map(|usage| {
            let output = number(&usage["candidatesTokenCount"]) + number(&usage["thoughtsTokenCount"]);
            (number(&usage["promptTokenCount"]), output)
        }),
    };
    values.filter_map(told).next_back()
}

/// What the simulator billed for its last `last` requests: input and output.
async fn billed(mock: &Mock, last: usize) -> (u64, u64) {
    let requests = mock.requests().await;
    let number = |request: &Value, name: &str| request["billed"][name].as_u64().unwrap_or(0);
    requests.iter().rev().take(last).fold((0, 0), |(input, output), request| {
        let read =
            ["uncached", "cached", "written_5m", "written_1h"].iter().map(|name| number(request, name)).sum::<u64>();
        (input + read, output + number(request, "output") + number(request, "reasoning"))
    })
}

/// Whether a request ends in an answer that was begun.
fn is_rest(request: &Value) -> bool {
    let last =
        |list: &str| request["body"][list].as_array().and_then(|list| list.last()).map(|last| last["role"].clone());
    last("messages").is_some_and(|role| role == "assistant") || last("contents").is_some_and(|role| role == "model")
}

async fn forget(mock: &Mock) {
    let mut call = super::call::Call::get("/_mock/requests");
    call.method = "DELETE";
    call.send(mock.port).await;
}

fn cuts() -> usize {
    std::env::var("INTERLINGUA_CUTS").ok().and_then(|cuts| cuts.parse().ok()).unwrap_or(CUTS)
}

/// One stream and where it is cut.
struct Cut {
    protocol: Protocol,
    target: &'static str,
    model: &'static str,
    dialect: &'static str,
    text: String,
    fault: String,
    /// Content events before the cut, at least.
    events: u64,
    /// The cut of who goes on.
    again: Option<String>,
}

impl Cut {
    fn new(number: usize, dice: &mut Dice) -> Self {
        let (target, model, dialect) = TARGETS[number / 4 % 4];
        let scenario = ["", "[[text]]", "[[think]]", "[[long:30]]"][number / 16 % 4];
        let mut events = dice.below(14);
        let fault = match dice.below(6) {
            0 => format!("reset-at:{events}"),
            1 => format!("close-at:{events}"),
            2 => format!("end-at:{events}"),
            3 => format!("close-mid-event:{events}"),
            4 => format!("error-after:{events}:529"),
            _ => {
                events = 14;
                "no-finish".to_owned()
            }
        };
        let again = (dice.below(4) == 0).then(|| format!("reset-at:{}", dice.below(3) + 1));
        let text = format!("{scenario} {WORDS}");
        Cut { protocol: ALL[number % 4], target, model, dialect, text, fault, events, again }
    }

    fn script(&self) -> String {
        // The second time the cut comes at whoever goes on; the third finds nothing in its way.
        let again = self.again.as_ref().map_or_else(String::new, |fault| {
            format!(", {{match: {{key: key-b, stream: true, nth: 1}}, faults: ['{fault}']}}")
        });
        let (dialect, fault) = (self.dialect, &self.fault);
        format!("rules: [{{match: {{key: key-a, dialect: {dialect}, nth: 1}}, faults: ['{fault}']}}{again}]")
    }

    async fn send(&self, mock: &Mock, gateway: &Gateway, script: &str) -> Answer {
        mock.script(script).await;
        forget(mock).await;
        gateway.send(&self.protocol.call(self.model, &self.text, true)).await
    }
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Cut { protocol, target, text, fault, again, .. } = self;
        write!(f, "{protocol:?} {target} {} {fault} {again:?}", text.split(' ').next().unwrap_or_default())
    }
}

/// The thoughts that a client is shown.
fn thoughts(protocol: Protocol, answer: &Answer) -> String {
    let events = events(&answer.text()).unwrap_or_default();
    let values = events.iter().filter_map(|(_, data)| serde_json::from_str::<Value>(data).ok());
    let piece = |value: Value| match protocol {
        Protocol::Chat => value["choices"][0]["delta"]["reasoning_content"].as_str().map(str::to_owned),
        Protocol::Responses => value["delta"]
            .as_str()
            .filter(|_| value["type"] == "response.reasoning_summary_text.delta")
            .map(str::to_owned),
        Protocol::Anthropic => value["delta"]["thinking"].as_str().map(str::to_owned),
        Protocol::Gemini => {
            let parts = value["candidates"][0]["content"]["parts"].as_array()?;
            Some(parts.iter().filter(|part| part["thought"] == true).filter_map(|part| part["text"].as_str()).collect())
        }
    };
    values.filter_map(piece).collect()
}

/// Whole answers of each kind, from which the gateway learns what they are billed.
async fn learn(mock: &Mock, gateway: &Gateway) {
    mock.script("").await;
    for scenario in ["", "[[text]]", "[[think]]", "[[long:30]]"] {
        for (_, model, _) in TARGETS {
            let answer = gateway.send(&Protocol::Anthropic.call(model, &format!("{scenario} {WORDS}"), true)).await;
            assert_eq!(answer.status, 200, "{model} {scenario}");
        }
    }
}

/// How many thoughts broke off before the last one, which is `whole`; `None` for anything else.
fn broken_thoughts(all: &str, whole: &str, times_max: usize) -> Option<usize> {
    if all == whole {
        return Some(0);
    }
    let ends = (1..=whole.len()).filter(|end| whole.is_char_boundary(*end) && times_max > 0);
    ends.rev().find_map(|end| {
        let rest = all.strip_prefix(&whole[..end])?;
        // Chat has no blocks: an empty line parts one thought from the next.
        Some(broken_thoughts(rest.strip_prefix("\n\n").unwrap_or(rest), whole, times_max - 1)? + 1)
    })
}

#[tokio::test]
async fn a_stream_that_is_cut_anywhere_goes_on_without_a_seam() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(mock.port)).await;
    let (mut dice, began, mut whole_anyway) = (Dice(0x9E37_79B9_7F4A_7C15), Instant::now(), 0);
    let (mut gone_on, mut anew, mut exact, mut estimated) = (0, 0, 0, 0);
    let (mut off_most, mut off_sum, mut near) = (0.0_f64, 0.0, 0);
    learn(&mock, &gateway).await;
    let cuts = cuts();
    for number in 0..cuts {
        let cut = Cut::new(number, &mut dice);
        let (protocol, case) = (cut.protocol, cut.to_string());
        let uncut = cut.send(&mock, &gateway, "").await;
        let (text, ..) = read(protocol, &uncut);
        let answer = cut.send(&mock, &gateway, &cut.script()).await;
        assert_eq!(answer.status, 200, "{case}: {}", answer.text());
        let (said, ends, errors) = read(protocol, &answer);
        assert_eq!((ends, errors), (1, 0), "{case}: {}", answer.text());
        assert_eq!(said, text, "{case}");
        let (shown, whole) = (thoughts(protocol, &answer), thoughts(protocol, &uncut));
        let broken = broken_thoughts(&shown, &whole, 2);
        assert!(broken.is_some(), "{case}: {shown:?}");
        let requests = mock.requests().await;
        let asked = requests.len();
        let from_text = asked > 1 && requests.iter().skip(1).all(is_rest);
        match (from_text, broken.unwrap_or(0)) {
            (true, _) => gone_on += 1,
            (false, 1..) => anew += 1,
            _ => whole_anyway += 1,
        }
        // What failed before the client had anything of it is no part of its bill.
        let is_billed = from_text || (broken.is_some_and(|broken| broken > 0) && cut.events > 0);
        let told = usage(protocol, &answer).filter(|_| is_billed);
        if let Some((input, output)) = told
            && bills_are_settled(&mock).await
        {
            let (billed_input, billed_output) = billed(&mock, asked).await;
            if cut.target == "gemini" {
                assert_eq!((input, output), (billed_input, billed_output), "{case}");
                exact += 1;
                continue;
            }
            if cut.target == "anthropic" {
                assert_eq!(input, billed_input, "{case}");
            }
            let off = (output as f64 - billed_output as f64).abs() / billed_output as f64;
            assert!(off <= 0.1, "{case}: {output} of {billed_output}");
            (off_most, off_sum, estimated) = (off_most.max(off), off_sum + off, estimated + 1);
            near += u32::from(off <= 0.05);
        }
    }
    println!(
        "{cuts} streams cut, all complete: {gone_on} gone on with from their text, {anew} asked anew behind a thought that broke \
         off, {whole_anyway} whole anyway; {exact} bills equal, output of {estimated} others off by {:.1} % at most, {:.1} % in \
         the mean, {near} of them by 5 % or less, {:?}",
        off_most * 100.0,
        off_sum * 100.0 / f64::from(estimated.max(1)),
        began.elapsed()
    );
    assert!(gone_on * 10 > cuts * 6 && anew * 20 > cuts && exact > 0 && estimated > 0);
    assert!(off_sum <= 0.05 * f64::from(estimated));
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn with_the_switch_off_a_stream_that_is_cut_anywhere_ends_with_one_error() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(mock.port).resilience("continuation: { mode: off }")).await;
    let (mut dice, began) = (Dice(0x2545_F491_4F6C_DD1D), Instant::now());
    let (mut failed, mut whole) = (0, 0);
    let cuts = cuts();
    for number in 0..cuts {
        let cut = Cut { again: None, ..Cut::new(number, &mut dice) };
        let (protocol, case) = (cut.protocol, cut.to_string());
        let uncut = cut.send(&mock, &gateway, "").await;
        let text = protocol.text(&events(&uncut.text()).expect("whole events"));
        let answer = cut.send(&mock, &gateway, &cut.script()).await;
        let events = events(&answer.text()).expect("whole events");
        let ((ends, errors), said) = (protocol.ends(&events), protocol.text(&events));
        if errors == 0 {
            // It broke before the client had anything of it, or behind its end.
            assert_eq!((ends, said.as_str()), (1, text.as_str()), "{case}");
            whole += 1;
        } else {
            // The simulated Chat server says `[DONE]` behind its own error.
            assert!(errors == 1 && ends <= usize::from(protocol == Protocol::Chat), "{case}: {}", answer.text());
            assert!(text.starts_with(&said), "{case}: {said}");
            assert_eq!(mock.requests().await.len(), 1, "{case}");
            failed += 1;
        }
    }
    println!(
        "{cuts} streams cut with the switch off: {failed} ended with one error, {whole} were whole, {:?}",
        began.elapsed()
    );
    assert!(failed * 2 > cuts);
    assert_eq!(gateway.metrics().await.sum("interlingua_continuations_total", &[]), 0);
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn a_thought_that_breaks_off_is_asked_anew_also_where_nobody_goes_on_from_a_text() {
    let mock = Mock::start("").await;
    let stage = Stage::new(mock.port).account("a", "tier: pro").account("b", "tier: free").resilience(QUICK);
    let gateway = Gateway::start(&stage).await;
    for protocol in ALL {
        for target in ["chat", "responses"] {
            let call = protocol.call(&format!("{target}/m"), &format!("[[think]] {WORDS}"), true);
            mock.script("").await;
            let uncut = gateway.send(&call).await;
            let (text, whole) = (read(protocol, &uncut).0, thoughts(protocol, &uncut));
            for (fault, broken) in [("reset-at:4", 1), ("end-at:1", 1), ("error-after:2:529", 1)] {
                mock.script(&format!("rules: [{{match: {{key: key-a, nth: 1}}, faults: ['{fault}']}}]")).await;
                forget(&mock).await;
                let answer = gateway.send(&call).await;
                let case = format!("{protocol:?} {target} {fault}");
                assert_eq!(read(protocol, &answer), (text.clone(), 1, 0), "{case}");
                assert_eq!(broken_thoughts(&thoughts(protocol, &answer), &whole, 2), Some(broken), "{case}");
                assert_eq!(mock.requests().await.len(), 2, "{case}");
            }
        }
    }
    gateway.comes_to_rest().await;
}

/// The bill of a request is settled when its answer ends, which is a moment after its last byte.
async fn bills_are_settled(mock: &Mock) -> bool {
    super::rig::eventually(Duration::from_secs(2), || async {
        mock.requests().await.iter().all(|request| request["billed"].is_object())
    })
    .await
}

#[tokio::test]
async fn with_the_switch_off_each_cut_stream_ends_with_one_error() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(mock.port).resilience("continuation: { mode: off }")).await;
    for protocol in ALL {
        for (target, model, dialect) in TARGETS {
            for fault in ["reset-at:3", "close-at:2", "end-at:4", "close-mid-event:3", "error-after:2:529", "no-finish"]
            {
                forget(&mock).await;
                let rule = format!("{{match: {{key: key-a, dialect: {dialect}}}, faults: ['{fault}']}}");
                mock.script(&format!("rules: [{rule}]")).await;
                let answer = gateway.send(&protocol.call(model, WORDS, true)).await;
                // The simulator's own error event passes, whatever its number.
                let events = events(&answer.text()).expect("whole events");
                let ((ends, errors), said) = (protocol.ends(&events), protocol.text(&events));
                let case = format!("{protocol:?} {target} {fault}");
                assert!(ends <= usize::from(protocol == Protocol::Chat) && errors == 1, "{case}: {ends} {errors}");
                assert!(format!("You said: {WORDS}").starts_with(&said) && !said.is_empty(), "{case}: {said}");
                assert_eq!(mock.requests().await.len(), 1, "{case}");
            }
        }
    }
    assert_eq!(gateway.metrics().await.sum("interlingua_continuations_total", &[]), 0);
}

#[tokio::test]
async fn who_says_the_last_sentence_again_is_not_heard_twice() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(mock.port)).await;
    for protocol in ALL {
        for repeated in [24, 30, 60, 500] {
            let script = format!(
                "rules: [{{match: {{key: key-a}}, faults: ['reset-at:7']}}, {{match: {{key: key-b}}, faults: ['repeat-tail:{repeated}']}}]"
            );
            mock.script(&script).await;
            let answer = gateway.send(&protocol.call("gemini/m", WORDS, true)).await;
            assert_eq!(read(protocol, &answer), (format!("You said: {WORDS}"), 1, 0), "{protocol:?} {repeated}");
        }
    }
}

#[tokio::test]
async fn a_silent_provider_and_a_limited_one_are_passed_over() {
    let mock = Mock::start("").await;
    let stage = stage(mock.port)
        .account("c", "tier: unknown")
        .upstream("quirks: { prefill: plain }, timeouts: { idle: 300ms }");
    let gateway = Gateway::start(&stage).await;
    for protocol in ALL {
        for target in ["chat", "anthropic", "gemini"] {
            let limited = "{match: {key: key-b}, faults: ['429']}";
            mock.script(&format!("rules: [{{match: {{key: key-a}}, faults: ['hang-after:5']}}, {limited}]")).await;
            let answer = gateway.send(&protocol.call(&format!("{target}/m"), WORDS, true)).await;
            assert_eq!(read(protocol, &answer), (format!("You said: {WORDS}"), 1, 0), "{protocol:?} {target}");
        }
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("interlingua_continuations_total", &[("result", "completed")]), 12);
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn the_only_account_goes_on_itself_and_no_more_often_than_it_may() {
    let mock = Mock::start("").await;
    let stage = Stage::with(mock.port, &["a"]).resilience(QUICK).resilience("continuation: { times_max: 2 }");
    let gateway = Gateway::start(&stage).await;
    for protocol in ALL {
        for (times, whole) in [("[1]", true), ("[1, 2]", true), ("[1, 2, 3]", false)] {
            mock.script(&format!("rules: [{{match: {{nth: {times}}}, faults: ['close-at:3']}}]")).await;
            forget(&mock).await;
            let answer = gateway.send(&protocol.call("anthropic/m", WORDS, true)).await;
            let (said, ends, errors) = read(protocol, &answer);
            let asked = mock.requests().await.len();
            if whole {
                assert_eq!((said, ends, errors), (format!("You said: {WORDS}"), 1, 0), "{protocol:?} {times}");
            } else {
                assert!(format!("You said: {WORDS}").starts_with(&said) && errors == 1, "{protocol:?}: {said}");
                assert_eq!(asked, 3, "{protocol:?}");
            }
        }
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("interlingua_continuations_total", &[("result", "completed")]), 8);
    assert_eq!(metrics.sum("interlingua_continuations_total", &[("result", "failed")]), 4);
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn what_nobody_can_go_on_with_ends_with_one_error() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a", "b"]).resilience(QUICK)).await;
    for protocol in ALL {
        // Plain Chat servers and Responses go on with nothing.
        for target in ["chat", "responses"] {
            mock.script("rules: [{faults: ['reset-at:4']}]").await;
            forget(&mock).await;
            let answer = gateway.send(&protocol.call(&format!("{target}/m"), WORDS, true)).await;
            let (said, ends, errors) = read(protocol, &answer);
            assert!(
                format!("You said: {WORDS}").starts_with(&said) && !said.is_empty(),
                "{protocol:?} {target}: {said}"
            );
            assert!(
                ends <= usize::from(protocol == Protocol::Chat) && errors == 1,
                "{protocol:?} {target}: {ends} {errors}"
            );
            assert_eq!(mock.requests().await.len(), 1, "{protocol:?} {target}");
        }
        // A model that refuses the begun answer, in spite of what is thought of it.
        mock.script("rules: [{match: {nth: 1}, faults: ['reset-at:4']}, {match: {nth: [2, 3, 4]}, faults: ['400']}]")
            .await;
        let answer = gateway.send(&protocol.call("gemini/m", WORDS, true)).await;
        let (_, ends, errors) = read(protocol, &answer);
        assert!(ends <= usize::from(protocol == Protocol::Chat) && errors == 1, "{protocol:?}: {ends} {errors}");
    }
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn a_client_that_does_not_stream_gets_the_whole_answer() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(mock.port).upstream("stream: always, quirks: { prefill: prefix }")).await;
    for protocol in ALL {
        for target in ["chat", "anthropic", "gemini", "responses"] {
            for fault in ["reset-at:3", "end-at:2", "error-after:4:529", "no-finish"] {
                mock.script(&format!("rules: [{{match: {{key: key-a}}, faults: ['{fault}']}}]")).await;
                let answer = gateway.send(&protocol.call(&format!("{target}/m"), WORDS, false)).await;
                let said = protocol.said(&answer, false);
                assert_eq!(said, Ok(format!("You said: {WORDS}")), "{protocol:?} {target} {fault}");
            }
        }
    }
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn a_stream_as_one_array_stays_one() {
    let mock = Mock::start("rules: [{match: {key: key-a}, faults: ['reset-at:4']}]").await;
    let gateway = Gateway::start(&stage(mock.port)).await;
    for target in ["gemini", "anthropic"] {
        let call = Protocol::Gemini.call(&format!("{target}/m"), WORDS, true);
        let call = super::call::Call { path: call.path.replace("?alt=sse", ""), ..call };
        let answer = gateway.send(&call).await;
        let chunks = answer.json();
        let text: String = chunks
            .as_array()
            .expect("an array")
            .iter()
            .filter_map(|chunk| chunk["candidates"][0]["content"]["parts"][0]["text"].as_str())
            .collect();
        assert_eq!(text, format!("You said: {WORDS}"), "{target}");
    }
}
