//! Answers: each field alone, from every provider to every client, whole and streamed.

use interlingua_filters::Dialect;
use interlingua_filters::dialects::{StreamDecoder, decode_response};
use interlingua_filters::ir::{Losses, ReplyContext, ReplyNotes, Response};
use interlingua_filters::lane::Lane;
use interlingua_filters::reply::{Collector, Reply, ReplyPlan};
use interlingua_filters::sse::Parser;

use crate::answer_fields::{AnswerField, fields};
use crate::reasons::IMPLIED;
use crate::{Cell, Row, Silent, lossy, named};

fn plan(client: Dialect, upstream: Dialect, streams: bool) -> ReplyPlan {
    ReplyPlan {
        lane: if client == upstream { Lane::Splice } else { Lane::Convert },
        client,
        upstream,
        client_streams: streams,
        upstream_streams: streams,
        context: ReplyContext {
            model: "m".to_owned(),
            created: 1_700_000_000,
            seed: 7,
            sequence: 0,
            include_usage: true,
            reasoning_content: true,
            request: b"{}"[..].into(),
        },
        notes: ReplyNotes::default(),
        strip_usage: false,
    }
}

/// What the client gets, and what is reported as lost.
fn translated(plan: ReplyPlan, sent: &str, about: &str) -> (Vec<u8>, Losses) {
    let (mut reply, mut out) = (Reply::new(plan), Vec::new());
    reply.push(sent.as_bytes(), &mut out).unwrap();
    reply.finish(&mut out);
    assert!(reply.ended(), "{about}: {:?}", reply.failure());
    (out, reply.losses().clone())
}

/// A stream put together again.
fn collected(dialect: Dialect, stream: &[u8]) -> Response<'static> {
    let (mut parser, mut decoder, mut collector) =
        (Parser::default(), StreamDecoder::new(dialect), Collector::new(dialect));
    let mut give = |event: interlingua_filters::ir::Event<'_>| collector.push(event).unwrap();
    parser.push(stream, &mut |event| decoder.event(event, &mut give)).unwrap();
    parser.finish(&mut |event| decoder.event(event, &mut give));
    decoder.finish(&mut give);
    collector.into_response()
}

fn cell(field: &AnswerField, upstream: Dialect, client: Dialect, streams: bool, silent: &mut Silent) -> Cell {
    let Some(sample) = &field.samples[upstream as usize] else { return Cell::Unsaid };
    let sent = if streams { &sample.stream } else { &sample.whole };
    let about = format!("{}: {} to {}", field.name, upstream.name(), client.name());
    let meant = if streams {
        (field.meaning)(&collected(upstream, sent.as_bytes()))
    } else {
        (field.meaning)(&decode_response(upstream, sent.as_bytes()).unwrap_or_else(|error| panic!("{about}: {error}")))
    };
    let Some(meant) = meant else {
        let said = format!("{}: not read from {}", field.name, upstream.name());
        if !silent.contains(&said) {
            silent.push(said);
        }
        return Cell::Unsaid;
    };
    let (got, losses) = translated(plan(client, upstream, streams), sent, &about);
    if client == upstream {
        assert_eq!(String::from_utf8_lossy(&got), *sent, "{about}");
        return Cell::Kept;
    }
    if !losses.is_empty() {
        return lossy(&losses);
    }
    let arrived = if streams {
        (field.meaning)(&collected(client, &got))
    } else {
        (field.meaning)(&decode_response(client, &got).unwrap_or_else(|error| panic!("{about}: {error}")))
    };
    if arrived.as_ref() != Some(&meant) {
        if IMPLIED
            .iter()
            .any(|(name, targets, _)| *name == field.name && (targets.is_empty() || targets.contains(&client)))
        {
            return Cell::Implied;
        }
        let mode = if streams { "streamed " } else { "" };
        silent.push(format!("{mode}{about} without a word: {meant:?} became {arrived:?}"));
    }
    Cell::Mapped
}

fn rows(streams: bool) -> (Vec<Row>, Silent) {
    let (mut rows, mut silent) = (Vec::new(), Silent::new());
    let fields = fields();
    for from in Dialect::ALL {
        for field in fields.iter().filter(|field| field.samples[from as usize].is_some()) {
            let to = Dialect::ALL.map(|client| cell(field, from, client, streams, &mut silent));
            rows.push(Row { field: field.name, from, to });
        }
    }
    (rows, silent)
}

/// Rows of whole answers, and what was lost in silence.
pub(crate) fn whole() -> (Vec<Row>, Silent) {
    rows(false)
}

/// Rows of streamed answers, and what was lost in silence.
pub(crate) fn streamed() -> (Vec<Row>, Silent) {
    rows(true)
}

#[test]
fn a_plain_answer_loses_nothing() {
    let fields = fields();
    let plain = fields.iter().find(|field| field.name == "text").unwrap();
    for upstream in Dialect::ALL {
        for client in Dialect::ALL {
            let sample = plain.samples[upstream as usize].as_ref().unwrap();
            for (streams, sent) in [(false, &sample.whole), (true, &sample.stream)] {
                let (_, losses) = translated(plan(client, upstream, streams), sent, "text");
                assert_eq!(named(&losses), "", "{upstream:?} to {client:?}");
            }
        }
    }
}
