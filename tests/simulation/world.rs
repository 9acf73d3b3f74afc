//! The world: providers, clients and the gateway under one clock, and what happens next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use interlingua::limits::Transport;
use interlingua::limits::pace::Known;
use interlingua::pool::{AccountSpec, Registry, Settings, affinity};
use interlingua_filters::Dialect;

use super::clients::{Clients, Traffic};
use super::figures::{Figures, jain};
use super::invariants::Watch;
use super::provider::{Account, CACHE_MS, Headers, Plan, Question, Room, Verdict, way};
use super::rng::Rng;
use super::trace::Trace;
use super::walk::{Gateway, Look, Next, Walk};

/// Where the virtual clock begins: some midnight, in milliseconds of the epoch.
pub(crate) const BEGIN: u64 = 1_760_000_000_000 / 86_400_000 * 86_400_000;
/// How long no answer is waited for before the attempt counts as broken, in milliseconds.
const CONNECT_MS: u64 = 200;

/// Some accounts of one provider.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) name: &'static str,
    pub(crate) dialect: Dialect,
    pub(crate) accounts: Vec<Plan>,
}

/// Answers are cut into so many parts to find the truth about a retry-after.
const PARTS: u64 = 4;
/// The truth about a retry-after where no account can serve at all, in milliseconds.
const TRUTH_MS_MAX: u64 = 86_400_000;

/// What comes back to the gateway, and the tokens of the prompt that a cache had.
type Answer = (Result<(u16, String, Headers), Transport>, u64);

/// What a world is made of.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) traffic: Vec<Traffic>,
    /// How long clients come, in milliseconds; what is under way then is served to its end.
    pub(crate) span_ms: u64,
    pub(crate) affinity: bool,
    /// Steps at most; 0: no bound.
    pub(crate) steps_max: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A client of this kind of traffic comes.
    Come(usize),
    /// A session's next turn.
    Turn(usize, u64),
    /// Who waits in line is woken.
    Wake(u64),
    /// The moment has come that it waits for.
    Timer(u64),
    /// The request reaches the provider.
    Reach(u64),
    /// The refusal, or the end of the connection, comes back.
    Back(u64),
    /// The answer ends.
    End(u64),
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) gateway: Gateway,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) walks: BTreeMap<u64, Walk>,
    /// When each that waits in line looks next.
    waiting: BTreeMap<u64, u64>,
    /// A slot was given back.
    released: Arc<AtomicBool>,
    pub(crate) figures: Figures,
    watch: Watch,
    dialects: BTreeMap<String, Dialect>,
    answers: BTreeMap<u64, Answer>,
    /// Sent, but not yet at the provider: account and tokens of the prompt.
    under_way: BTreeMap<u64, (String, u64)>,
    /// Taken by the provider, and tokens of answers that are still to be charged.
    at_work: BTreeMap<u64, (String, u64)>,
    /// What one account without limits would have in its cache.
    ideal: BTreeMap<u64, (u64, u64)>,
    clients: Clients,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
    walks_begun: u64,
    /// Requests by their number of arrival.
    arrivals: BTreeMap<u64, u64>,
    rng: Rng,
    trace: Trace,
    setup: Setup,
}

