//! The simulator and the gateway, each a process.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use interlingua_client::{Client, ClientBuilder};
use serde_json::Value;

/// The client's key.
pub(crate) const KEY: &str = "il-0123456789abcdef";
pub(crate) const ADMIN_KEY: &str = "admin-0123456789abcdef";
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A gateway with one account, `a`, at one upstream, `up`, that the simulator plays.
pub(crate) struct Rig {
    _mock: Running,
    _gateway: Running,
    mock: String,
    url: String,
    admin: String,
    folder: tempfile::TempDir,
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The folder of what was built: this test is in its `deps`.
fn built() -> PathBuf {
    let test = std::env::current_exe().expect("this test has a path");
    test.ancestors().nth(2).expect("a folder above deps").to_owned()
}

fn program(path: &Path, what: &str) -> Command {
    assert!(
        path.exists(),
        "{} is not there: these tests need {what}. Run `cargo build --workspace --all-targets`, or `make unit`",
        path.display()
    );
    let mut command = Command::new(path);
    command.env_clear().stdin(Stdio::null());
    command
}

fn gateway() -> Command {
    let named = std::env::var_os("INTERLINGUA_BIN").map(PathBuf::from);
    program(&named.unwrap_or_else(|| built().join("interlingua")), "the gateway")
}

/// A port on which nothing listens.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Rig {
    /// Starts both; `script` is the simulator's.
    pub(crate) async fn start(script: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("script.yaml");
        std::fs::write(&file, script).expect("the script is written");
        let mut command = gateway();
        command.args(["mock", "--listen", "127.0.0.1:0", "--script"]).arg(&file);
        let mut mock = Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts"));
        let mut lines = BufReader::new(mock.0.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("address=")).expect("the simulator says where it is");
        let port = line.rsplit(':').next().expect("a port").trim().to_owned();
        // Read on, or the simulator would wait.
        std::thread::spawn(move || lines.for_each(drop));
        let mock_url = format!("http://127.0.0.1:{port}");
        for _ in 0..3 {
            if let Some((running, url, admin)) = serve(folder.path(), &mock_url).await {
                return Rig { _mock: mock, _gateway: running, mock: mock_url, url, admin, folder };
            }
        }
        panic!("the gateway does not start");
    }

    /// A client of it that finds nothing else.
    pub(crate) fn builder(&self) -> ClientBuilder {
        let builder = Client::builder().environment(false).folder(None).well_known_ports(false);
        builder.url(&self.url).key(KEY).admin_url(&self.admin).admin_key(ADMIN_KEY)
    }

    pub(crate) async fn client(&self) -> Client {
        self.builder().build().await.expect("a client")
    }

    /// Where its `interlingua.yaml` is.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// How many requests the provider has seen.
    pub(crate) async fn asked(&self) -> u64 {
        let provider = Client::builder().environment(false).folder(None).url(&self.mock).build().await;
        let told: Value = provider.expect("a client").get("_mock/requests?key=key-a").await.expect("an answer");
        told["count"].as_u64().expect("a count")
    }

    /// What an example says. It finds the gateway by its environment.
    pub(crate) async fn example(&self, name: &str, arguments: &[&str]) -> String {
        let mut command = program(&built().join("examples").join(name), "the examples");
        command.args(arguments).current_dir(self.folder.path());
        command.env("INTERLINGUA_URL", &self.url).env("INTERLINGUA_KEY", KEY);
        command.env("INTERLINGUA_ADMIN_URL", &self.admin).env("INTERLINGUA_ADMIN_KEY", ADMIN_KEY);
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{name}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
        said
    }
}

async fn serve(folder: &Path, mock: &str) -> Option<(Running, String, String)> {
    let (port, admin) = (free_port(), free_port());
    let state = folder.join("state.db");
    let text = format!(
        "server: {{ listen: '127.0.0.1:{port}', admin_listen: '127.0.0.1:{admin}', threads: 2, admin_keys: {ADMIN_KEY} }}\n\
         state: {{ file: '{}' }}\n\
         clients: [{{ id: test, keys: {KEY} }}]\n\
         upstreams: [{{ id: up, dialect: openai_chat, base_url: '{mock}/v1' }}]\n\
         accounts: [{{ id: a, upstream: up, credential: key-a }}]\n\
         models: [{{ match: m, upstream: up }}, {{ match: 'mock-*', upstream: up }}]\n\
         resilience: {{ wait_for_slot: 0s, breaker: {{ enabled: false }} }}\n",
        state.display()
    );
    std::fs::write(folder.join("interlingua.yaml"), text).expect("the file is written");
    let mut command = gateway();
    command.args(["serve", "--log", "warn", "--config", "interlingua.yaml"]).current_dir(folder);
    let mut running = Running(command.stdout(Stdio::null()).spawn().expect("it starts"));
    let (url, admin) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{admin}"));
    let until = Instant::now() + WAIT_MAX;
    while running.0.try_wait().expect("a child of ours").is_none() && Instant::now() < until {
        let admin_is_up = std::net::TcpStream::connect(admin.trim_start_matches("http://")).is_ok();
        let client = Client::builder().environment(false).folder(None).url(&url).build().await.expect("a client");
        // It is no JSON, but an answer.
        let answers = matches!(client.get::<Value>("readyz").await, Err(interlingua_client::Error::Unreadable { .. }));
        if admin_is_up && answers {
            return Some((running, url, admin));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}
