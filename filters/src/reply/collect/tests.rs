use super::*;
use crate::reply::expand;

fn round_trip(response: &Response<'_>) -> Response<'static> {
    let mut collector = Collector::new(response.origin);
    expand(response, &mut |event| collector.push(event).unwrap());
    collector.into_response()
}

fn choice(blocks: Vec<Block<'static>>, stop: StopReason) -> Choice<'static> {
    let stop_sequence = (stop == StopReason::StopSequence).then(|| Str::from("END"));
    Choice { index: 0, blocks, stop, stop_raw: None, stop_sequence, extra: Extra::default(), form: 0 }
}

fn response(choices: Vec<Choice<'static>>) -> Response<'static> {
    Response {
        origin: Dialect::Anthropic,
        id: Some(Str::from("msg_1")),
        model: Some(Str::from("m")),
        created: None,
        choices,
        usage: None,
        extra: Extra::default(),
    }
}

#[test]
fn citations_and_media_survive() {
    let cited = Block::new(BlockKind::Text {
        text: Str::from("a"),
        citations: Raw::from_string(r#"[{"n":1.0},{"n":2}]"#.to_owned()),
    });
    let media = |mime: &'static str| Media {
        mime: Some(Str::from(mime)),
        source: MediaSource::Base64(Str::from("QUJD")),
        name: None,
    };
    let blocks = vec![
        cited,
        Block::new(BlockKind::Image(media("image/png"))),
        Block::new(BlockKind::Audio(media("audio/wav"))),
        Block::new(BlockKind::Video(media("video/mp4"))),
        Block::new(BlockKind::File(media("application/pdf"))),
        Block::new(BlockKind::Opaque {
            dialect: Dialect::Anthropic,
            raw: Raw::from_string(r#"{"type":"server_tool_use"}"#.to_owned()).unwrap(),
        }),
    ];
    let answer = response(vec![choice(blocks, StopReason::StopSequence)]);
    assert_eq!(format!("{:?}", round_trip(&answer)), format!("{answer:?}"));
}

#[test]
fn a_refused_prompt_has_one_choice_that_says_so() {
    let collected = round_trip(&response(Vec::new()));
    assert_eq!(collected.choices[0].stop, StopReason::Refusal);
}

#[test]
fn the_explanation_of_a_refusal_is_kept_once() {
    let note = Some(Str::from("unsafe"));
    let finish = Event::Finish { choice: 0, stop: StopReason::Refusal, stop_sequence: None, note };
    let mut collector = Collector::new(Dialect::Gemini);
    collector.push(finish.clone()).unwrap();
    let blocks = collector.into_response().choices.remove(0).blocks;
    assert!(matches!(&blocks[..], [Block { kind: BlockKind::Refusal { text }, .. }] if *text == "unsafe"));
    let mut collector = Collector::new(Dialect::Gemini);
    collector.push(Event::BlockStart { index: 0, choice: 0, block: BlockStart::Refusal }).unwrap();
    collector.push(Event::Delta { index: 0, delta: Delta::Text(Str::from("no")) }).unwrap();
    collector.push(finish).unwrap();
    assert_eq!(collector.into_response().choices[0].blocks.len(), 1);
}

#[test]
fn an_endless_answer_is_given_up() {
    let text = "x".repeat(1 << 20);
    let mut collector = Collector::new(Dialect::Gemini);
    collector.push(Event::BlockStart { index: 0, choice: 0, block: BlockStart::Text }).unwrap();
    let result: Result<Vec<()>, _> = (0..70)
        .map(|_| collector.push(Event::Delta { index: 0, delta: Delta::Text(Str::from(text.as_str())) }))
        .collect();
    assert_eq!(result, Err(TooLarge));
}
