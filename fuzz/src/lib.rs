//! What the targets share.

use interlingua_filters::Dialect;
use interlingua_filters::ir::{ApiError, ErrorKind, ReplyContext, ReplyNotes};
use interlingua_filters::lane::Lane;
use interlingua_filters::reply::{Reply, ReplyPlan};

/// Runs `data` as the answer of every provider to every client, in both of the client's modes, in pieces.
pub fn run(data: &[u8], upstream_streams: bool) {
    let step = usize::from(data.last().copied().unwrap_or(0)) + 1;
    for upstream in Dialect::ALL {
        for client in Dialect::ALL {
            for client_streams in [true, false] {
                one(data, step, upstream, client, client_streams, upstream_streams);
            }
        }
    }
}

fn one(
    data: &[u8],
    step: usize,
    upstream: Dialect,
    client: Dialect,
    client_streams: bool,
    upstream_streams: bool,
) {
    let is_spliced = client == upstream && client_streams == upstream_streams;
    let mut reply = Reply::new(ReplyPlan {
        lane: if is_spliced { Lane::Splice } else { Lane::Convert },
        client,
        upstream,
        client_streams,
        upstream_streams,
        context: ReplyContext { model: "m".to_owned(), include_usage: true, reasoning_content: true, ..ReplyContext::default() },
        notes: ReplyNotes::default(),
        strip_usage: true,
    });
    let mut out = Vec::new();
    let pushed = data.chunks(step).try_for_each(|piece| reply.push(piece, &mut out));
    if pushed.is_ok() {
        reply.finish(&mut out);
        assert!(reply.ended() || reply.failure().is_some(), "{upstream:?} to {client:?}: neither an end nor a failure");
    }
    if !reply.ended() {
        let error = reply.failure().cloned().unwrap_or_else(|| ApiError::new(ErrorKind::BadGateway, "broken"));
        reply.error_event(&error, &mut out);
        assert!(reply.ended());
    }
    if !is_spliced && !client_streams {
        let read = serde_json::from_slice::<serde_json::Value>(&out);
        assert!(read.is_ok(), "{upstream:?} to {client:?}: {}", String::from_utf8_lossy(&out));
    }
}
