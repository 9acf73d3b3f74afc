//! `Reply` over every pair of dialects and every pair of modes.

use interlingua_filters::Dialect;
use interlingua_filters::dialects::{decode_error, decode_response, encode_response};
use interlingua_filters::ir::{Event, ReplyNotes, Response, Usage};
use interlingua_filters::lane::Lane;
use interlingua_filters::reply::{Reply, ReplyPlan};
use proptest::prelude::*;

use crate::generate::{dialect, response};
use crate::pairs::context;
use crate::streams::{collected, decoded, streamed};
use crate::{cases, meaning};

fn plan(client: Dialect, upstream: Dialect, client_streams: bool, upstream_streams: bool) -> ReplyPlan {
    let is_spliced = client == upstream && client_streams == upstream_streams;
    ReplyPlan {
        lane: if is_spliced { Lane::Splice } else { Lane::Convert },
        client,
        upstream,
        client_streams,
        upstream_streams,
        context: context(),
        notes: ReplyNotes::default(),
        strip_usage: false,
    }
}

/// All plans for an answer of `upstream`, with what the provider sends.
fn plans(upstream: Dialect, response: &Response<'_>) -> Vec<(ReplyPlan, Vec<u8>)> {
    let mut whole = Vec::new();
    encode_response(upstream, response, &context(), &mut whole);
    let stream = streamed(upstream, response);
    let mut all = Vec::new();
    for client in Dialect::ALL {
        for client_streams in [true, false] {
            for (upstream_streams, sent) in [(true, &stream), (false, &whole)] {
                all.push((plan(client, upstream, client_streams, upstream_streams), sent.clone()));
            }
        }
    }
    all
}

fn run(plan: &ReplyPlan, pieces: &[&[u8]]) -> (Reply, Vec<u8>) {
    let (mut reply, mut out) = (Reply::new(plan.clone()), Vec::new());
    for piece in pieces {
        reply.push(piece, &mut out).unwrap();
    }
    reply.finish(&mut out);
    (reply, out)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_mode_meets_any_mode((upstream, response) in dialect().prop_flat_map(|by| (Just(by), response(by)))) {
        let meant = meaning::of_response(&response);
        for (plan, sent) in plans(upstream, &response) {
            let (reply, out) = run(&plan, &[&sent]);
            let shown = String::from_utf8_lossy(&out);
            prop_assert!(reply.failure().is_none(), "{:?} {:?}", plan, reply.failure());
            prop_assert!(reply.ended() && reply.committed());
            prop_assert_eq!(reply.stop(), Some(meant.stop));
            prop_assert_eq!(reply.usage().map(Usage::output_total), meant.tokens.map(|tokens| tokens.2));
            prop_assert_eq!(reply.calls() as usize, meant.calls.len());
            let arrived = if plan.client_streams {
                meaning::of_response(&collected(plan.client, decoded(plan.client, &[&out])))
            } else {
                meaning::of_response(&decode_response(plan.client, &out).unwrap())
            };
            prop_assert_eq!(&arrived, &meant, "{:?}: {}", plan, shown);
            if plan.lane == Lane::Splice {
                prop_assert_eq!(&out, &sent);
            }
        }
    }

    #[test]
    fn any_split_gives_the_same_bytes(
        (upstream, response) in dialect().prop_flat_map(|by| (Just(by), response(by))),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 1..6),
    ) {
        for (plan, sent) in plans(upstream, &response) {
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(sent.len())).collect();
            at.extend([0, sent.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &sent[pair[0]..pair[1]]).collect();
            prop_assert_eq!(run(&plan, &pieces).1, run(&plan, &[&sent]).1, "{:?}", plan);
        }
    }

    #[test]
    fn an_answer_cut_anywhere_has_one_terminal(
        (upstream, response) in dialect().prop_flat_map(|by| (Just(by), response(by))),
        cut in any::<prop::sample::Index>(),
    ) {
        for (plan, sent) in plans(upstream, &response) {
            let (mut reply, mut out) = run(&plan, &[&sent[..cut.index(sent.len())]]);
            prop_assert!(reply.ended() != reply.failure().is_some(), "{:?}", plan);
            let Some(failure) = reply.failure().cloned() else { continue };
            prop_assert!(plan.client_streams || out.is_empty());
            reply.error_event(&failure, &mut out);
            reply.error_event(&failure, &mut out);
            prop_assert!(reply.ended());
            if plan.client_streams {
                // `decoded` holds that there is one terminal.
                let events = decoded(plan.client, &[&out]);
                let Some(Event::Error(error)) = events.last() else { panic!("{plan:?} {}", String::from_utf8_lossy(&out)) };
                prop_assert!(error.message.contains(&failure.message), "{:?} {}", error, String::from_utf8_lossy(&out));
            } else {
                prop_assert!(decode_error(plan.client, 502, &out).message.contains(&failure.message));
            }
        }
    }
}
