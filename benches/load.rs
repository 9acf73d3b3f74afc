//! Load over sockets: the gateway between many clients and the provider simulator, whose accounts have limits, break, or
//! are killed.
//!
//! Requests are offered at random moments (a Poisson process with a seed) whether or not earlier ones have been answered:
//! a queue that grows shows. Counts are what matters; they hardly depend on the machine.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::task::JoinSet;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Accounts of the limited scenario, and requests a minute of the mean one; their sizes differ.
const SIZES: [u64; 10] = [40, 60, 80, 80, 100, 100, 100, 120, 140, 180];
const RPM: u64 = 300;
/// How long the limited scenario offers requests.
const SPAN: Duration = Duration::from_mins(1);
/// Requests of the scenario with broken accounts.
const MANY: u64 = 100_000;
/// Connections that send without pause there.
const CONNECTIONS: usize = 32;
/// How long providers are killed, and how often one is.
const KILLING: Duration = Duration::from_mins(1);
const KILL_EVERY: Duration = Duration::from_secs(2);
/// Requests a second, and how long, with the disk of the request log at work, and then stalled.
const LOGGED: u64 = 1_000;
const STALLING: Duration = Duration::from_secs(30);

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
}

/// The simulators' and the gateway's program, and a folder for their files.
struct Rig {
    program: PathBuf,
    folder: PathBuf,
}

