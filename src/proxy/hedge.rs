//! The second request of a hedged one. It runs beside Pingora's, with a context of its own and through the same filters;
//! its outbox races with the first one's for the commit point. If it wins, the first is given up where it waits (the
//! downstream session says that it was overtaken), and `fail_to_proxy` reads the second one's answer down to the client.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::{FailToProxy, Session};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::clock::now;
use super::ctx::Ctx;
use super::errand::Errand;
use super::gateway::Gateway;
use super::outbox::Parcel;
use super::upstream_peer::encode;
use super::upstream_request::upstream_request_filter;
use super::{access, logging, recording, response};
use crate::egress::Way;
use crate::hedging::{Facts, Race, Side};
use crate::limits::Cost;
use crate::pool::{Ask, BoundAccount, Lease, select};
use crate::routing::Step;

/// Pieces of the second answer that wait for the client.
const PARCELS_MAX: usize = 8;

/// A second request, planned or under way. Dropping it cancels it.
pub struct Hedge {
    race: Arc<Race>,
    parcels: mpsc::Receiver<Parcel>,
    second: JoinHandle<Box<Ctx>>,
}

impl Drop for Hedge {
    fn drop(&mut self) {
        self.race.end();
    }
}

/// What came of a second request.
enum End {
    /// Nobody was free for it, or it was not needed any more.
    NotSent,
    /// The first was faster, or nobody waited any more.
    Lost,
    /// It failed before it had content.
    Failed,
    /// It is the client's answer.
    Won,
}

/// Plans a second request for the first attempt of a request that may have one.
pub(super) fn arm(gateway: &Arc<Gateway>, ctx: &mut Ctx) {
    let resilience = &ctx.snapshot.config.resilience;
    let hedging = resilience.hedging;
    let (Some(inbound), Some(attempt)) = (&ctx.inbound, &ctx.attempt) else { return };
    if !hedging.enabled || ctx.walk.attempts != 1 || !matches!(inbound.errand, Errand::Generate { .. }) {
        return;
    }
    // A lease for which the conversation has insisted on its account does not tell that it is bound.
    let own = inbound.bindable(ctx.walk.step).and_then(|session| gateway.affinity.bound(session, now()));
    let has_cache = own.is_some_and(|own| *own == *attempt.account.id);
    let facts = Facts {
        warm: resilience.affinity.enabled && (has_cache || attempt.lease.bound() != BoundAccount::None),
        tied: inbound.continues.is_some() || resilience.pinned_account.is_some(),
        paced: attempt.lease.pause_ms() > 0,
    };
    if ctx.hedge.is_some() || !gateway.hedges.asks(facts, hedging.share_percent, now()) {
        return;
    }
    let race = Arc::new(Race::default());
    let mut second = Box::new(Ctx::new(Arc::clone(&ctx.snapshot), ctx.id));
    second.started = ctx.started;
    (second.dialect, second.voice) = (ctx.dialect, ctx.voice);
    second.client.clone_from(&ctx.client);
    (second.client_place, second.tab, second.meter) = (ctx.client_place, ctx.tab.clone(), ctx.meter);
    second.inbound = Some(inbound.clone());
    second.walk.step = ctx.walk.step;
    second.walk.barred.clone_from(&ctx.walk.barred);
    second.walk.attempted.record(&attempt.lease);
    second.outbox.keep(ctx.snapshot.config.records.kept_bytes());
    second.outbox.enter(&race, Side::Second);
    ctx.outbox.enter(&race, Side::First);
    let family = attempt.lease.family().to_owned();
    let (sender, parcels) = mpsc::channel(PARCELS_MAX);
    let task = run(Arc::clone(gateway), second, Arc::clone(&race), family, sender, hedging.after);
    ctx.hedge = Some(Hedge { race, parcels, second: tokio::spawn(task) });
}

/// Waits, sends, reads; books what came of it. Gives the context back.
async fn run(
    gateway: Arc<Gateway>,
    mut ctx: Box<Ctx>,
    race: Arc<Race>,
    family: String,
    parcels: mpsc::Sender<Parcel>,
    after: Duration,
) -> Box<Ctx> {
    tokio::select! {
        () = tokio::time::sleep(after) => {}
        () = race.settled_without_second() => return ctx,
    }
    let deadline = ctx.inbound.as_ref().map(|inbound| inbound.deadline);
    let too_late = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
            None => std::future::pending().await,
        }
        if race.is_lost(Side::First) {
            // It has won: then it may take its time.
            std::future::pending::<()>().await;
        }
    };
    let end = tokio::select! {
        biased;
        () = race.lost(Side::Second) => End::Lost,
        () = too_late => End::Lost,
        end = second(&gateway, &mut ctx, &family, &parcels) => end,
    };
    let result = match end {
        End::NotSent => "not_sent",
        End::Lost => "lost",
        End::Failed => "failed",
        End::Won => "won",
    };
    gateway.metrics.hedges.with_label_values(&[result]).inc();
    tracing::info!(request = ctx.request_id(), result, "hedged");
    // A client that has left hears of no winner.
    let is_heard = matches!(end, End::Won) && !parcels.is_closed();
    if !is_heard {
        if let Some(attempt) = ctx.attempt.take() {
            // Cancelled: what it has told of its tokens is in the books.
            logging::settle(&gateway, &mut ctx, &attempt, false);
        }
        recording::note_unheard(&gateway, &ctx, false);
    }
    ctx
}

