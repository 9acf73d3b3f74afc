//! One request: who, what, which scenario, which faults, and the answer.

use super::checks::{self, Context};
use super::dialect::Dialect;
use super::extra::{self, Extra};
use super::fault::Fault;
use super::frame::{Form, escape_separators};
use super::outage::Limit;
use super::plan::{Composer, Kind, Plan, Usage, output_tokens};
use super::platform::{self, Platform};
use super::player::{Cut, Player, Stage, is_unbounded};
use super::record::{Received, key_hash};
use super::recording::Recording;
use super::refusal::Refusal;
use super::route::{Operation, Route};
use super::scenario::{Named, Scenario, Spelled};
use super::script::Subject;
use super::socket::ResetSwitch;
use super::speak::Speaker;
use super::state::{Flight, State};
use super::view::{View, items};
use super::{admin, auth, headers, models, outage, tools};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Frame as BodyFrame, Incoming};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Body = UnsyncBoxBody<Bytes, Cut>;

/// Answers one request; the error cuts the connection without an answer.
pub(crate) async fn answer(
    state: Arc<State>,
    switch: ResetSwitch,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    let (parts, body) = request.into_parts();
    let read = Limited::new(body, state.body_bytes_max).collect().await;
    let body = match read {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::new(413, "Request exceeds the maximum size")),
        Err(_) => return Err(Cut),
    };
    if parts.uri.path().starts_with("/_mock/") {
        let (status, value) = admin::answer(&state, &parts.method, &parts.uri, &body.unwrap_or_default());
        return Ok(plain(status, "application/json", value.to_string()));
    }
    let number = state.number();
    let kept = body.clone().unwrap_or_default();
    let mut received = Received::new(number, parts.method.clone(), &parts.uri, &parts.headers, kept);
    if parts.uri.path() == "/mcp" {
        let key = parts.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        received.key = key_hash(key.trim_start_matches("Bearer "));
        let answer = tools::answer(&parts.method, &parts.headers, &received.body, state.seal, number);
        received.status = Some(answer.status);
        state.ring.lock().push(received);
        return Ok(pieces(answer));
    }
    let own = state.oauth.lock().answer(&parts, &received.body);
    if let Some((status, value)) = own {
        let mut response = plain(status, "application/json", value.to_string());
        if let (302, Some(location)) = (status, value["location"].as_str()) {
            set(response.headers_mut(), "location", location);
        }
        return Ok(response);
    }
    let Some(route) = Route::find(&parts.method, &parts.uri, &parts.headers) else {
        received.status = Some(404);
        state.ring.lock().push(received);
        return Ok(not_found(&parts));
    };
    let key = match route.platform {
        Platform::Direct => {
            auth::key(route.dialect, &parts.uri, &parts.headers).and_then(|key| platform::owner(&state, key))
        }
        _ => platform::key(&state, &route, &parts.headers),
    };
    received.dialect = Some(route.dialect);
    received.key = key.as_ref().map(|key| key_hash(key)).unwrap_or_default();
    state.ring.lock().push(received);
    let flight = Flight::begin(&state, route.dialect, key.as_deref().unwrap_or("none"), number);
    let stage = Stage { flight, switch, request_id: headers::request_id(route.dialect, state.seal, number) };
    let mut exchange =
        Exchange { state, route, parts, number, key: String::new(), faults: Vec::new(), calls: Vec::new() };
    match key {
        Ok(key) => exchange.key = key,
        Err(refusal) => return Ok(exchange.refuse(&refusal, stage)),
    }
    exchange.run(body, stage).await
}

/// A request on its way to an answer.
struct Exchange {
    state: Arc<State>,
    route: Route,
    parts: Parts,
    number: u64,
    key: String,
    faults: Vec<Fault>,
    /// Calls that the request spells out.
    calls: Vec<Spelled>,
}

