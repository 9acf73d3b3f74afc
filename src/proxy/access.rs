//! What opens an account before it is asked: its access token, and its project at Code Assist.

use std::sync::Arc;

use interlingua_filters::ir::{ApiError, ErrorKind};

use super::clock::now;
use super::ctx::{Attempt, Ctx};
use super::gateway::Gateway;
use super::trail::Tried;
use crate::code_assist::{self, Bucket, CallError, Endpoint, ProjectError};
use crate::config::{Account, Platform, Snapshot, Upstream};
use crate::credentials::{FAILED_FOR_MS, Keeping, OAuth, Secret, TokenError};
use crate::egress::Way;
use crate::limits::{Failure, Fault, Reason, Retry, Scope};
use crate::pool::{Lease, Suspension};
use crate::routing::Step;

/// What opens an account, where that is not its credential.
#[derive(Debug, Default)]
pub struct Access {
    /// Its access token.
    pub(super) token: Option<Secret>,
    /// Its project at Code Assist.
    pub(super) project: Option<String>,
}

/// Why an account cannot be asked. The account is locked for as long as the answer would be the same.
#[derive(Debug, thiserror::Error)]
pub(super) enum Closed {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Project(#[from] ProjectError),
}

/// Opens the account of a lease. Quick, unless something must be fetched.
pub(super) async fn open(gateway: &Gateway, ctx: &Ctx, lease: &Lease, step: &Step) -> Result<Access, Closed> {
    let Some((account, upstream)) = target(ctx, lease, step) else { return Ok(Access::default()) };
    enter(gateway, &account, &upstream).await
}

/// What opens an account at an upstream. An account whose refresh token was revoked is taken out until it has another one.
pub(super) async fn enter(gateway: &Gateway, account: &Account, upstream: &Upstream) -> Result<Access, Closed> {
    let Some(oauth) = &account.oauth else { return Ok(Access::default()) };
    let way = Way::of(account, upstream);
    let token = gateway.tokens.access_token_on(way.clone(), &account.id, oauth, now()).await;
    if let Err(why @ TokenError::Revoked) = &token
        && uses(&gateway.store.load(), &account.id, oauth)
    {
        gateway.registry.suspend_for(&account.id, why.to_string(), oauth.mark());
    }
    let token = token?;
    let mut access = Access { token: Some(token.clone()), project: account.project.clone() };
    if upstream.platform == Platform::CodeAssist {
        let endpoint = Endpoint { base: upstream.base_url.clone(), token, way };
        let configured = account.project.as_deref();
        access.project = gateway.projects.project(&account.id, oauth, configured, &endpoint, now()).await?;
    }
    Ok(access)
}

impl Gateway {
    /// Keeps changed refresh tokens from now on. It can be said once.
    pub(crate) fn keep_tokens(&self, keeping: Keeping) -> bool {
        self.tokens.keep(keeping)
    }