async fn second(gateway: &Gateway, ctx: &mut Ctx, family: &str, parcels: &mpsc::Sender<Parcel>) -> End {
    let inbound = ctx.inbound.as_ref();
    let Some(step) = inbound.and_then(|inbound| inbound.route.steps.get(ctx.walk.step)).cloned() else {
        return End::NotSent;
    };
    let Some(lease) = other_account(gateway, ctx, &step, family) else { return End::NotSent };
    if !gateway.hedges.takes(now()) {
        return End::NotSent;
    }
    let access = match access::open(gateway, ctx, &lease, &step).await {
        Ok(access) => access,
        Err(why) => {
            access::closed(gateway, ctx, &lease, &step, &why);
            return End::Failed;
        }
    };
    let Ok(attempt) = encode(gateway, ctx, lease, &step, access) else { return End::NotSent };
    ctx.walk.attempts = 1;
    ctx.attempt = Some(attempt);
    let Err(error) = pump(gateway, ctx, parcels).await else { return End::Won };
    if ctx.outbox.lost_race() {
        return End::Lost;
    }
    // Kept in the context if the client has some of it: its dialect's error event ends the answer then.
    gateway.judge(ctx, error.into_up(), false);
    if ctx.outbox.committed() { End::Won } else { End::Failed }
}

/// A free account that has not been tried; none that others wait for, or whose lock is to be probed.
fn other_account(gateway: &Gateway, ctx: &Ctx, step: &Step, family: &str) -> Option<Lease> {
    let roster = &ctx.snapshot.roster;
    let open = ctx.walk.open(step);
    let pools = roster.pools(&open);
    let eligible = |id: &str| {
        let account = roster.account(id);
        account.is_some_and(|account| account.upstream_in(&open).is_some() && account.takes(&step.model))
    };
    let ask = Ask {
        upstreams: &pools,
        family,
        attempted: &ctx.walk.attempted,
        bound: None,
        required: None,
        eligible: Some(&eligible),
        cost: Cost::default(),
    };
    let lease = select(&gateway.registry, &ask, now()).ok()?;
    Some(lease).filter(|lease| !lease.is_probe() && lease.pause_ms() == 0)
}

/// Sends the attempt and reads its answer through the filters, as far as the client has taken it.
async fn pump(gateway: &Gateway, ctx: &mut Ctx, parcels: &mpsc::Sender<Parcel>) -> Result<()> {
    let lost = || Error::explain(ErrorType::InternalError, "no attempt under way");
    let attempt = ctx.attempt.as_ref().ok_or_else(lost)?;
    let mut head = RequestHeader::build("POST", b"/", None)?;
    upstream_request_filter(&mut head, attempt, ctx.inbound()?)?;
    let way = Way::of(&attempt.account, &attempt.upstream);
    let peer = gateway.peer_of(&attempt.upstream, way.as_ref(), attempt.streams).await?;
    let mut session = gateway.http.send(&peer, head, attempt.body.clone()).await?;
    session.read_response_header().await?;
    let broken = || Error::explain(ErrorType::ConnectionClosed, "the provider's answer ended early");
    let head = session.response_header().cloned().ok_or_else(broken)?;
    response::upstream_response_filter(gateway, &head, ctx)?;
    loop {
        let piece = session.read_response_body().await?;
        let end = piece.is_none();
        response::response_body_filter(gateway, &mut Some(piece.unwrap_or_default()), end, ctx)?;
        if let Some(parcel) = ctx.outbox.take() {
            parcels.send(parcel).await.map_err(|_| lost())?;
        }
        if ctx.outbox.ended() {
            return Ok(());
        }
        if end {
            return Err(broken());
        }
    }
}

/// The first request has ended without content. Gives the client the second one's answer, if there is to be one. `None`:
/// there is none, or it broke off after it had begun; then the context is that of the second.
pub(super) async fn serve(session: &mut Session, ctx: &mut Ctx) -> Option<FailToProxy> {
    let mut hedge = ctx.hedge.take()?;
    hedge.race.first_failed();
    // Pingora gives the connection up after an attempt that it takes to have failed. The answer says so.
    session.set_keepalive(None);
    // A client may send its next request early. That is not to leave.
    let mut early = false;
    loop {
        let parcel = tokio::select! {
            biased;
            parcel = hedge.parcels.recv() => parcel,
            read = session.downstream_session.read_body_or_idle(true), if !early => match read {
                Ok(_) => {
                    early = true;
                    continue;
                }
                Err(_) => return Some(left(ctx)),
            },
        };
        let Some(parcel) = parcel else { break };
        let end = parcel.end;
        if write(session, parcel).await.is_err() {
            return Some(left(ctx));
        }
        if end {
            break;
        }
    }
    let second = (&mut hedge.second).await.ok()?;
    if !second.outbox.committed() {
        return None;
    }
    let whole = second.outbox.ended();
    let first = std::mem::replace(&mut ctx.outcome, second.outcome);
    ctx.outcome.spent.splice(0..0, first.spent);
    (ctx.outcome.bytes_in, ctx.outcome.asked) = (first.bytes_in, first.asked);
    ctx.trail.append(second.trail);
    ctx.attempt = second.attempt;
    ctx.outbox = second.outbox;
    ctx.walk.error = second.walk.error;
    ctx.walk.attempts += second.walk.attempts;
    ctx.walk.hedged = whole;
    whole.then_some(FailToProxy { error_code: 200, can_reuse_downstream: false })
}

async fn write(session: &mut Session, parcel: Parcel) -> Result<()> {
    if let Some(header) = parcel.header {
        session.write_response_header(header, false).await?;
    }
    if parcel.end || !parcel.body.is_empty() {
        session.write_response_body(Some(Bytes::from(parcel.body)), parcel.end).await?;
    }
    Ok(())
}

fn left(ctx: &mut Ctx) -> FailToProxy {
    ctx.walk.client_left = true;
    ctx.outcome.error = Some("the client left".to_owned());
    FailToProxy { error_code: 0, can_reuse_downstream: false }
}
