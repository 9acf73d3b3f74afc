//! Who comes: requests at random, sessions of agents that think between their turns, and requests that no account takes.

use std::collections::BTreeMap;

use super::provider::{Poison, Question};
use super::rng::Rng;

/// When an agent sends a refused request again, in milliseconds.
const AGENT_RETRY_MS: u64 = 2_000;

/// One kind of clients.
#[derive(Clone, Debug)]
pub(crate) enum Traffic {
    /// Independent requests, as a Poisson process; none before `from_ms`.
    Random { mean_ms: f64, from_ms: u64, prompt: (u64, u64), output: (u64, u64), work_ms: (u64, u64) },
    /// The same, but nobody takes them; each is sent `times` in all, as agents do.
    Poisoned { mean_ms: f64, poison: Poison, times: u64 },
    /// Sessions: each begins with a prompt and adds to it with each turn.
    Sessions {
        count: u64,
        turns: u64,
        prompt: (u64, u64),
        growth: (u64, u64),
        output: (u64, u64),
        work_ms: (u64, u64),
        think_ms: f64,
    },
}

#[derive(Clone, Debug)]
struct Session {
    kind: usize,
    turns: u64,
    prompt: u64,
    output: u64,
}

/// All of them.
pub(crate) struct Clients {
    traffic: Vec<Traffic>,
    sessions: BTreeMap<u64, Session>,
    /// How often a poisoned request is still to be sent at once, by kind.
    repeats: BTreeMap<usize, u64>,
}

impl Clients {
    pub(crate) fn new(traffic: &[Traffic]) -> Self {
        Clients { traffic: traffic.to_vec(), sessions: BTreeMap::new(), repeats: BTreeMap::new() }
    }

    /// When the first ones come; with the session, if it is one.
    pub(crate) fn first(&mut self, kind: usize, rng: &mut Rng) -> Vec<(u64, Option<u64>)> {
        match &self.traffic[kind] {
            Traffic::Random { mean_ms, from_ms, .. } => vec![(from_ms + rng.exponential(*mean_ms) as u64, None)],
            Traffic::Poisoned { mean_ms, .. } => vec![(rng.exponential(*mean_ms) as u64, None)],
            Traffic::Sessions { count, turns, prompt, think_ms, .. } => {
                let mut begins = Vec::new();
                for number in 0..*count {
                    let id = (kind as u64) << 32 | number;
                    let session = Session { kind, turns: *turns, prompt: rng.between(prompt.0, prompt.1), output: 0 };
                    self.sessions.insert(id, session);
                    begins.push((rng.exponential(*think_ms) as u64, Some(id)));
                }
                begins
            }
        }
    }

    /// Milliseconds until the next request of a process.
    pub(crate) fn next(&mut self, kind: usize, rng: &mut Rng) -> u64 {
        match &self.traffic[kind] {
            Traffic::Random { mean_ms, .. } => rng.exponential(*mean_ms).round() as u64,
            Traffic::Poisoned { mean_ms, times, .. } => {
                let left = self.repeats.entry(kind).or_insert(*times);
                *left = left.saturating_sub(1);
                if *left > 0 {
                    return AGENT_RETRY_MS;
                }
                self.repeats.remove(&kind);
                rng.exponential(*mean_ms).round() as u64
            }
            Traffic::Sessions { .. } => u64::MAX,
        }
    }

    /// One request of a process.
    pub(crate) fn question(&self, kind: usize, rng: &mut Rng) -> Question {
        let none = Question { session: None, prompt: 100, output: 10, estimate: 110, poison: None, work_ms: 500 };
        match &self.traffic[kind] {
            Traffic::Random { prompt, output, work_ms, .. } => {
                let (prompt, expected) = (rng.between(prompt.0, prompt.1), u64::midpoint(output.0, output.1));
                Question {
                    prompt,
                    output: rng.between(output.0, output.1),
                    estimate: estimate(prompt, rng) + expected,
                    work_ms: rng.between(work_ms.0, work_ms.1),
                    ..none
                }
            }
            Traffic::Poisoned { poison, .. } => Question { poison: Some(*poison), ..none },
            Traffic::Sessions { .. } => none,
        }
    }

    /// A session's next turn; `None` when it is over.
    pub(crate) fn turn(&mut self, kind: usize, id: u64, rng: &mut Rng) -> Option<Question> {
        let Traffic::Sessions { growth, output, work_ms, .. } = &self.traffic[kind] else { return None };
        let session = self.sessions.get_mut(&id)?;
        session.turns = session.turns.checked_sub(1)?;
        session.prompt += session.output + rng.between(growth.0, growth.1);
        session.output = rng.between(output.0, output.1);
        Some(Question {
            session: Some(id),
            prompt: session.prompt,
            output: session.output,
            estimate: estimate(session.prompt, rng) + u64::midpoint(output.0, output.1),
            poison: None,
            work_ms: rng.between(work_ms.0, work_ms.1),
        })
    }

    /// How long a session's user thinks, and its kind of traffic. `None` when it is over.
    pub(crate) fn think(&self, id: u64, rng: &mut Rng) -> Option<(usize, u64)> {
        let session = self.sessions.get(&id).filter(|session| session.turns > 0)?;
        let Traffic::Sessions { think_ms, .. } = &self.traffic[session.kind] else { return None };
        Some((session.kind, rng.exponential(*think_ms) as u64))
    }
}

/// The gateway counts no tokens; it is some percent wrong.
fn estimate(prompt: u64, rng: &mut Rng) -> u64 {
    prompt * rng.between(95, 105) / 100
}