    /// Asks Code Assist what is left of an account's quota; also tells the account's project.
    ///
    /// # Errors
    /// Why it cannot be asked, in words without a secret.
    pub(crate) async fn ask_quota(
        &self,
        account: &Account,
        upstream: &Upstream,
    ) -> Result<(Vec<Bucket>, Option<String>), String> {
        let access = enter(self, account, upstream).await.map_err(|why| why.to_string())?;
        let (Some(token), Some(oauth)) = (access.token, &account.oauth) else {
            return Err("the account has no refresh token".to_owned());
        };
        let endpoint = Endpoint { base: upstream.base_url.clone(), token, way: Way::of(account, upstream) };
        let told = code_assist::ask_quota(&self.http, &endpoint, access.project.as_deref()).await;
        if let Err(CallError::Refused { status: 401, .. }) = &told {
            self.tokens.refused(&account.id, oauth, &endpoint.token);
        }
        told.map(|buckets| (buckets, access.project)).map_err(|error| error.to_string())
    }
}

/// Books an account that could not be opened, and leaves it out of the rest of this request.
pub(super) fn closed(gateway: &Gateway, ctx: &mut Ctx, lease: &Lease, step: &Step, why: &Closed) {
    let Some((account, upstream)) = target(ctx, lease, step) else { return };
    let (fault, reason) = match why {
        Closed::Token(TokenError::Unreachable(_)) => (Fault::Network, Reason::Connect),
        Closed::Token(TokenError::Kept(_) | TokenError::Unsigned(_)) => (Fault::Account, Reason::OperatorNeeded),
        Closed::Token(_) => (Fault::Account, Reason::Unauthorized),
        Closed::Project(error) if error.needs_operator() => (Fault::Account, Reason::OperatorNeeded),
        Closed::Project(_) => (Fault::Provider, Reason::Unavailable),
    };
    let failure = Failure {
        fault,
        scope: Scope::Account,
        retry: Retry::OtherAccount,
        cooldown_ms: Some(FAILED_FOR_MS),
        reason,
        hinted: true,
    };
    gateway.metrics.attempts.with_label_values(&[upstream.id.as_str(), account.id.as_str(), reason.name()]).inc();
    lease.failed(&failure, now(), ctx.id);
    tracing::warn!(request = ctx.request_id(), account = account.id, upstream = upstream.id, %why, "account not open");
    ctx.walk.attempted.record(lease);
    let (outcome, at) = (reason.name(), std::time::Instant::now());
    let (message, model) = (Some(why.to_string()), step.model.clone());
    ctx.trail.push(Tried { account, upstream, model, status: 0, outcome, message, started: at, ended: at });
    let message = "the gateway's account could not be opened at the provider; the operator must look at it";
    ctx.walk.error = Some(ApiError::new(ErrorKind::Unavailable, message));
}

/// Whether the provider refused the access token of an attempt, and another one may do. Once for each request.
pub(super) fn renews(gateway: &Gateway, ctx: &mut Ctx, attempt: &Attempt) -> bool {
    let (Some(oauth), Some(token)) = (&attempt.account.oauth, &attempt.access.token) else { return false };
    if attempt.status != 401 {
        return false;
    }
    // In any case it is not used again.
    gateway.tokens.refused(&attempt.account.id, oauth, token);
    !std::mem::replace(&mut ctx.walk.renewed, true)
}

/// Forgets tokens and projects that `snapshot` has no account for, and lets accounts in again that were shut out for a
/// refresh token which they no longer have.
pub(super) fn follow(gateway: &Gateway, snapshot: &Snapshot) {
    let keeps = |account: &str, oauth: &OAuth| uses(snapshot, account, oauth);
    gateway.projects.retain(keeps);
    for account in gateway.tokens.retain(keeps) {
        gateway.registry.resume(&account);
        gateway.registry.clear(&account, None);
    }
    readmit(gateway, snapshot);
}

/// Lets accounts in again that were shut out, maybe before a restart, for a refresh token that they no longer have.
pub(super) fn readmit(gateway: &Gateway, snapshot: &Snapshot) {
    for account in gateway.registry.accounts() {
        let Some(Suspension { credential: 1.., .. }) = account.suspension() else { continue };
        let configured =
            snapshot.roster.account(account.id()).and_then(|account| account.oauth.as_deref().map(OAuth::mark));
        if account.suspension().map(|suspension| suspension.credential) != configured {
            gateway.registry.resume(account.id());
            gateway.registry.clear(account.id(), None);
        }
    }
}

fn uses(snapshot: &Snapshot, account: &str, oauth: &OAuth) -> bool {
    let account = snapshot.roster.account(account);
    account.is_some_and(|account| account.oauth.as_deref() == Some(oauth))
}

fn target(ctx: &Ctx, lease: &Lease, step: &Step) -> Option<(Arc<Account>, Arc<Upstream>)> {
    let account = ctx.snapshot.roster.account(lease.account_id())?;
    let upstream = account.upstream_in(&ctx.walk.open(step))?.clone();
    Some((Arc::clone(account), upstream))
}
