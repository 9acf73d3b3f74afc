//! CPU time a request costs: the gateway beside a bare Pingora pass-through, in one run, against one simulator.
//!
//! CPU time (user and system of the process, over a counted number of requests) is what noise hardly moves. The figures
//! of one run are comparable with each other only; quote the ratios.

use std::error::Error;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Connections that send at the same time.
const CONNECTIONS: usize = 16;
/// Clock ticks a second of `/proc/PID/stat` (`getconf CLK_TCK` on every Linux this runs on).
const TICKS_PER_SECOND: f64 = 100.0;

/// A process that is stopped when it goes out of scope.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        let child = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Running(child))
    }

    /// User and system time so far, in seconds.
    fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let fields: Vec<&str> = stat.rsplit_once(')').ok_or("no stat")?.1.split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        Ok(ticks / TICKS_PER_SECOND)
    }
}

/// What is sent, to the floor and to the gateway alike but for the model's name: the simulator answers both the same.
struct Workload {
    name: &'static str,
    requests: usize,
    /// The simulator's scenario.
    scenario: &'static str,
    /// Where the gateway sends it.
    upstream: &'static str,
    stream: bool,
    messages: usize,
    text: String,
}

impl Workload {
    fn body(&self, model: &str) -> String {
        let turn = |number: usize| {
            let role = if number.is_multiple_of(2) { "user" } else { "assistant" };
            format!(r#"{{"role":"{role}","content":"{}"}}"#, self.text)
        };
        let turns: Vec<String> = (0..self.messages).map(turn).collect();
        format!(r#"{{"model":"{model}","stream":{},"messages":[{}]}}"#, self.stream, turns.join(","))
    }
}

fn workloads() -> Vec<Workload> {
    let small = "x".repeat(900);
    let long = "The quick brown fox jumps over the lazy dog. ".repeat(33);
    let mut all = Vec::new();
    for (upstream, way) in [("same", "same dialect"), ("other", "translated")] {
        for (size, requests, scenario, stream, messages, text) in [
            ("1 KiB", 20_000, "text", false, 1, &small),
            ("200 KiB", 3_000, "text", false, 137, &long),
            ("200 chunks", 3_000, "long:200", true, 1, &small),
        ] {
            let name: &'static str = format!("{size}, {way}").leak();
            all.push(Workload { name, requests, scenario, upstream, stream, messages, text: text.clone() });
        }
    }
    all
}

#[tokio::main]
async fn main() -> Result<()> {
    let here = std::env::current_exe()?;
    let examples = here.parent().ok_or("no folder")?;
    let gateway_program: PathBuf = examples.parent().ok_or("no folder")?.join("interlingua");
    let (mock_at, floor_at, gateway_at) = (free()?, free()?, free()?);
    let folder = std::env::temp_dir().join(format!("interlingua-cost-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let config = folder.join("cost.yaml");
    std::fs::write(&config, configuration(gateway_at, mock_at))?;
    let _mock = Running::start(&gateway_program, &["mock", "--listen", &mock_at.to_string()])?;
    let floor = Running::start(&examples.join("floor"), &[&floor_at.to_string(), &mock_at.to_string()])?;
    let config_text = config.to_string_lossy();
    let gateway = Running::start(&gateway_program, &["serve", "--config", &config_text])?;
    for at in [mock_at, floor_at, gateway_at] {
        wait_for(at).await?;
    }
    let mut report = String::from("workload                      floor µs   gateway µs   ratio\n");
    for workload in workloads() {
        let floor_body = workload.body(&format!("mock-{}", workload.scenario));
        let gateway_body = workload.body(&format!("{}/mock-{}", workload.upstream, workload.scenario));
        let floor_us = measure(&floor, floor_at, floor_body, workload.requests).await?;
        let gateway_us = measure(&gateway, gateway_at, gateway_body, workload.requests).await?;
        let ratio = gateway_us / floor_us;
        writeln!(report, "{:<28} {floor_us:>9.1} {gateway_us:>12.1} {ratio:>7.2}", workload.name)?;
    }
    std::fs::remove_dir_all(&folder)?;
    std::io::Write::write_all(&mut std::io::stdout(), report.as_bytes())?;
    Ok(())
}

fn configuration(listen: SocketAddr, mock: SocketAddr) -> String {
    format!(
        "server:\n  listen: ['{listen}']\n  threads: 1\nstate: {{enabled: false}}\nupstreams:\n\
         \x20 - {{id: openai, dialect: openai_chat, base_url: 'http://{mock}/v1'}}\n\
         \x20 - {{id: anthropic, dialect: anthropic, base_url: 'http://{mock}'}}\n\
         accounts:\n\
         \x20 - {{id: openai-1, upstream: openai, credential: bench-key, concurrency: 1000}}\n\
         \x20 - {{id: anthropic-1, upstream: anthropic, credential: bench-key, concurrency: 1000}}\n\
         models:\n\
         \x20 - {{match: 'same/*', upstream: openai, model: '{{1}}'}}\n\
         \x20 - {{match: 'other/*', upstream: anthropic, model: '{{1}}'}}\n"
    )
}

fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

async fn wait_for(at: SocketAddr) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(10);
    while tokio::net::TcpStream::connect(at).await.is_err() {
        if Instant::now() > until {
            return Err(format!("nothing listens on {at}").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Microseconds of CPU a request, after a tenth as many to warm up.
async fn measure(process: &Running, at: SocketAddr, body: String, requests: usize) -> Result<f64> {
    let body = Bytes::from(body);
    send(at, &body, requests / 10).await?;
    let before = process.cpu_seconds()?;
    send(at, &body, requests).await?;
    Ok((process.cpu_seconds()? - before) * 1e6 / requests as f64)
}

async fn send(at: SocketAddr, body: &Bytes, requests: usize) -> Result<()> {
    let share = requests.div_ceil(CONNECTIONS);
    let mut connections = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let body = body.clone();
        connections.spawn(async move { one_connection(at, body, share).await });
    }
    while let Some(done) = connections.join_next().await {
        done??;
    }
    Ok(())
}

async fn one_connection(at: SocketAddr, body: Bytes, requests: usize) -> Result<()> {
    let stream = tokio::net::TcpStream::connect(at).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    for _ in 0..requests {
        sender.ready().await?;
        let request = Request::post("/v1/chat/completions")
            .header("host", at.to_string())
            .header("authorization", "Bearer bench-key")
            .header("content-type", "application/json")
            .body(Full::new(body.clone()))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&answer)).into());
        }
    }
    Ok(())
}