impl Exchange {
    async fn run(mut self, body: Result<Bytes, Refusal>, stage: Stage) -> Result<Response<Body>, Cut> {
        let script = self.state.script.load_full();
        if !script.knows(&self.key) || self.key.contains("invalid") {
            return Ok(self.refuse(&auth::unknown_key(self.route.dialect, &self.key), stage));
        }
        let bytes = body.clone().unwrap_or_default();
        let parsed = body.and_then(|bytes| self.parse(&bytes)).and_then(|body| self.open(body));
        let mut view = parsed.as_ref().map(|body| View::read(self.route.dialect, body)).unwrap_or_default();
        if let Some(model) = &self.route.model {
            view.model.clone_from(model);
            // Azure's path names a deployment, and says nothing of the mode.
            if self.route.platform != Platform::Azure {
                view.stream = self.route.stream;
            }
        }
        if let Operation::Extra(extra) = &self.route.operation
            && !extra.has_json(&self.parts.headers)
        {
            view.model = Extra::model_in_form(&self.parts.headers, &bytes).unwrap_or_default();
        }
        let scenario = match self.choose(&view) {
            Ok(scenario) => scenario,
            Err(message) => return Ok(self.refuse(&Refusal::invalid(format!("interlingua mock: {message}")), stage)),
        };
        if let Some(outcome) = self.fail_before_head(&view, &stage).await? {
            return Ok(match outcome {
                Outage::Refusal(refusal) => self.refuse(&refusal, stage),
                Outage::Html(status) => self.html(status, stage),
            });
        }
        let body = match parsed {
            Ok(body) => body,
            Err(refusal) => return Ok(self.refuse(&refusal, stage)),
        };
        match &self.route.operation {
            Operation::ListModels => return Ok(self.document(&models::list(self.route.dialect), stage)),
            Operation::GetModel(id) => return Ok(self.document(&models::one(self.route.dialect, id), stage)),
            Operation::Extra(extra) => {
                if let Err(refusal) = self.admit(&view, &stage) {
                    return Ok(self.refuse(&refusal, stage));
                }
                let request = extra::Request {
                    dialect: self.route.dialect,
                    method: self.parts.method.as_str(),
                    headers: &self.parts.headers,
                    key: &self.key,
                    model: &view.model,
                    body: &bytes,
                    seal: self.state.seal,
                    number: self.number,
                };
                let answered = extra.answer(&request, &body, &mut self.state.objects.lock());
                return Ok(match answered {
                    Ok(answer) => self.extra(answer, stage),
                    Err(refusal) => self.refuse(&refusal, stage),
                });
            }
            Operation::Generate | Operation::CountTokens => {}
        }
        let recording = self.state.recordings.lock().of_model(&view.model);
        if let Some(recording) = recording {
            return Ok(self.replay(&recording, &stage));
        }
        if let Err(refusal) = self.admit(&view, &stage).and_then(|()| self.check(&body, &view, scenario)) {
            return Ok(self.refuse(&refusal, stage));
        }
        if self.route.operation == Operation::CountTokens {
            return Ok(self.document(&self.token_count(&view), stage));
        }
        if self.route.dialect == Dialect::Gemini
            && !view.stream
            && let Some(media) = extra::gemini_media(&body, &view.model)
        {
            return Ok(self.document(&media, stage));
        }
        Ok(self.reply(&body, &view, scenario, stage))
    }

    /// The answer to another question than a model's.
    fn extra(&self, answer: extra::Answer, mut stage: Stage) -> Response<Body> {
        self.note(&stage, 200);
        let head = self.head(200, answer.kind, &stage.request_id, &answer.headers);
        stage.flight.complete();
        let (mut parts, ()) = head.into_parts();
        parts.headers.insert(header::CONTENT_LENGTH, answer.body.len().into());
        Response::from_parts(parts, Full::new(Bytes::from(answer.body)).map_err(|never| match never {}).boxed_unsync())
    }

    /// The dialect's body out of the platform's.
    fn open(&mut self, body: Value) -> Result<Value, Refusal> {
        let (body, model) = platform::open(&self.route, &self.key, &self.parts.headers, body)?;
        if let Some(model) = model {
            self.route.model = Some(model);
        }
        Ok(body)
    }

    /// The body as JSON; the items of a stored response are put before the input that refers to it.
    fn parse(&self, bytes: &[u8]) -> Result<Value, Refusal> {
        match &self.route.operation {
            Operation::ListModels | Operation::GetModel(_) => return Ok(Value::Null),
            Operation::Extra(extra) if bytes.is_empty() || !extra.has_json(&self.parts.headers) => {
                return Ok(Value::Null);
            }
            Operation::Extra(_) | Operation::Generate | Operation::CountTokens => {}
        }
        let mut body: Value =
            serde_json::from_slice(bytes).map_err(|error| checks::not_json(self.route.dialect, &error))?;
        if !body.is_object() {
            return Err(checks::not_an_object(self.route.dialect));
        }
        let direct = self.route.platform == Platform::Direct;
        if direct && self.route.dialect == Dialect::Gemini && body["generateContentRequest"].is_object() {
            body = body["generateContentRequest"].take();
        }
        if let Some(id) = body["previous_response_id"].as_str().filter(|_| self.route.dialect == Dialect::Responses) {
            let mut all = match self.state.memory.lock().stored(id, &self.key) {
                Some(items) => items.to_vec(),
                None => {
                    return Err(Refusal::invalid(format!("Previous response with id '{id}' not found."))
                        .param("previous_response_id")
                        .code("previous_response_not_found"));
                }
            };
            all.extend(input_items(&body["input"]));
            body["input"] = Value::Array(all);
        }
        Ok(body)
    }

