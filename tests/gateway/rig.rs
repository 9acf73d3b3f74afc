//! The simulator and the gateway, each a process, and what can be asked of them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::call::Call;
use super::process::{Running, WAIT_MAX, free_port, program};
use super::stage::Stage;
use super::wire::Answer;

/// The provider simulator.
pub(crate) struct Mock {
    _process: Running,
    pub(crate) port: u16,
    _folder: tempfile::TempDir,
}

impl Mock {
    /// Starts one with a script; empty for one that never fails unasked.
    pub(crate) async fn start(script: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("script.yaml");
        std::fs::write(&file, script).expect("the script is written");
        let path = file.to_str().expect("a UTF-8 path");
        let command = program(&["mock", "--listen", "127.0.0.1:0", "--script", path]);
        let mut process = Running::start("mock", command);
        let line = process.line("address=").await.expect("the simulator starts");
        let port = line.rsplit(':').next().and_then(|port| port.trim().parse().ok()).expect("an address");
        Mock { _process: process, port, _folder: folder }
    }

    /// Replaces the script.
    pub(crate) async fn script(&self, script: &str) {
        assert_eq!(Call::post("/_mock/script", script).send(self.port).await.status, 200, "{script}");
    }

    /// The requests that it received, oldest first.
    pub(crate) async fn requests(&self) -> Vec<Value> {
        let answer = Call::get("/_mock/requests").send(self.port).await.json();
        answer["requests"].as_array().expect("a list").clone()
    }

    /// The last request that an account sent.
    pub(crate) async fn last(&self, account: &str) -> Value {
        let path = format!("/_mock/requests?last=1&key=key-{account}");
        Call::get(&path).send(self.port).await.json()["requests"][0].clone()
    }

    /// A number of its statistics, over all keys.
    pub(crate) async fn total(&self, name: &str) -> u64 {
        let answer = Call::get("/_mock/stats").send(self.port).await.json();
        answer["total"][name].as_u64().unwrap_or_else(|| panic!("{name} in {answer}"))
    }

    /// How many requests came with an account's key.
    pub(crate) async fn count(&self, account: &str) -> usize {
        let path = format!("/_mock/requests?key=key-{account}");
        Call::get(&path).send(self.port).await.json()["count"].as_u64().expect("a count") as usize
    }
}

/// The gateway.
pub(crate) struct Gateway {
    pub(crate) process: Running,
    pub(crate) port: u16,
    pub(crate) admin: u16,
    pub(crate) file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Gateway {
    /// Starts one and waits until it is ready.
    pub(crate) async fn start(stage: &Stage) -> Self {
        Self::start_logging(stage, "info").await
    }

    /// As [`Self::start`], with a log filter.
    pub(crate) async fn start_logging(stage: &Stage, filter: &str) -> Self {
        for _ in 0..3 {
            if let Some(gateway) = Self::try_start(stage, filter).await {
                return gateway;
            }
        }
        panic!("the gateway does not start");
    }

    async fn try_start(stage: &Stage, filter: &str) -> Option<Self> {
        let (folder, port, admin) = (tempfile::tempdir().expect("a folder"), free_port(), free_port());
        let file = folder.path().join("interlingua.yaml");
        std::fs::write(&file, stage.yaml(port, admin)).expect("the file is written");
        let path = file.to_str().expect("a UTF-8 path");
        let process = Running::start("gateway", program(&["serve", "--config", path, "--log", filter]));
        let mut gateway = Gateway { process, port, admin, file, _folder: folder };
        let until = Instant::now() + WAIT_MAX;
        while gateway.process.ended().is_none() && Instant::now() < until {
            let up = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
            let both = up && tokio::net::TcpStream::connect(("127.0.0.1", admin)).await.is_ok();
            if both && Call::get("/readyz").try_send(port).await.is_ok_and(|answer| answer.status == 200) {
                return Some(gateway);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let log = gateway.process.log();
        assert!(log.contains("cannot listen"), "the gateway did not start: {log}");
        None
    }

    pub(crate) async fn send(&self, call: &Call) -> Answer {
        call.send(self.port).await
    }

    /// Puts another configuration into the file, as an editor does: written beside it and renamed.
    pub(crate) fn rewrite(&self, text: &str) {
        let beside = self.file.with_extension("new");
        std::fs::write(&beside, text).expect("the file is written");
        std::fs::rename(&beside, &self.file).expect("the file is renamed");
    }

    pub(crate) async fn metrics(&self) -> Metrics {
        Metrics(Call::get("/metrics").send(self.port).await.text())
    }

    /// The metrics of a gateway with clients.
    pub(crate) async fn metrics_with(&self, key: &str) -> Metrics {
        Metrics(Call::get("/metrics").header("x-api-key", key).send(self.port).await.text())
    }

    /// Waits until no account has a request at work, and nothing else is at work but the question itself.
    pub(crate) async fn comes_to_rest(&self) {
        let until = Instant::now() + WAIT_MAX;
        loop {
            let metrics = self.metrics().await;
            let (slots, all) =
                (metrics.sum("interlingua_account_in_flight", &[]), metrics.sum("interlingua_in_flight", &[]));
            if slots == 0 && all <= 1 {
                return;
            }
            assert!(Instant::now() < until, "{slots} slots and {all} requests are still at work");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What Prometheus would read.
pub(crate) struct Metrics(pub String);

impl Metrics {
    /// The sum over all series of a name that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        let wanted: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let series = self.0.lines().filter(|line| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']));
            rest.is_some_and(|rest| wanted.iter().all(|label| rest.contains(label)))
        });
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<i64>().ok()).sum()
    }
}

/// Asks until the answer is yes, for at most `within`.
pub(crate) async fn eventually<F: Future<Output = bool>>(within: Duration, mut ask: impl FnMut() -> F) -> bool {
    let until = Instant::now() + within;
    loop {
        if ask().await {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}