impl Rig {
    fn new() -> Result<Self> {
        let here = std::env::current_exe()?;
        let program = here.parent().and_then(Path::parent).ok_or("no folder")?.join("interlingua");
        let folder = std::env::temp_dir().join(format!("interlingua-load-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Rig { program, folder })
    }

    fn file(&self, name: &str, text: &str) -> Result<String> {
        let path = self.folder.join(name);
        std::fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    }

    fn mock(&self, at: SocketAddr, script: &str) -> Result<Running> {
        let script = self.file("script.yaml", script)?;
        Running::start(&self.program, &["mock", "--listen", &at.to_string(), "--script", &script])
    }

    async fn gateway(&self, at: SocketAddr, configuration: &str) -> Result<Running> {
        let file = self.file("load.yaml", configuration)?;
        let running = Running::start(&self.program, &["serve", "--config", &file, "--log", "error"])?;
        wait_for(at).await?;
        Ok(running)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What clients saw.
#[derive(Default)]
struct Seen {
    statuses: BTreeMap<u16, u64>,
    /// Connections and answers that broke: before any content, and after some.
    broken: u64,
    cut: u64,
    /// Seconds that refused clients were told to wait.
    again: BTreeMap<u64, u64>,
    slowest: Duration,
}

#[derive(Clone, Default)]
struct Clients {
    seen: Arc<Mutex<Seen>>,
    idle: Arc<Mutex<Vec<SendRequest<Full<Bytes>>>>>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let rig = Rig::new()?;
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let runs = |name: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == name);
    if runs("limits") {
        for percent in [95, 150] {
            say(&limited(&rig, percent).await?)?;
        }
    }
    if runs("broken") {
        say(&broken(&rig).await?)?;
    }
    if runs("killed") {
        say(&killed(&rig).await?)?;
    }
    if runs("stalled") {
        for is_stalled in [false, true] {
            say(&stalled(&rig, is_stalled).await?)?;
        }
    }
    Ok(())
}

fn say(report: &str) -> Result<()> {
    Ok(std::io::stdout().write_all(report.as_bytes())?)
}

/// Token buckets, and this part of what they allow in the time, in percent.
async fn limited(rig: &Rig, percent: u64) -> Result<String> {
    let (mock_at, at) = (free()?, free()?);
    let limits: Vec<u64> = SIZES.iter().map(|size| RPM * size / 100).collect();
    let mut script = "keys:\n".to_owned();
    let mut accounts = String::new();
    for (number, rpm) in limits.iter().enumerate() {
        writeln!(script, "  key-{number}: {{ rpm: {rpm} }}")?;
        writeln!(accounts, "  - {{ id: a{number}, upstream: one, credential: key-{number}, concurrency: 100 }}")?;
    }
    let _mock = rig.mock(mock_at, &script)?;
    wait_for(mock_at).await?;
    let _gateway = rig.gateway(at, &configuration(at, &[("one", mock_at)], &accounts, "")).await?;
    // Buckets are full at the beginning, and who waits in line is still served at the end.
    let allow = |span: Duration| limits.iter().sum::<u64>() as f64 * (1.0 + span.as_secs_f64() / 60.0);
    let offered = (allow(SPAN) * percent as f64 / 100.0) as u64;
    let (clients, begun) = (Clients::default(), Instant::now());
    open_loop(&clients, at, offered, SPAN, body(false)).await?;
    let allowed = allow(begun.elapsed());
    let stats = stats(mock_at).await?;
    let (took, refused) = (count(&stats, "200"), count(&stats, "429"));
    let seen = clients.seen.lock().map_err(|_| "a client panicked")?;
    let attempts = stats["total"]["requests"].as_u64().unwrap_or(0);
    Ok(format!(
        "limits at {percent} %: offered {offered}, limits allow {allowed:.0}, served {took} ({:.1} % of offered, {:.1} % of the \
         limit), attempts {attempts}, of them refused {refused} ({:.2} %)\n{}",
        took as f64 * 100.0 / offered as f64,
        took as f64 * 100.0 / allowed,
        refused as f64 * 100.0 / attempts.max(1) as f64,
        seen.told(),
    ))
}

/// One wrong key, one quota that is used up, one account that nobody can reach; and many requests.
async fn broken(rig: &Rig) -> Result<String> {
    let (mock_at, nowhere, at) = (free()?, free()?, free()?);
    let script = "rules:\n\
                  \x20 - { match: { key: key-wrong }, faults: ['401'] }\n\
                  \x20 - { match: { key: key-poor }, faults: ['429-quota'] }\n";
    let _mock = rig.mock(mock_at, script)?;
    wait_for(mock_at).await?;
    let accounts = "  - { id: wrong, upstream: one, credential: key-wrong, tier: pro }\n\
                    \x20 - { id: poor, upstream: one, credential: key-poor, tier: pro }\n\
                    \x20 - { id: cut, upstream: gone, credential: key-cut, tier: pro }\n\
                    \x20 - { id: well1, upstream: one, credential: key-well1, tier: free, concurrency: 20 }\n\
                    \x20 - { id: well2, upstream: one, credential: key-well2, tier: free, concurrency: 20 }\n";
    let configured = configuration(at, &[("one", mock_at), ("gone", nowhere)], accounts, "");
    let _gateway = rig.gateway(at, &configured).await?;
    let clients = Clients::default();
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..CONNECTIONS as u64 {
        let (clients, stream) = (clients.clone(), number.is_multiple_of(2));
        tasks.spawn(async move {
            for _ in 0..MANY / CONNECTIONS as u64 {
                clients.send(at, body(stream)).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done?;
    }
    let stats = stats(mock_at).await?;
    let seen = clients.seen.lock().map_err(|_| "a client panicked")?;
    Ok(format!(
        "a wrong key, a used-up quota, a cut network: {MANY} requests in {:.0} s, attempts refused: {} by the key, {} by the \
         quota\n{}",
        begun.elapsed().as_secs_f64(),
        count(&stats, "401"),
        count(&stats, "429"),
        seen.told(),
    ))
}

/// Three providers, of which one at a time is killed and comes back.
async fn killed(rig: &Rig) -> Result<String> {
    let at = free()?;
    let mocks = [free()?, free()?, free()?];
    let script = "rules: [{ faults: ['delay-chunk:5'] }]";
    let mut running: Vec<Option<Running>> = Vec::new();
    for mock in mocks {
        running.push(Some(rig.mock(mock, script)?));
        wait_for(mock).await?;
    }
    let accounts = "  - { id: a, upstream: one, credential: key-a, concurrency: 60 }\n\
                    \x20 - { id: b, upstream: two, credential: key-b, concurrency: 60 }\n\
                    \x20 - { id: c, upstream: three, credential: key-c, concurrency: 60 }\n";
    let upstreams = [("one", mocks[0]), ("two", mocks[1]), ("three", mocks[2])];
    let _gateway = rig.gateway(at, &configuration(at, &upstreams, accounts, "")).await?;
    let clients = Clients::default();
    let offered = KILLING.as_secs() * 100;
    let load = tokio::spawn({
        let clients = clients.clone();
        async move { open_loop(&clients, at, offered, KILLING, body(true)).await }
    });
    let (mut random, mut kills) = (Random(7), 0);
    while !load.is_finished() {
        tokio::time::sleep(KILL_EVERY).await;
        let victim = (random.next() % 3) as usize;
        running[victim] = None;
        kills += 1;
        tokio::time::sleep(Duration::from_millis(200 + random.next() % 800)).await;
        running[victim] = Some(rig.mock(mocks[victim], script)?);
        wait_for(mocks[victim]).await?;
    }
    load.await??;
    let seen = clients.seen.lock().map_err(|_| "a client panicked")?;
    Ok(format!("providers killed: {kills} times under {offered} streams\n{}", seen.told()))
}

/// A thousand requests a second, logged on a disk that works or that does not answer.
async fn stalled(rig: &Rig, is_stalled: bool) -> Result<String> {
    let (mock_at, at) = (free()?, free()?);
    let _mock = rig.mock(mock_at, "")?;
    wait_for(mock_at).await?;
    let accounts = "  - { id: a, upstream: one, credential: key-a, concurrency: 1000 }\n";
    let file = rig.folder.join(format!("records-{is_stalled}.db"));
    let log = format!("records: {{ file: '{}' }}\n", file.display());
    let configured = format!("{}{log}", configuration(at, &[("one", mock_at)], accounts, ""));
    let _gateway = rig.gateway(at, &configured).await?;
    let clients = Clients::default();
    clients.send(at, body(false)).await;
    while !file.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Whoever holds the file stands for a disk that does not answer.
    let holder = rusqlite::Connection::open(&file)?;
    if is_stalled {
        holder.execute_batch("BEGIN EXCLUSIVE")?;
    }
    let (offered, begun) = (LOGGED * STALLING.as_secs(), Instant::now());
    open_loop(&clients, at, offered, STALLING, body(false)).await?;
    let rate = offered as f64 / begun.elapsed().as_secs_f64();
    let mut sender = connect(at).await?;
    let request = Request::get("/metrics").header("host", at.to_string()).body(Full::default())?;
    let text = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
    let text = String::from_utf8_lossy(&text).into_owned();
    let value = |result: &str| {
        let name = format!("interlingua_records_total{{result=\"{result}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or("0").to_owned()
    };
    let seen = clients.seen.lock().map_err(|_| "a client panicked")?;
    Ok(format!(
        "request log on a disk that {}: {rate:.0} requests/s, entries written {}, dropped {}\n{}",
        if is_stalled { "does not answer" } else { "works" },
        value("written"),
        value("dropped"),
        seen.told(),
    ))
}

impl Seen {
    fn told(&self) -> String {
        let again =
            if self.again.is_empty() { String::new() } else { format!(", retry-after (s: clients) {:?}", self.again) };
        format!(
            "    clients saw {:?}, broken before content {}, cut after content {}, slowest {:.1} s{again}\n",
            self.statuses,
            self.broken,
            self.cut,
            self.slowest.as_secs_f64(),
        )
    }
}

impl Clients {
    /// One request, on a connection that is free or a new one.
    async fn send(&self, at: SocketAddr, body: Bytes) {
        let begun = Instant::now();
        let outcome = self.try_send(at, body).await;
        let Ok(mut seen) = self.seen.lock() else { return };
        seen.slowest = seen.slowest.max(begun.elapsed());
        match outcome {
            Ok((status, again, ending)) => {
                *seen.statuses.entry(status).or_default() += 1;
                if let Some(again) = again.filter(|_| status != 200) {
                    *seen.again.entry(again).or_default() += 1;
                }
                match ending {
                    Ending::Whole => {}
                    Ending::Empty => seen.broken += 1,
                    Ending::Cut => seen.cut += 1,
                }
            }
            Err(_) => seen.broken += 1,
        }
    }

    async fn try_send(&self, at: SocketAddr, body: Bytes) -> Result<(u16, Option<u64>, Ending)> {
        let free = self.idle.lock().ok().and_then(|mut idle| idle.pop()).filter(|sender| !sender.is_closed());
        let mut sender = if let Some(sender) = free { sender } else { connect(at).await? };
        if sender.ready().await.is_err() {
            sender = connect(at).await?;
            sender.ready().await?;
        }
        let request = Request::post("/v1/chat/completions")
            .header("host", at.to_string())
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let again = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let answer = response.into_body().collect().await.map(http_body_util::Collected::to_bytes);
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(sender);
        }
        Ok((status, again, answer.map_or(Ending::Cut, |bytes| ending(&bytes))))
    }
}

#[derive(Clone, Copy)]
enum Ending {
    Whole,
    /// An error in the place of content.
    Empty,
    /// Content, but not all.
    Cut,
}

fn ending(bytes: &[u8]) -> Ending {
    let text = String::from_utf8_lossy(bytes);
    let content = text.contains("\"content\":\"");
    match text.starts_with("data:") {
        false => Ending::Whole,
        true if text.contains("data: [DONE]") && !text.contains("\"error\":{") => Ending::Whole,
        true if content => Ending::Cut,
        true => Ending::Empty,
    }
}

/// Offers `requests` within `span`, at random moments.
async fn open_loop(clients: &Clients, at: SocketAddr, requests: u64, span: Duration, body: Bytes) -> Result<()> {
    let mean = span.as_secs_f64() / requests as f64;
    let (mut random, mut due, mut tasks) = (Random(42), 0.0, JoinSet::new());
    let begun = tokio::time::Instant::now();
    for _ in 0..requests {
        due -= mean * (1.0 - random.unit()).ln();
        tokio::time::sleep_until(begun + Duration::from_secs_f64(due)).await;
        let (clients, body) = (clients.clone(), body.clone());
        tasks.spawn(async move { clients.send(at, body).await });
        while tasks.try_join_next().is_some() {}
    }
    while let Some(done) = tasks.join_next().await {
        done?;
    }
    Ok(())
}

/// SplitMix64 (Steele et al. 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn body(stream: bool) -> Bytes {
    let text = "How many roads must a load test walk down before it is called a load test?";
    Bytes::from(format!(r#"{{"model":"m","stream":{stream},"messages":[{{"role":"user","content":"{text}"}}]}}"#))
}

fn configuration(listen: SocketAddr, upstreams: &[(&str, SocketAddr)], accounts: &str, more: &str) -> String {
    let mut text = format!("server: {{ listen: ['{listen}'], threads: 2 }}\nstate: {{ enabled: false }}\nupstreams:\n");
    for (id, at) in upstreams {
        let _ = writeln!(text, "  - {{ id: {id}, dialect: openai_chat, base_url: 'http://{at}/v1' }}");
    }
    let names: Vec<&str> = upstreams.iter().map(|(id, _)| *id).collect();
    let _ = writeln!(text, "accounts:\n{accounts}models:\n  - {{ match: '*', upstream: [{}] }}", names.join(", "));
    // Requests are alike, and are to be no conversation.
    let _ = writeln!(text, "resilience: {{ affinity: {{ enabled: false }}{more} }}");
    text
}

async fn connect(at: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = tokio::net::TcpStream::connect(at).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn stats(mock: SocketAddr) -> Result<Value> {
    let mut sender = connect(mock).await?;
    let request = Request::get("/_mock/stats").header("host", mock.to_string()).body(Full::default())?;
    let body = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
    Ok(serde_json::from_slice(&body)?)
}

/// Answers of the simulator with this status.
fn count(stats: &Value, status: &str) -> u64 {
    stats["total"]["statuses"][status].as_u64().unwrap_or(0)
}

/// A port below those from which the kernel takes ports for outgoing connections: a killed provider comes back to it.
fn free() -> Result<SocketAddr> {
    use std::hash::{BuildHasher as _, RandomState};
    for _ in 0..200 {
        let port = 10_000 + (RandomState::new().hash_one(Instant::now()) % 20_000) as u16;
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(at).is_ok() {
            return Ok(at);
        }
    }
    Err("no free port".into())
}

async fn wait_for(at: SocketAddr) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(20);
    while tokio::net::TcpStream::connect(at).await.is_err() {
        if Instant::now() > until {
            return Err(format!("nothing listens on {at}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