    /// The scenario; collects the faults on the way.
    fn choose(&mut self, view: &View) -> Result<Scenario, String> {
        let header = |name: &str| self.parts.headers.get(name).and_then(|value| value.to_str().ok());
        let script = self.state.script.load_full();
        let mut named = Named::default();
        if let Some(word) = header("x-mock-scenario") {
            named.scenario = Some(Scenario::parse(word).ok_or_else(|| format!("`{word}` is no scenario"))?);
        }
        if let Some(list) = header("x-mock-fault") {
            named.faults = Fault::parse_list(list)?;
        }
        let dialect = self.route.dialect;
        let subject = Subject { key: &self.key, model: &view.model, dialect, stream: view.stream };
        let said =
            [Named::in_model(&view.model)?, Named::in_text(&view.user_text)?, script.apply(&subject, self.state.seal)];
        for other in said {
            named.scenario = named.scenario.or(other.scenario);
            named.faults.extend(other.faults);
            named.calls.extend(other.calls);
        }
        self.faults = named.faults;
        self.calls = named.calls;
        Ok(named.scenario.unwrap_or(script.default))
    }

    /// The faults that come before the head, in the order in which they are listed.
    async fn fail_before_head(&self, view: &View, stage: &Stage) -> Result<Option<Outage>, Cut> {
        let (dialect, model) = (self.route.dialect, view.model.as_str());
        for fault in &self.faults {
            let refusal = match fault {
                Fault::DelayHead(wait) => {
                    tokio::time::sleep(*wait).await;
                    continue;
                }
                Fault::Hang => std::future::pending().await,
                Fault::Close => return Err(Cut),
                Fault::Reset => {
                    stage.switch.arm();
                    return Err(Cut);
                }
                Fault::Html(status) => return Ok(Some(Outage::Html(*status))),
                Fault::Status(status) => outage::status(dialect, model, &self.key, *status),
                Fault::Limited(wait) => outage::limited(dialect, model, Limit::Requests(60), *wait),
                Fault::LimitedBare => Refusal::new(429, "Too many requests"),
                Fault::Quota(wait) => outage::quota(dialect, model, *wait),
                Fault::Context => outage::context(dialect),
                Fault::Policy => outage::policy(dialect),
                _ => continue,
            };
            return Ok(Some(Outage::Refusal(refusal)));
        }
        Ok(None)
    }

    /// The limits of the script.
    fn admit(&self, view: &View, stage: &Stage) -> Result<(), Refusal> {
        let Some(limits) = self.state.script.load().limits(&self.key) else { return Ok(()) };
        let (dialect, model) = (self.route.dialect, view.model.as_str());
        if let Some(most) = limits.concurrent.map(u64::from)
            && stage.flight.in_flight() > most
        {
            return Err(outage::limited(dialect, model, Limit::Concurrent(most), Duration::from_secs(1)));
        }
        let mut buckets = self.state.buckets.lock();
        let admitted = buckets.admit(&self.key, &limits, view.prompt_tokens(), Instant::now());
        admitted.map_err(|(limit, wait)| outage::limited(dialect, model, limit, wait))
    }

    fn check(&self, body: &Value, view: &View, scenario: Scenario) -> Result<(), Refusal> {
        let script = self.state.script.load();
        if !script.written.strict {
            return Ok(());
        }
        let memory = self.state.memory.lock();
        let context = Context {
            body,
            view,
            headers: &self.parts.headers,
            seal: self.state.seal,
            memory: &memory,
            thinks: scenario == Scenario::ThinkTool,
            legacy: script.written.legacy,
            counting: self.route.operation == Operation::CountTokens,
        };
        checks::check(self.route.dialect, &context)
    }

    fn token_count(&self, view: &View) -> Value {
        let tokens = view.prompt_tokens();
        match self.route.dialect {
            Dialect::Gemini => {
                json!({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})
            }
            Dialect::Responses => json!({"object": "response.input_tokens", "input_tokens": tokens}),
            _ => json!({"input_tokens": tokens}),
        }
    }

