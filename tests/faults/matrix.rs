//! The matrix. Each fault has two accounts of its own, so that their books can be looked at one by one.
//!
//! `INTERLINGUA_FAULTS_ROUNDS` is for more rounds, with other lengths of text: `make faults`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::call::Call;
use super::list::{FAULTS, Fault, Seen};
use super::protocol::{ALL, Protocol};
use super::rig::{Gateway, Metrics, Mock};
use super::stage::Stage;
use super::strict::{self, End};

/// Requests at a time: more would only be slow on two cores, and then the limits of time would be met by those who are
/// well.
const AT_ONCE: usize = 24;
/// No memory of failures and no waits of our own: each request meets the broken account anew.
const QUICK: &str = "grace_retry: { enabled: false }, affinity: { enabled: false }, cooldown: { enabled: false }, \
                     breaker: { enabled: false }, pace: { enabled: false }, overload: { enabled: false }, \
                     peek: { first_content: { anthropic: 3s, others: 3s } }";
const WAITS: &str = "timeouts: { first_byte: 3s, idle: 3s }";
/// The ledger's classes: in the gateway's metrics, and in the simulator's bill.
const CLASSES: [(&str, &str); 6] = [
    ("uncached", "uncached"),
    ("cache_read", "cached"),
    ("cache_write_5m", "written_5m"),
    ("cache_write_1h", "written_1h"),
    ("output", "output"),
    ("reasoning", "reasoning"),
];

fn rounds() -> usize {
    std::env::var("INTERLINGUA_FAULTS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// What is said, for the answer to have more events in later rounds.
fn text(round: usize) -> String {
    (0..8 + 5 * round).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ")
}

/// One cell.
#[derive(Clone, Copy, Debug)]
struct Cell {
    number: usize,
    fault: Fault,
    client: Protocol,
    provider: Protocol,
    stream: bool,
}

impl Cell {
    fn call(&self, round: usize) -> Call {
        let model = format!("{}/f{:02}-x", self.provider.name(), self.number);
        self.client.call(&model, &text(round), self.stream)
    }

    /// What is wrong with an answer.
    fn judge(&self, answer: &Result<super::wire::Answer, String>, round: usize) -> Result<(), String> {
        let answer = answer.as_ref().map_err(Clone::clone)?;
        if let Seen::Told(status) = self.fault.seen {
            self.client.error(answer);
            return if answer.status == status { Ok(()) } else { Err(format!("status {}", answer.status)) };
        }
        let wanted = format!("You said: {}", text(round));
        if !self.stream {
            let said = self.client.said(answer, false)?;
            return if said == wanted { Ok(()) } else { Err(format!("said {said:?}")) };
        }
        let (said, end) = strict::read(self.client, answer)
            .map_err(|problem| format!("{problem}: {}", String::from_utf8_lossy(&answer.body)))?;
        match end {
            End::Whole if said == wanted => Ok(()),
            End::Error if self.fault.seen == Seen::Cut && wanted.starts_with(&said) && !said.is_empty() => Ok(()),
            _ => Err(format!("{end:?} after {said:?}")),
        }
    }
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (number, fault) in FAULTS.iter().enumerate() {
        for client in ALL {
            for provider in ALL {
                cells.extend([true, false].map(|stream| Cell { number, fault: *fault, client, provider, stream }));
            }
        }
    }
    cells
}

async fn rig() -> (Mock, Gateway) {
    let rule = |(number, fault): (usize, &Fault)| {
        format!("  - {{match: {{key: key-bad{number:02}}}, faults: ['{}']}}\n", fault.name)
    };
    let rules: String = FAULTS.iter().enumerate().map(rule).collect();
    let mock = Mock::start(&format!("rules:\n{rules}")).await;
    let mut stage = Stage::new(mock.port).resilience(QUICK).upstream(WAITS);
    for number in 0..FAULTS.len() {
        let of = |tier: &str| format!("tier: {tier}, concurrency: 100, models: 'f{number:02}-*'");
        stage = stage.account(&format!("bad{number:02}"), &of("pro")).account(&format!("well{number:02}"), &of("free"));
    }
    let gateway = Gateway::start_logging(&stage, "warn").await;
    (mock, gateway)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_over_every_pair_ends_well_or_says_so() {
    let (mock, gateway) = rig().await;
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let (mut problems, mut count, mut ends) = (Vec::new(), 0, BTreeMap::<Seen, usize>::new());
    for round in 0..rounds() {
        let mut calls = JoinSet::new();
        for cell in cells() {
            let (gate, port) = (Arc::clone(&gate), gateway.port);
            calls.spawn(async move {
                let _pass = gate.acquire_owned().await.expect("it is never closed");
                let answer = cell.call(round).try_send(port).await;
                (cell, cell.judge(&answer, round))
            });
        }
        while let Some(done) = calls.join_next().await {
            let (cell, judged) = done.expect("no call panics");
            count += 1;
            *ends.entry(cell.fault.seen).or_default() += 1;
            if let Err(problem) = judged {
                let Cell { fault, client, provider, stream, .. } = cell;
                problems.push(format!("{} {client:?} over {provider:?}, stream {stream}: {problem}", fault.name));
            }
        }
    }
    println!("{count} answers of {} faults: {ends:?}", FAULTS.len());
    problems.sort();
    assert!(problems.is_empty(), "{} of {count}:\n{}", problems.len(), problems.join("\n"));
    gateway.comes_to_rest().await;
    books(&gateway.metrics().await, &stats(&mock).await);
}

async fn stats(mock: &Mock) -> Value {
    Call::get("/_mock/stats").send(mock.port).await.json()
}

/// The gateway's ledger is what the simulator billed, where it was told.
fn books(metrics: &Metrics, stats: &Value) {
    let mut problems = Vec::new();
    for (number, fault) in FAULTS.iter().enumerate() {
        for kind in ["bad", "well"] {
            let account = format!("{kind}{number:02}");
            let billed = &stats["keys"][interlingua::mock::key_hash(&format!("key-{account}"))]["billed"];
            for (class, name) in CLASSES {
                let counted = metrics.sum("interlingua_tokens_total", &[("account", &account), ("class", class)]);
                let billed = billed[name].as_i64().unwrap_or(0);
                let equal = kind == "well" || fault.told;
                if counted > billed || (equal && counted != billed) {
                    problems.push(format!("{} {account} {class}: {counted} counted, {billed} billed", fault.name));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