impl World {
    pub(crate) fn new(setup: Setup) -> Self {
        let (mut specs, mut accounts, mut dialects) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for upstream in &setup.upstreams {
            for (number, plan) in upstream.accounts.iter().enumerate() {
                let id = format!("{}-{number:02}", upstream.name);
                specs.push(AccountSpec {
                    id: id.clone(),
                    upstream: upstream.name.to_owned(),
                    tier: plan.tier,
                    concurrency: plan.concurrency,
                    enabled: true,
                    limits: Known::default(),
                    project: None,
                });
                dialects.insert(id.clone(), upstream.dialect);
                accounts.insert(id, Account::new(plan.clone(), BEGIN));
            }
        }
        let settings = Settings::default();
        let registry = Registry::new(settings);
        registry.reconcile(&specs, settings);
        let watch = Watch::new(registry.accounts());
        let released = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&released);
        registry.on_release(move || flag.store(true, Ordering::Relaxed));
        let names = setup.upstreams.iter().map(|upstream| (upstream.name, upstream.dialect)).collect();
        let sticky = affinity::Settings { enabled: setup.affinity, ..affinity::Settings::default() };
        let mut world = World {
            now: BEGIN,
            gateway: Gateway::new(registry, sticky, names),
            accounts,
            walks: BTreeMap::new(),
            waiting: BTreeMap::new(),
            released,
            figures: Figures::default(),
            watch,
            dialects,
            answers: BTreeMap::new(),
            under_way: BTreeMap::new(),
            at_work: BTreeMap::new(),
            ideal: BTreeMap::new(),
            clients: Clients::new(&setup.traffic),
            events: BinaryHeap::new(),
            sequence: 0,
            walks_begun: 0,
            arrivals: BTreeMap::new(),
            rng: Rng::new(setup.seed),
            trace: Trace::new(),
            setup,
        };
        for kind in 0..world.setup.traffic.len() {
            for (at, session) in world.clients.first(kind, &mut world.rng) {
                let event = session.map_or(Event::Come(kind), |session| Event::Turn(kind, session));
                world.at(BEGIN + at, event);
            }
        }
        world
    }

    /// Runs to the end, or to the bound of steps, and tells what was seen.
    pub(crate) fn run(mut self) -> Figures {
        while self.step() {
            self.watch.hold(self.now);
            if self.setup.steps_max > 0 && self.trace.steps() >= self.setup.steps_max {
                return self.told();
            }
        }
        assert!(
            self.walks.is_empty() && self.gateway.queue.waiting() == 0,
            "{} requests have no answer",
            self.walks.len()
        );
        self.told()
    }

    fn told(mut self) -> Figures {
        // Limits are not used when nobody comes any more.
        let end = self.now.min(BEGIN + self.setup.span_ms - 1);
        let mut shares: BTreeMap<u8, Vec<f64>> = BTreeMap::new();
        let (mut requests, mut tokens) = (Some(0.0), Some(0.0));
        let sum = |all: Option<f64>, one: Option<f64>| Some(all? + one?);
        for account in self.accounts.values() {
            shares
                .entry(account.plan.tier)
                .or_default()
                .extend(account.plan.trouble.is_none().then_some(account.served as f64));
            let (some_requests, some_tokens) = account.could_give(end);
            (requests, tokens) = (sum(requests, some_requests), sum(tokens, some_tokens));
        }
        let taken: f64 = self.accounts.values().map(Account::tokens_taken).sum();
        let served = self.accounts.values().map(|account| account.served).sum::<u64>() as f64;
        let part = |done: f64, most: Option<f64>| most.filter(|most| *most > 0.0).map_or(0.0, |most| done / most);
        self.figures.of_limit = part(served, requests).max(part(taken, tokens));
        self.figures.jain = shares.values().map(|shares| jain(shares)).fold(1.0, f64::min);
        self.figures.steps = self.trace.steps();
        self.figures.trace = self.trace.hash();
        self.figures
    }

    fn step(&mut self) -> bool {
        let Some(Reverse((at, _, event))) = self.events.pop() else { return false };
        assert!(at >= self.now, "time runs backwards");
        if at > self.now {
            self.figures.locked_ms += (at - self.now) * self.watch.locked(self.now);
        }
        self.now = at;
        match event {
            Event::Come(kind) => self.come(kind),
            Event::Turn(kind, session) => {
                if self.open()
                    && let Some(question) = self.clients.turn(kind, session, &mut self.rng)
                {
                    self.begin(question);
                }
            }
            Event::Wake(id) => self.turn(id, false),
            Event::Timer(id) if self.waiting.get(&id) == Some(&self.now) => self.turn(id, true),
            Event::Timer(_) => {}
            Event::Reach(id) => self.reach(id),
            Event::Back(id) => self.back(id),
            Event::End(id) => self.end(id),
        }
        if self.released.swap(false, Ordering::Relaxed) && self.gateway.queue.waiting() > 0 {
            let mut firsts = self.gateway.queue.firsts();
            firsts.sort_unstable();
            self.wake(firsts);
        }
        true
    }

    fn open(&self) -> bool {
        self.now < BEGIN + self.setup.span_ms
    }

    fn at(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at, self.sequence, event)));
    }

    fn come(&mut self, kind: usize) {
        if !self.open() {
            return;
        }
        let question = self.clients.question(kind, &mut self.rng);
        self.begin(question);
        let next = self.clients.next(kind, &mut self.rng);
        self.at(self.now + next, Event::Come(kind));
    }

    fn begin(&mut self, question: Question) {
        self.walks_begun += 1;
        let id = self.walks_begun;
        self.figures.offered += u64::from(question.poison.is_none());
        self.trace.note("come", &[self.now, id, question.prompt, question.output]);
        self.walks.insert(id, Walk::new(question, self.now));
        self.look(id);
    }

    /// A request looks for an account.
    fn look(&mut self, id: u64) {
        self.looks(id, Gateway::choose);
    }

    /// A request that waits in line looks again.
    fn turn(&mut self, id: u64, timer: bool) {
        if self.waiting.remove(&id).is_some() {
            self.looks(id, |gateway, walk, now, woken| gateway.turn(walk, timer, now, woken));
        }
    }

    fn looks(&mut self, id: u64, how: impl FnOnce(&mut Gateway, &mut Walk, u64, &mut Vec<u64>) -> Look) {
        let mut walk = self.walks.remove(&id).expect("it is under way");
        let (seen, mut woken) = (self.watch.before(self.now), Vec::new());
        let look = how(&mut self.gateway, &mut walk, self.now, &mut woken);
        if let Some(lease) = &walk.lease {
            let skew = self.watch.chosen(&seen, lease, walk.question.session.is_some(), self.now);
            self.figures.skew = self.figures.skew.max(skew);
        }
        match look {
            Look::Send { pause } => self.send(id, walk, pause),
            Look::Answer { status, again } => self.answer(walk, status, again, true),
            Look::Wait { until } => {
                self.arrivals.insert(walk.arrival, id);
                self.walks.insert(id, walk);
                self.waiting.insert(id, until);
                self.at(until, Event::Timer(id));
            }
        }
        self.watch.note(id, self.walks.get(&id).and_then(|walk| walk.lease.as_ref()));
        self.wake(woken);
    }

    /// Wakes those with these numbers of arrival.
    fn wake(&mut self, arrivals: Vec<u64>) {
        for arrival in arrivals {
            if let Some(id) = self.arrivals.get(&arrival).copied() {
                self.at(self.now, Event::Wake(id));
            }
        }
    }

    fn send(&mut self, id: u64, walk: Walk, pause: u64) {
        let lease = walk.lease.as_ref().expect("who sends has a lease");
        let account = lease.account_id().to_owned();
        self.trace.note("send", &[self.now, id, pause, account.bytes().map(u64::from).sum()]);
        self.figures.attempts += 1;
        self.under_way.insert(id, (account, walk.question.prompt));
        self.walks.insert(id, walk);
        let way = way(&mut self.rng);
        self.at(self.now + pause + way, Event::Reach(id));
    }

    fn reach(&mut self, id: u64) {
        let (name, _) = self.under_way.remove(&id).expect("it was sent");
        let question = self.walks.get(&id).expect("it is under way").question;
        let dialect = self.dialects.get(&name).copied().expect("a known account");
        let account = self.accounts.get_mut(&name).expect("a known account");
        let verdict = account.ask(dialect, &question, self.now, &mut self.rng);
        let way = way(&mut self.rng);
        match verdict {
            Verdict::Served { cached, headers } => {
                self.trace.note("served", &[self.now, id, cached]);
                self.at_work.insert(id, (name, question.output));
                self.answers.insert(id, (Ok((200, String::new(), headers)), cached));
                self.at(self.now + way, Event::Back(id));
            }
            Verdict::Refused { status, body, headers } => {
                self.trace.note("refused", &[self.now, id, u64::from(status)]);
                self.answers.insert(id, (Ok((status, body, headers)), 0));
                self.at(self.now + way, Event::Back(id));
            }
            Verdict::Broken(transport) => {
                self.trace.note("broken", &[self.now, id]);
                self.answers.insert(id, (Err(transport), 0));
                self.at(self.now + CONNECT_MS, Event::Back(id));
            }
        }
    }

    fn back(&mut self, id: u64) {
        let mut walk = self.walks.remove(&id).expect("it is under way");
        let (answer, cached) = self.answers.remove(&id).expect("it was answered");
        if let Ok((200, _, headers)) = &answer {
            Gateway::told(&walk, headers, self.now);
            let (session, prompt) = (walk.question.session, walk.question.prompt);
            self.figures.cached += cached;
            if let Some((tokens, until)) = session.and_then(|session| self.ideal.get(&session)) {
                self.figures.cacheable += if self.now < *until { (*tokens).min(prompt) } else { 0 };
            }
            let work = walk.question.work_ms;
            self.walks.insert(id, walk);
            self.at(self.now + work, Event::End(id));
            return;
        }
        self.figures.refused += u64::from(walk.question.poison.is_none());
        let told =
            answer.as_ref().map(|(status, body, headers)| (*status, body.as_str(), headers)).map_err(|broken| *broken);
        let seed = self.rng.next();
        let (failure, next) = self.gateway.failed(&mut walk, told, self.now, seed);
        self.trace.note(failure.reason.name(), &[self.now, id]);
        self.watch.note(id, walk.lease.as_ref());
        match next {
            Next::Look => {
                self.walks.insert(id, walk);
                self.look(id);
            }
            Next::Same(wait) => self.send(id, walk, wait),
            Next::Answer { status, again } => self.answer(walk, status, again, false),
        }
    }

    fn end(&mut self, id: u64) {
        let mut walk = self.walks.remove(&id).expect("it is under way");
        let (name, _) = self.at_work.remove(&id).expect("it is at work");
        let question = walk.question;
        self.accounts.get_mut(&name).expect("a known account").answered(&question, self.now);
        if let Some(session) = question.session {
            self.ideal.insert(session, (question.prompt + question.output, self.now + CACHE_MS));
        }
        self.figures.served += u64::from(question.poison.is_none());
        let waited = self.now - question.work_ms - walk.begun;
        self.figures.waited_ms += waited;
        self.figures.waited_ms_max = self.figures.waited_ms_max.max(waited);
        self.trace.note("end", &[self.now, id]);
        self.gateway.served(&mut walk, self.now);
        self.watch.note(id, None);
        self.arrivals.remove(&walk.arrival);
        drop(walk);
        self.next_turn(&question);
    }

    fn answer(&mut self, walk: Walk, status: u16, again: Option<u64>, by_pool: bool) {
        let question = walk.question;
        self.trace.note("answer", &[self.now, u64::from(status), again.unwrap_or(0)]);
        let failures = if question.poison.is_some() { &mut self.figures.poisoned } else { &mut self.figures.failures };
        *failures.entry(status).or_default() += 1;
        self.arrivals.remove(&walk.arrival);
        drop(walk);
        if by_pool
            && status == 429
            && let Some(said) = again
        {
            let (low, high) = self.truth(&question);
            self.figures.again.push((said, low, high));
        }
        self.next_turn(&question);
    }

    /// Milliseconds until it would be this question's turn, if those who wait before it are served one after the other as
    /// soon as some account has room: at least, and at most. How much of the answers will be written by then nobody can
    /// know, so each part of them is tried. Not nothing and all alone: with larger requests others fit where there is room,
    /// and the turn may come earlier than with smaller ones.
    fn truth(&self, question: &Question) -> (u64, u64) {
        let parts = if self.accounts.values().all(|account| account.plan.tokens.is_none()) { 0 } else { PARTS };
        let turns = (0..=parts).map(|part| self.turn_in(question, part));
        turns.fold((u64::MAX, 0), |(low, high), turn| (low.min(turn), high.max(turn)))
    }

    /// The same if so many of the [`PARTS`] of all answers are written.
    fn turn_in(&self, question: &Question, part: u64) -> u64 {
        let mut rooms: BTreeMap<&str, Room> = self
            .accounts
            .iter()
            .filter_map(|(name, account)| Some((name.as_str(), account.to_be_had(self.now)?)))
            .collect();
        for (name, tokens) in self.under_way.values() {
            rooms.entry(name.as_str()).and_modify(|room| room.take(1, *tokens, self.now));
        }
        for (name, tokens) in self.at_work.values() {
            rooms.entry(name.as_str()).and_modify(|room| room.take(0, *tokens * part / PARTS, self.now));
        }
        let tokens = |question: &Question| question.prompt + question.output * part / PARTS;
        let before = self.waiting.keys().filter_map(|id| self.walks.get(id)).map(|walk| &walk.question);
        let mut at = self.now;
        for asked in before.chain([question]) {
            let first =
                rooms.values_mut().map(|room| (room.opens(tokens(asked), at), room)).min_by_key(|(opens, _)| *opens);
            let Some((opens, room)) = first else { return TRUTH_MS_MAX };
            at = opens.max(at);
            room.take(1, tokens(asked), at);
        }
        at - self.now
    }

    fn next_turn(&mut self, question: &Question) {
        if let Some((session, (kind, think))) =
            question.session.and_then(|session| Some((session, self.clients.think(session, &mut self.rng)?)))
        {
            self.at(self.now + think, Event::Turn(kind, session));
        }
    }
}