    /// The model's answer.
    fn reply(&self, body: &Value, view: &View, scenario: Scenario, mut stage: Stage) -> Response<Body> {
        let dialect = self.route.dialect;
        let plan = self.plan(view, scenario);
        let input = Usage { output: 0, reasoning: 0, ..plan.usage };
        stage.flight.bill(input);
        let speaker = Speaker::new(dialect, self.state.seal, self.number, body);
        self.remember(body, &plan, &speaker);
        if view.stream {
            let (form, content_type) = if self.route.platform == Platform::CodeAssist && self.route.alt_sse {
                (Form::Enveloped, headers::stream_type(dialect))
            } else if dialect == Dialect::Gemini && !self.route.alt_sse {
                (Form::JsonArray, headers::json_type(dialect))
            } else {
                (Form::Sse, headers::stream_type(dialect))
            };
            self.note(&stage, 200);
            let hidden = plan.usage.reasoning.saturating_sub(output_tokens(&plan.model, &plan.pieces).1);
            stage.flight.bill(Usage { reasoning: hidden, ..Usage::default() });
            let head = self.head(200, content_type, &stage.request_id, &[]);
            return body_of(head, Player::told(plan, speaker, form, &self.faults, stage));
        }
        if is_unbounded(&plan) {
            let refusal = Refusal::invalid("interlingua mock: `long` with so many chunks only streams");
            return self.refuse(&refusal, stage);
        }
        stage.flight.bill(Usage { output: plan.usage.output, reasoning: plan.usage.reasoning, ..Usage::default() });
        let whole = speaker.unary(&plan);
        if dialect == Dialect::Responses && body["store"] != false {
            self.state.objects.lock().keep_response(&self.key, &whole);
        }
        self.document(&whole, stage)
    }

    fn plan(&self, view: &View, scenario: Scenario) -> Plan {
        let dialect = self.route.dialect;
        let repeats = self.faults.iter().find_map(|fault| match fault {
            Fault::RepeatTail(characters) => Some(*characters as usize),
            _ => None,
        });
        let composer = Composer {
            seal: self.state.seal,
            dialect,
            view,
            number: self.number,
            calls: &self.calls,
            repeats: repeats.unwrap_or(0),
        };
        let (pieces, finish) = composer.compose(scenario);
        let (output, reasoning) = output_tokens(&view.model, &pieces);
        let anthropic = dialect == Dialect::Anthropic;
        let cached = self.state.memory.lock().prefix(&self.key, &view.prompt, anthropic);
        let uncached = view.prompt_tokens().saturating_sub(cached.read + cached.write);
        let written = if cached.hour { [0, cached.write] } else { [cached.write, 0] };
        let mut usage = Usage { uncached, cached: cached.read, written, output, reasoning };
        if scenario == Scenario::Usage {
            usage.uncached = 100;
            usage.cached = 1_024;
            usage.written = if anthropic { [512, 256] } else { [0, 0] };
            usage.reasoning = if anthropic { 0 } else { 64 };
        }
        Plan {
            model: view.model.clone(),
            pieces,
            finish,
            usage,
            created: super::clock::epoch_seconds(),
            include_usage: view.include_usage,
            thoughts_hidden: view.thoughts_hidden,
            encrypted: view.encrypted,
        }
    }

    /// Keeps what later requests may refer to.
    fn remember(&self, body: &Value, plan: &Plan, speaker: &Speaker) {
        if let Speaker::Responses(speaker) = speaker
            && body["store"] != false
            && !is_unbounded(plan)
        {
            let mut all = input_items(&body["input"]);
            all.extend(Speaker::output(plan));
            self.state.memory.lock().store(speaker.id(), &self.key, all);
        }
        if self.route.dialect == Dialect::Gemini {
            for piece in plan.pieces.iter().filter(|piece| piece.signature.is_some()) {
                if let Kind::Call { name, arguments, .. } = &piece.kind {
                    let digest = checks::gemini_call_digest(self.state.seal, name, &Value::Object(arguments.clone()));
                    self.state.memory.lock().signed_call(digest);
                }
            }
        }
    }

    /// An answer that was recorded elsewhere.
    fn replay(&self, recording: &Recording, stage: &Stage) -> Response<Body> {
        self.note(stage, recording.status);
        let head = self.head(recording.status, &recording.content_type, &stage.request_id, &[]);
        let pieces = recording.cut().into_iter().map(|piece| Ok(BodyFrame::data(piece)));
        head.map(|()| StreamBody::new(futures_util::stream::iter(pieces)).boxed_unsync())
    }

