//! The request log: to be searched, looked at, and followed.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::problem::Problem;
use super::records_view as view;
use super::view::When;
use crate::config::TimeSpan;
use crate::pool::Millis;
use crate::proxy::now;
use crate::records::{Cursor, Filter, Kept, KeptBody, ReadError, Reader, StatusRule};

/// Requests of one page, if nothing else is asked for, and at most.
const PAGE: usize = 50;
const PAGE_MAX: usize = 1_000;
/// Longest wait for a new entry.
const WAIT_MAX: Duration = Duration::from_secs(25);

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(logs)).routes(routes!(tail)).routes(routes!(log))
}

/// Which requests are meant. All that is said must hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Begun then or later: RFC 3339, or how long ago, such as `7d` or `1h30m`.
    since: Option<String>,
    /// Begun before then; as `since`.
    until: Option<String>,
    /// Of this client.
    client: Option<String>,
    /// For this model, as asked for or as served.
    model: Option<String>,
    /// That tried this account.
    account: Option<String>,
    /// With this outcome: `429`, `4xx`, `ok` or `failed`.
    status: Option<String>,
    /// That took so many milliseconds or more.
    min_ms: Option<u64>,
    /// With this text in the error, the path or a model's name.
    text: Option<String>,
    /// With this id.
    id: Option<String>,
    /// Older ones than the entry of this number: `next` of the page before.
    before: Option<i64>,
    /// Newer ones than the entry of this number. Of `tail` alone.
    after: Option<i64>,
    /// So many at most, 1 to 1000. Default: 50.
    limit: Option<usize>,
    /// How long to wait for a new one, in milliseconds, up to 25000. Of `tail` alone.
    wait_ms: Option<u64>,
}

