//! A request of the gateway's own, sent as a client's would be: the same account, encoding, header and judgement. Only the
//! way over the wire is another one, since there is no client.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use interlingua_filters::Dialect;
use interlingua_filters::json::skim;
use pingora::http::{RequestHeader, ResponseHeader};
use serde_json::json;

use super::clock::now;
use super::ctx::{Ctx, Inbound};
use super::errand::Errand;
use super::failover::transport;
use super::gateway::Gateway;
use super::upstream_peer::encode;
use super::upstream_request::upstream_request_filter;
use super::{access, logging, recording, response, trail};
use crate::config::{Account, Snapshot, Upstream};
use crate::egress::Way;
use crate::limits::{Cost, Reason};
use crate::pool::{Ask, Attempted, select};
use crate::routing::{Route, Step, StepKind};
use crate::warm_up::OK;

/// Longest time of one request.
const TOTAL: Duration = Duration::from_mins(1);
/// What is said. The provider may know what it is for.
const TEXT: &str = "This is an automatic check of this account by its owner's gateway. Answer with: ok";
/// Tokens that the request takes about.
const COST: Cost = Cost { tokens: 40 };

impl Gateway {
    /// Sends one small request through an account. What comes of it is booked as for any other. Gives `ok` or the reason
    /// of the failure; `None` if it was not sent, since the account is not free.
    pub(crate) async fn warm_up(
        &self,
        snapshot: Arc<Snapshot>,
        account: &Account,
        upstream: &Arc<Upstream>,
        model: &str,
    ) -> Option<&'static str> {
        let pools = snapshot.roster.pools(std::slice::from_ref(upstream));
        let attempted = Attempted::default();
        let ask = Ask {
            upstreams: &pools,
            family: snapshot.config.family(model),
            attempted: &attempted,
            bound: None,
            required: Some(&account.id),
            eligible: None,
            cost: COST,
        };
        let lease = select(&self.registry, &ask, now()).ok()?;
        if lease.is_probe() {
            // The one try of a locked account is a client's, whom it may serve.
            return None;
        }
        let step = Step::new(vec![Arc::clone(upstream)], model.to_owned(), StepKind::Target);
        let mut ctx = Ctx::new(Arc::clone(&snapshot), self.next_id());
        ctx.inbound = Some(inbound(&ctx, &step)?);
        let access = match access::open(self, &ctx, &lease, &step).await {
            Ok(access) => access,
            Err(why) => {
                access::closed(self, &mut ctx, &lease, &step, &why);
                return Some(Reason::Unauthorized.name());
            }
        };
        ctx.attempt = Some(encode(self, &ctx, lease, &step, access).ok()?);
        let told = self.exchange(&ctx).await;
        let result = self.close(&mut ctx, told);
        recording::note_unheard(self, &ctx, true);
        Some(result)
    }

    /// Sends the attempt, and reads its answer whole.
    async fn exchange(&self, ctx: &Ctx) -> pingora::Result<(ResponseHeader, Bytes)> {
        let lost = || pingora::Error::explain(pingora::ErrorType::InternalError, "no attempt");
        let attempt = ctx.attempt.as_ref().ok_or_else(lost)?;
        let mut head = RequestHeader::build("POST", b"/", None)?;
        upstream_request_filter(&mut head, attempt, ctx.inbound()?)?;
        let http = self.http.on(Way::of(&attempt.account, &attempt.upstream));
        let sent = http.carry(&attempt.upstream.base_url, head, attempt.body.clone(), TOTAL);
        let late = || pingora::Error::new(pingora::ErrorType::ReadTimedout);
        tokio::time::timeout(TOTAL, sent).await.map_err(|_| late())??.ok_or_else(lost)
    }

    /// Books what came of the attempt, and names it.
    fn close(&self, ctx: &mut Ctx, told: pingora::Result<(ResponseHeader, Bytes)>) -> &'static str {
        let broken = match told {
            Ok((head, body)) => {
                let read = response::upstream_response_filter(self, &head, ctx)
                    .and_then(|()| response::response_body_filter(self, &mut Some(body), true, ctx));
                read.err().map(|_| None)
            }
            Err(error) => Some(Some(transport(&error, 0))),
        };
        let Some(mut attempt) = ctx.attempt.take() else { return Reason::Unexpected.name() };
        let Some(transport) = broken else {
            logging::settle(self, ctx, &attempt, true);
            return OK;
        };
        if attempt.accepted() && attempt.refusal.is_empty() && attempt.reply.usage().is_some() {
            // One token is often not enough for any content. It was served all the same.
            attempt.failure = None;
            attempt.lease.succeeded(now());
            ctx.trail.note(&attempt, trail::OK, None);
            logging::settle(self, ctx, &attempt, false);
            return OK;
        }
        if access::renews(self, ctx, &attempt) {
            // An access token can end before its time. The next look comes with another one.
            return Reason::Unauthorized.name();
        }
        let mut said = attempt.told(transport);
        let reason = self.book(ctx, &attempt, &mut said, transport).reason.name();
        ctx.trail.note(&attempt, reason, None);
        reason
    }
}

/// What is asked, as if a client of OpenAI Chat did.
fn inbound(ctx: &Ctx, step: &Step) -> Option<Inbound> {
    let turn = json!({"role": "user", "content": TEXT});
    let body = json!({"model": step.model, "max_tokens": 1, "messages": [turn]}).to_string();
    let skim = skim::skim(Dialect::OpenAiChat, body.as_bytes()).ok()?.into_owned();
    Some(Inbound {
        errand: Errand::Generate { array: false },
        model: step.model.clone(),
        stream: false,
        chunks: false,
        body: Bytes::from(body),
        rough: 1,
        pinned: None,
        skim,
        route: Route::single("warm-up".to_owned(), step.upstreams.clone(), step.model.clone()),
        session: None,
        sign: None,
        continues: None,
        travelling: HeaderMap::new(),
        deadline: ctx.started + TOTAL,
    })
}