    fn document(&self, value: &Value, stage: Stage) -> Response<Body> {
        self.note(&stage, 200);
        let head = self.head(200, headers::json_type(self.route.dialect), &stage.request_id, &[]);
        let text = platform::close(self.route.platform, value.clone()).to_string();
        let text = if self.route.dialect == Dialect::Gemini { escape_separators(&text) } else { text };
        body_of(head, Player::document(text, &self.faults, stage))
    }

    fn refuse(&self, refusal: &Refusal, stage: Stage) -> Response<Body> {
        self.note(&stage, refusal.status);
        let mut value = refusal.body(self.route.dialect, &stage.request_id);
        if self.route.stream && !self.route.alt_sse && self.route.dialect == Dialect::Gemini {
            value = json!([value]); // Google wraps errors of the array form in an array.
        }
        let content_type = headers::json_type(self.route.dialect);
        let head = self.head(refusal.status, content_type, &stage.request_id, &refusal.headers);
        let bytes: Vec<Fault> = self.faults.iter().filter(|fault| matches!(fault, Fault::Split)).cloned().collect();
        body_of(head, Player::document(value.to_string(), &bytes, stage))
    }

    fn html(&self, status: u16, stage: Stage) -> Response<Body> {
        self.note(&stage, status);
        let page = format!(
            "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n</body>\r\n</html>\r\n"
        );
        let head = self.head(status, "text/html", &stage.request_id, &[]);
        body_of(head, Player::document(page, &[], stage))
    }

    fn note(&self, stage: &Stage, status: u16) {
        stage.flight.status(self.number, status);
    }

    /// The head; headers of the refusal replace the common ones.
    fn head(
        &self,
        status: u16,
        content_type: &str,
        request_id: &str,
        extra: &[(&'static str, String)],
    ) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let map = response.headers_mut();
        let wrong = self.faults.iter().find_map(|fault| match fault {
            Fault::ContentType(wrong) => Some(wrong.as_str()),
            _ => None,
        });
        let content_type = wrong.unwrap_or(content_type);
        set(map, "content-type", content_type);
        if content_type.starts_with("text/event-stream") {
            set(map, "cache-control", "no-cache");
        }
        for (name, value) in headers::common(self.route.dialect, request_id, self.state.standing(&self.key)) {
            set(map, name, &value);
        }
        for (name, value) in extra {
            set(map, name, value);
        }
        response
    }
}

/// A fault that answers instead of the model.
enum Outage {
    Refusal(Refusal),
    Html(u16),
}

fn set(map: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        map.insert(name, value);
    }
}

fn body_of(head: Response<()>, player: Player) -> Response<Body> {
    let (mut parts, ()) = head.into_parts();
    if let Some(length) = player.length() {
        parts.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    let stream = futures_util::stream::unfold(player, |mut player| async move {
        player.next().await.map(|bytes| (bytes.map(BodyFrame::data), player))
    });
    Response::from_parts(parts, StreamBody::new(stream).boxed_unsync())
}

/// A tool server's answer, whose pieces come one by one.
fn pieces(answer: tools::Answer) -> Response<Body> {
    let empty = answer.pieces.is_empty();
    let stream = futures_util::stream::unfold(answer.pieces.into_iter(), |mut pieces| async move {
        let (pause, piece) = pieces.next()?;
        tokio::time::sleep(pause).await;
        Some((Ok::<_, Cut>(BodyFrame::data(Bytes::from(piece))), pieces))
    });
    let body = if empty {
        Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync()
    } else {
        StreamBody::new(stream).boxed_unsync()
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(kind) = answer.kind {
        set(response.headers_mut(), "content-type", kind);
    }
    if let Some(session) = &answer.session {
        set(response.headers_mut(), "mcp-session-id", session);
    }
    response
}

fn plain(status: u16, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    set(response.headers_mut(), "content-type", content_type);
    response
}

/// A path that no provider has, answered as the one would whose client asks.
fn not_found(parts: &Parts) -> Response<Body> {
    let path = parts.uri.path();
    let dialect = if path.starts_with("/v1beta") {
        Dialect::Gemini
    } else if parts.headers.contains_key("anthropic-version") {
        Dialect::Anthropic
    } else {
        Dialect::Chat
    };
    let message = match dialect {
        Dialect::Anthropic => "Not Found".to_owned(),
        _ => format!("Invalid URL ({} {path})", parts.method),
    };
    plain(404, "application/json", Refusal::new(404, message).body(dialect, "").to_string())
}

/// Responses input as items.
fn input_items(input: &Value) -> Vec<Value> {
    match input {
        Value::String(_) => vec![json!({"type": "message", "role": "user", "content": input})],
        other => items(other).to_vec(),
    }
}