/// Requests, the newest first.
#[utoipa::path(get, path = "/api/logs", tag = "records", params(Which), responses((status = 200, description = "A page", body = view::Logs), Problem))]
async fn logs(
    State(shared): State<Shared>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<view::Logs>, Problem> {
    let (which, reader) = (understood(which)?, reader(&shared)?);
    if which.after.is_some() || which.wait_ms.is_some() {
        return Err(Problem::bad_request("`after` and `wait_ms` are for /api/logs/tail"));
    }
    let (filter, limit) = (which.filter()?, which.limit()?);
    let dropped = shared.gateway.records.dropped();
    if let Some(id) = &which.id {
        let found = reader.find(id).await?;
        let requests = found.map(|(kept, ..)| logged(kept)).into_iter().collect();
        return Ok(Json(view::Logs { requests, next: None, dropped }));
    }
    let cursor = which.before.map_or(Cursor::Newest, Cursor::Before);
    let requests: Vec<_> = reader.list(&filter, cursor, limit).await?.into_iter().map(logged).collect();
    let next = requests.last().filter(|_| requests.len() == limit).map(|last| last.seq);
    Ok(Json(view::Logs { requests, next, dropped }))
}

/// New requests, as soon as there are any. Without `after` the last ones, and where to go on.
#[utoipa::path(get, path = "/api/logs/tail", tag = "records", params(Which), responses((status = 200, description = "What came, the oldest first; nothing if nothing came in time", body = view::Logs), Problem))]
async fn tail(
    State(shared): State<Shared>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<view::Logs>, Problem> {
    let (which, mut reader) = (understood(which)?, reader(&shared)?);
    if which.before.is_some() || which.id.is_some() {
        return Err(Problem::bad_request("`before` and `id` are for /api/logs"));
    }
    let (filter, limit) = (which.filter()?, which.limit()?);
    let Some(after) = which.after else {
        // Where to go on is read first: what comes meanwhile is told twice rather than not at all.
        let last = reader.last();
        let mut requests: Vec<_> = reader.list(&filter, Cursor::Newest, limit).await?.into_iter().map(logged).collect();
        requests.reverse();
        let next = requests.last().map_or(last, |newest| newest.seq.max(last));
        return Ok(Json(view::Logs { requests, next: Some(next), dropped: shared.gateway.records.dropped() }));
    };
    reader.wait(after, which.wait_ms.map_or(WAIT_MAX, Duration::from_millis).min(WAIT_MAX)).await;
    let last = reader.last();
    let requests: Vec<_> = reader.list(&filter, Cursor::After(after), limit).await?.into_iter().map(logged).collect();
    // Those that do not fit need not be looked at again.
    let next = match requests.last() {
        Some(newest) if requests.len() == limit => newest.seq,
        newest => newest.map_or(after, |newest| newest.seq).max(last),
    };
    Ok(Json(view::Logs { requests, next: Some(next), dropped: shared.gateway.records.dropped() }))
}

/// One request, with its bodies if they are kept.
#[utoipa::path(get, path = "/api/logs/{id}", tag = "records", params(("id" = String, Path, description = "Id of the request, as its client was told it")), responses((status = 200, description = "The request", body = view::LoggedWhole), Problem))]
async fn log(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Json<view::LoggedWhole>, Problem> {
    let found = reader(&shared)?.find(&id).await?;
    let (kept, request, answer) = found.ok_or_else(|| {
        Problem::not_found(format!("there is no request '{id}' in the log; it may have been removed by its age"))
    })?;
    Ok(Json(view::LoggedWhole { logged: logged(kept), request_body: request.map(body), answer_body: answer.map(body) }))
}

impl Which {
    fn filter(&self) -> Result<Filter, Problem> {
        let status = self.status.as_deref().map(|text| {
            StatusRule::parse(text)
                .ok_or_else(|| Problem::bad_request(format!("'{text}' is no outcome; write 429, 4xx, ok or failed")))
        });
        Ok(Filter {
            since: moment("since", self.since.as_deref())?,
            until: moment("until", self.until.as_deref())?,
            client: self.client.clone(),
            model: self.model.clone(),
            account: self.account.clone(),
            status: status.transpose()?,
            min_ms: self.min_ms,
            text: self.text.clone().filter(|text| !text.is_empty()),
        })
    }

    fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(PAGE) {
            limit @ 1..=PAGE_MAX => Ok(limit),
            limit => Err(Problem::bad_request(format!("limit={limit} is out of bounds: 1 to {PAGE_MAX}"))),
        }
    }
}

/// A moment in milliseconds of the epoch: RFC 3339, or how long ago.
pub(super) fn moment(name: &str, text: Option<&str>) -> Result<Option<u64>, Problem> {
    let Some(text) = text else { return Ok(None) };
    if let Some(span) = TimeSpan::parse(text) {
        let ago = u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX);
        return Ok(Some(now().0.saturating_sub(ago)));
    }
    let day = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10);
    let at = match day {
        Some(day) => day.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|at| at.timestamp()),
        None => text.parse::<jiff::Timestamp>().ok(),
    };
    let wrong = || {
        let detail =
            format!("{name}={text} is no moment; write 2026-11-20T08:00:00Z, 2026-11-20, or how long ago: 7d, 1h30m");
        Problem::bad_request(detail)
    };
    at.map(|at| Some(u64::try_from(at.as_millisecond()).unwrap_or(0))).ok_or_else(wrong)
}

pub(super) fn reader(shared: &Shared) -> Result<Reader, Problem> {
    let off = "nothing is kept: `records.enabled` is false, or there is no folder for `records.file`";
    shared.gateway.records.reader().ok_or_else(|| Problem::conflict(off))
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

fn understood(which: Result<Query<Which>, QueryRejection>) -> Result<Which, Problem> {
    which.map(|Query(which)| which).map_err(|error| Problem::bad_request(error.body_text()))
}

fn logged(kept: Kept) -> view::Logged {
    view::Logged { seq: kept.seq, when: When::new(Millis(kept.entry.at_ms), now()), entry: kept.entry }
}

fn body(kept: KeptBody) -> view::LoggedBody {
    // Hidden credentials make it shorter, too: then it is only said that not all of it is there.
    let cut = (kept.bytes.len() as u64) < kept.whole && !kept.bytes.windows(10).any(|part| part == b"[redacted]");
    let (text, base64) = match String::from_utf8(kept.bytes) {
        Ok(text) => (Some(text), None),
        // A character may be cut in two at the end.
        Err(error) if error.utf8_error().error_len().is_none() => {
            (Some(String::from_utf8_lossy(error.as_bytes()).into_owned()), None)
        }
        Err(error) => (None, Some(BASE64_STANDARD.encode(error.as_bytes()))),
    };
    view::LoggedBody { text, base64, bytes: kept.whole, cut }
}
