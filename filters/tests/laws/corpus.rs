//! Recorded provider traffic, where a directory of it is at hand: set `INTERLINGUA_CORPUS`. It is not in the repository.

use std::path::PathBuf;

use interlingua_filters::Dialect;
use interlingua_filters::custody::Seals;
use interlingua_filters::dialects::{Endpoint, Target, decode_response};
use interlingua_filters::ir::{ReplyNotes, Response, StopReason};
use interlingua_filters::json::Str;
use interlingua_filters::json::skim::skim;
use interlingua_filters::lane::Lane;
use interlingua_filters::reply::{Reply, ReplyPlan};
use interlingua_filters::request::{PrepareError, prepare};
use serde_json::Value;

use crate::meaning::{self, Answer};
use crate::pairs::context;
use crate::streams::{collected, decoded};

struct Exchange {
    id: String,
    dialect: Dialect,
    streams: bool,
    expected: Value,
    request: Option<Vec<u8>>,
    answer: Vec<u8>,
}

/// The exchanges that succeeded; none without a corpus.
fn exchanges() -> Vec<Exchange> {
    let Ok(root) = std::env::var("INTERLINGUA_CORPUS").map(PathBuf::from) else { return Vec::new() };
    let index = std::fs::read_to_string(root.join("index.jsonl")).unwrap();
    let lines = index.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|meta| {
            meta["status"] == 200 && meta["expected"]["text"].is_string() && meta["expected"]["stop"].is_string()
        })
        .filter_map(|meta| {
            let dialect = Dialect::parse(meta["dialect"].as_str()?)?;
            let id = meta["id"].as_str()?.to_owned();
            let base = root.join(dialect.name());
            let body: Value = serde_json::from_slice(&std::fs::read(base.join(format!("{id}.json"))).unwrap()).unwrap();
            let request = body
                .get("request")
                .filter(|request| request.is_object())
                .map(|request| serde_json::to_vec(request).unwrap());
            let answer = std::fs::read(base.join(format!("{id}.resp"))).unwrap();
            let streams = meta["stream"] == true;
            Some(Exchange { id, dialect, streams, expected: meta["expected"].clone(), request, answer })
        })
        .collect()
}

fn plan(exchange: &Exchange, client: Dialect, client_streams: bool) -> ReplyPlan {
    let is_spliced = client == exchange.dialect && client_streams == exchange.streams;
    ReplyPlan {
        lane: if is_spliced { Lane::Splice } else { Lane::Convert },
        client,
        upstream: exchange.dialect,
        client_streams,
        upstream_streams: exchange.streams,
        context: context(),
        notes: ReplyNotes::default(),
        strip_usage: false,
    }
}

fn run(plan: ReplyPlan, answer: &[u8]) -> Result<(Reply, Vec<u8>), String> {
    let (mut reply, mut out) = (Reply::new(plan), Vec::new());
    for piece in answer.chunks(97) {
        reply.push(piece, &mut out).map_err(|error| error.to_string())?;
    }
    reply.finish(&mut out);
    match reply.failure() {
        Some(error) => Err(format!("{error:?}")),
        None => Ok((reply, out)),
    }
}

/// The provider's answer as its own dialect's decoder reads it.
fn own(exchange: &Exchange) -> Answer {
    let response: Response<'_> = if exchange.streams {
        collected(exchange.dialect, decoded(exchange.dialect, &[&exchange.answer]))
    } else {
        decode_response(exchange.dialect, &exchange.answer).unwrap()
    };
    meaning::of_response(&response)
}

/// Runs `check` on every exchange and lists those that fail it.
fn all(check: impl Fn(&Exchange) -> Result<(), String>) {
    let exchanges = exchanges();
    let failed: Vec<String> = exchanges
        .iter()
        .filter_map(|exchange| Some(format!("{:?} {}: {}", exchange.dialect, exchange.id, check(exchange).err()?)))
        .collect();
    assert!(failed.is_empty(), "{} of {} fail:\n{}", failed.len(), exchanges.len(), failed.join("\n"));
}

#[test]
fn spliced_answers_pass_untouched_and_are_understood() {
    all(|exchange| {
        let (reply, out) = run(plan(exchange, exchange.dialect, exchange.streams), &exchange.answer)?;
        if out != exchange.answer {
            return Err("the bytes differ".to_owned());
        }
        if !reply.ended() || !reply.committed() {
            return Err("no end was seen".to_owned());
        }
        let in_pieces = String::from_utf8_lossy(&exchange.answer).contains("\"partialArgs\"");
        // Gemini's calls in pieces are listed piece by piece.
        let calls = exchange.expected["tool_calls"].as_array().filter(|_| !in_pieces).map_or(0, Vec::len);
        // Freeform calls are not among those that are expected.
        if (reply.calls() as usize) < calls {
            return Err(format!("{} calls of {calls} were seen", reply.calls()));
        }
        match (exchange.expected["usage"]["output"].as_u64(), reply.usage()) {
            (Some(_), None) => Err("no usage was seen".to_owned()),
            _ => Ok(()),
        }
    });
}

#[test]
fn answers_mean_the_same_to_every_client_in_every_mode() {
    all(|exchange| {
        let meant = own(exchange);
        for client in Dialect::ALL {
            for client_streams in [true, false] {
                let what = format!("to {client:?}, {}", if client_streams { "streamed" } else { "whole" });
                let (_, out) = run(plan(exchange, client, client_streams), &exchange.answer)?;
                let arrived = if client_streams {
                    meaning::of_response(&collected(client, decoded(client, &[&out])))
                } else {
                    meaning::of_response(&decode_response(client, &out).map_err(|error| format!("{what}: {error}"))?)
                };
                // Stop reasons and token kinds of one dialect have no equal in each other, and a refusal's explanation
                // becomes text where there is no other place for it. So does the note of a picture that nobody can show.
                let is_note = arrived.text.starts_with("[The model made a") && arrived.text.ends_with(&meant.text);
                let same_text = arrived.text == meant.text || meant.stop == StopReason::Refusal || is_note;
                if !same_text || arrived.calls != meant.calls {
                    return Err(format!("{what}: {arrived:?} is not {meant:?}"));
                }
            }
        }
        Ok(())
    });
}

#[test]
fn requests_are_skimmed_and_prepared_for_every_provider() {
    all(|exchange| {
        let Some(body) = &exchange.request else { return Ok(()) };
        let found = skim(exchange.dialect, body).map_err(|error| error.to_string())?;
        let endpoint = Endpoint { model: Some(Str::from("m")), stream: Some(exchange.streams) };
        for upstream in Dialect::ALL {
            let target = Target::new("target", exchange.streams);
            match prepare(exchange.dialect, &endpoint, body, &found, upstream, &target, Seals::default()) {
                Ok(prepared) => drop(serde_json::from_slice::<Value>(&prepared.body).unwrap()),
                // What cannot be said there is refused with the member's name.
                Err(PrepareError::Encode(error)) if upstream != exchange.dialect && error.param.is_some() => {}
                Err(error) => return Err(format!("to {upstream:?}: {error}")),
            }
        }
        Ok(())
    });
}
