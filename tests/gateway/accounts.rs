//! Accounts that are entered by commands: from an empty folder on, while the gateway serves, and through its restarts.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::call::Call;
use super::process::{Running, free_port, program};
use super::protocol::Protocol;
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;

/// A gateway whose file says nothing but where it listens and what it keeps.
struct Home {
    folder: tempfile::TempDir,
    port: u16,
    admin: u16,
    process: Option<Running>,
    /// Logs of all processes so far.
    logs: String,
    /// The key of its vault, if it is not to have a file.
    key: Option<String>,
}

impl Home {
    fn new() -> Self {
        let (folder, port, admin) = (tempfile::tempdir().expect("a folder"), free_port(), free_port());
        let state = folder.path().join("state.db");
        let text = format!(
            "server: {{ listen: '127.0.0.1:{port}', admin_listen: '127.0.0.1:{admin}', threads: 2 }}\nstate: {{ file: '{}' }}\n",
            state.display()
        );
        std::fs::write(folder.path().join("interlingua.yaml"), text).expect("written");
        Home { folder, port, admin, process: None, logs: String::new(), key: None }
    }

    async fn started() -> Self {
        let mut home = Home::new();
        home.start().await;
        home
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(arguments);
        command.current_dir(self.folder.path());
        if let Some(key) = &self.key {
            command.env("INTERLINGUA_VAULT_KEY", key);
        }
        command
    }

    async fn start(&mut self) {
        self.process = Some(Running::start("gateway", self.command(&["serve", "--log", "trace"])));
        assert!(self.is_up().await, "{}", self.process.as_ref().expect("a process").log());
    }

    async fn is_up(&self) -> bool {
        eventually(Duration::from_secs(20), || async {
            for port in [self.port, self.admin] {
                if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                    return false;
                }
            }
            true
        })
        .await
    }

    async fn stop(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.signal("KILL");
        assert!(process.end(Duration::from_secs(5)).await.is_some());
        self.logs.push_str(&process.log());
    }

    async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    /// Runs a command: exit code, output, error.
    fn run(&self, arguments: &[&str], input: &str) -> (i32, String, String) {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        // One that wants no input may have ended.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
    }

    fn said(&self, arguments: &[&str], input: &str) -> String {
        let (code, said, error) = self.run(arguments, input);
        assert_eq!(code, 0, "{arguments:?}: {error}");
        said
    }

    fn fails(&self, arguments: &[&str], parts: &[&str]) {
        let (code, said, error) = self.run(arguments, "key-canary");
        assert_eq!(code, 1, "{arguments:?}: {said}{error}");
        for part in parts {
            assert!(error.contains(part), "{part} in: {error}");
        }
        assert!(!error.contains("key-canary"), "{error}");
    }

    fn add(&self, id: &str, provider: &str, mock: u16, more: &[&str]) -> String {
        let path = if provider.starts_with("openai") { "/v1" } else { "" };
        let url = format!("http://127.0.0.1:{mock}{path}");
        let arguments = ["accounts", "add", id, "--provider", provider, "--base-url", &url, "--key-stdin"];
        self.said(&[&arguments[..], more].concat(), &format!("key-canary-{id}\n"))
    }

    async fn ask(&self) -> u16 {
        Protocol::Anthropic.call("claude-sonnet-4-5", &fresh(), false).send(self.port).await.status
    }

    async fn api(&self, method: &'static str, path: &str, body: &str) -> (u16, Value) {
        let answer = Call { method, ..Call::post(path, body) }.send(self.admin).await;
        assert!(!answer.text().contains("canary"), "{}", answer.text());
        (answer.status, answer.json())
    }

    /// The bytes of the state file with all that SQLite puts beside it.
    fn kept(&self) -> Vec<u8> {
        kept(self.folder.path())
    }
}

/// What begins a conversation of its own, so that no account is bound to it.
fn fresh() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("hello {}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn kept(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for file in std::fs::read_dir(folder).expect("a folder") {
        let path = file.expect("a file").path();
        bytes.extend(if path.is_dir() { kept(&path) } else { std::fs::read(path).expect("readable") });
    }
    bytes
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_an_empty_folder_accounts_come_and_go_while_requests_are_served() {
    let mock = Mock::start("").await;
    let mut home = Home::started().await;
    assert!(home.ask().await >= 400, "there is nobody to ask");
    assert!(home.said(&["accounts", "list"], "").contains("interlingua accounts add"));
    let added = home.add("one", "anthropic", mock.port, &["--tier", "pro", "--concurrency", "7"]);
    assert!(added.contains("command") && added.contains("vault") && added.contains("pro"), "{added}");
    assert_eq!(home.ask().await, 200, "the next request is served");
    assert_eq!(mock.count("canary-one").await, 1);
    home.add("two", "anthropic", mock.port, &["--tier", "free"]);
    let listed = home.said(&["accounts", "list"], "");
    let lines: Vec<&str> = listed.lines().filter(|line| line.contains("command")).collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(lines.iter().all(|line| line.contains("anthropic ")), "they share their upstream: {listed}");
    assert!(home.said(&["accounts", "disable", "one"], "").contains("by the operator"));
    assert_eq!((home.ask().await, mock.count("canary-two").await), (200, 1));
    home.restart().await;
    assert_eq!((home.ask().await, mock.count("canary-two").await), (200, 2), "also after a restart");
    assert!(!holds(&home.kept(), "canary"), "nothing of a key is in any file");
    home.said(&["accounts", "enable", "one"], "");
    assert_eq!((home.ask().await, mock.count("canary-one").await), (200, 2));
    let (code, _, error) = home.run(&["accounts", "remove", "one"], "");
    assert!(code == 1 && error.contains("--yes"), "{error}");
    let removed = home.said(&["accounts", "remove", "one", "--yes"], "");
    assert!(removed.contains("account/one/credential") && !removed.contains("upstreams"), "{removed}");
    assert_eq!((home.ask().await, mock.count("canary-two").await), (200, 3));
    home.said(&["accounts", "key", "two", "--key-stdin"], "key-canary-other");
    assert_eq!((home.ask().await, mock.count("canary-other").await), (200, 1));
    let status = home.said(&["accounts", "status"], "");
    assert!(status.contains("two") && !status.contains("one "), "{status}");
    let removed = home.said(&["accounts", "remove", "two", "--yes"], "");
    assert!(removed.contains("with its upstreams: anthropic"), "{removed}");
    assert!(home.ask().await >= 400);
    assert!(home.said(&["vault", "list"], "").lines().count() <= 2, "no secret is left");
    home.stop().await;
    assert!(!holds(&home.kept(), "canary"), "nothing of a key is in any file");
    assert!(home.logs.contains("an account was added") && !home.logs.contains("canary"), "nor in a log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_configuration_the_first_account_is_enough() {
    // A gateway without a file listens where it is documented to; who has something else there cannot run this.
    for port in [8080, 8081] {
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_err() {
            eprintln!("port {port} is taken");
            return;
        }
    }
    let mock = Mock::start("").await;
    let folder = tempfile::tempdir().expect("a folder");
    let start = |arguments: &[&str]| {
        let mut command = program(arguments);
        command.current_dir(folder.path()).env("HOME", folder.path()).env("KEY", "key-canary-z");
        command
    };
    let process = Running::start("gateway", start(&["serve"]));
    let up = || async { tokio::net::TcpStream::connect(("127.0.0.1", 8081)).await.is_ok() };
    assert!(eventually(Duration::from_secs(20), up).await, "{}", process.log());
    let url = format!("http://127.0.0.1:{}/v1", mock.port);
    let added =
        start(&["accounts", "add", "z", "--provider", "openai", "--base-url", &url, "--key-env", "KEY"]).output();
    let added = added.expect("it runs");
    assert!(added.status.success(), "{added:?}");
    for protocol in [Protocol::Chat, Protocol::Anthropic] {
        assert_eq!(protocol.call("gpt-5", "hello", false).send(8080).await.status, 200);
    }
    let key = folder.path().join(".local/state/interlingua/vault.key");
    let mode = std::os::unix::fs::PermissionsExt::mode(&key.metadata().expect("a key file").permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstreams_of_a_provider_are_made_shared_told_apart_and_removed() {
    let (first, second) = (Mock::start("").await, Mock::start("").await);
    let home = Home::started().await;
    home.add("a", "openai", first.port, &[]);
    home.add("b", "openai", first.port, &[]);
    home.add("c", "openai", second.port, &[]);
    let upstreams = async |id: &str| {
        let (status, entry) = home.api("GET", &format!("/api/accounts/{id}"), "").await;
        assert_eq!(status, 200, "{entry}");
        let all = entry["upstreams"].as_array().expect("a list").clone();
        all.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(upstreams("a").await, ["openai", "openai-chat"]);
    assert_eq!(upstreams("b").await, ["openai", "openai-chat"]);
    assert_eq!(upstreams("c").await, ["openai-2", "openai-chat-2"]);
    home.said(&["accounts", "add", "d", "--upstream", "openai-chat-2", "--key-stdin"], "key-canary-d");
    for model in ["gpt-5", "openai/x", "openai-2/x", "openai-chat-2/x"] {
        assert_eq!(Protocol::Chat.call(model, "hello", false).send(home.port).await.status, 200, "{model}");
    }
    assert!(home.said(&["accounts", "remove", "c", "--yes"], "").contains("with its upstreams: openai-2\n"));
    assert!(!home.said(&["accounts", "remove", "a", "--yes"], "").contains("upstreams"));
    home.fails(&["accounts", "add", "b", "--provider", "openai", "--key-stdin"], &["there is an account 'b' already"]);
    home.fails(
        &["accounts", "add", "e", "--provider", "nobody", "--key-stdin"],
        &["no provider 'nobody'", "anthropic"],
    );
    home.fails(&["accounts", "add", "status", "--provider", "openai", "--key-stdin"], &["another id"]);
    home.fails(&["accounts", "add", "e", "--upstream", "nowhere", "--key-stdin"], &["'e' was not taken", "nowhere"]);
    home.fails(&["accounts", "add", "e", "--provider", "groq", "--no-key"], &["was not taken", "credential"]);
    home.fails(&["accounts", "add", "e", "--provider", "groq", "--credential", "key-canary"], &["`key`"]);
    home.fails(&["accounts", "add", "e", "--provider", "groq", "--key-stdin", "--tier", "gold"], &["tier"]);
    home.fails(&["accounts", "show", "e"], &["there is no account 'e'"]);
    assert!(!home.said(&["vault", "list"], "").contains("account/e"), "nothing of what failed stays");
    let (status, _) = home.api("POST", "/api/accounts", r#"{"id": "x", "key": ["key-canary"]}"#).await;
    assert_eq!(status, 400);
    let (status, told) = home.api("PATCH", "/api/accounts/b", r#"{"models": ["gpt-5"], "tier": "pro"}"#).await;
    assert_eq!((status, &told["models"], &told["tier"]), (200, &json!(["gpt-5"]), &json!("pro")));
    let (_, told) = home.api("PATCH", "/api/accounts/b", r#"{"models": null}"#).await;
    assert_eq!((&told["models"], &told["tier"]), (&Value::Null, &json!("pro")));
    assert_eq!(home.api("PATCH", "/api/accounts/b", r#"{"tier": "gold"}"#).await.0, 422);
    assert_eq!(home.api("GET", "/api/accounts/b", "").await.1["tier"], "pro", "it is as before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_tried_out_without_a_cost() {
    let mock = Mock::start("rules: [{match: {key: key-canary-bad}, faults: [401]}]").await;
    let home = Home::started().await;
    for provider in ["openai", "anthropic", "gemini"] {
        home.add(provider, provider, mock.port, &[]);
        let said = home.said(&["accounts", "test", provider], "");
        assert!(said.contains("accepted") && said.contains(&format!("{provider} works")), "{said}");
    }
    let asked = mock.requests().await;
    assert!(
        asked.iter().all(|request| request["path"].as_str().is_some_and(|path| path.contains("/models"))),
        "{asked:?}"
    );
    home.add("disabled", "anthropic", mock.port, &["--disabled"]);
    assert!(home.said(&["accounts", "test", "disabled"], "").contains("claude-"));
    home.add("lost", "anthropic", free_port(), &[]);
    home.fails(&["accounts", "test", "lost"], &["was not seen to work"]);
    let (_, tested) = home.api("POST", "/api/accounts/lost/test", "").await;
    assert_eq!((&tested["works"], &tested["looks"][0]["reachable"]), (&json!(false), &json!(false)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_file_says_is_changed_there_but_for_two_things() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state.db");
    let mock = Mock::start("").await;
    let stage = Stage::new(mock.port).account("a", "tier: pro").account("b", "tier: free");
    let stage = stage.state(state.to_str().expect("UTF-8"));
    let gateway = Gateway::start(&stage).await;
    let run = |gateway: &Gateway, arguments: &[&str]| {
        let config = gateway.file.to_str().expect("UTF-8").to_owned();
        let output = program(&[arguments, &["--config", &config]].concat()).output().expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.success(), text(output.stdout) + &text(output.stderr))
    };
    let ask = async |gateway: &Gateway| {
        assert_eq!(gateway.send(&Protocol::Anthropic.call("m", &fresh(), false)).await.status, 200);
        (mock.count("a").await, mock.count("b").await)
    };
    for arguments in [&["accounts", "remove", "a", "--yes"][..], &["accounts", "set", "a", "--tier", "free"]] {
        let (done, said) = run(&gateway, arguments);
        assert!(!done && said.contains("interlingua.yaml") && said.contains("disable"), "{said}");
    }
    let (_, said) = run(&gateway, &["accounts", "disable", "a"]);
    assert!(said.contains("disabled (set by command)") && said.contains("by the operator"), "{said}");
    assert_eq!(ask(&gateway).await, (0, 1));
    drop(gateway);
    let gateway = Gateway::start(&stage).await;
    assert_eq!(ask(&gateway).await, (0, 2), "it is kept through a restart");
    let (_, said) = run(&gateway, &["accounts", "list"]);
    assert!(said.lines().any(|line| line.starts_with("a ") && line.contains("file")), "{said}");
    run(&gateway, &["accounts", "enable", "a"]);
    assert_eq!(ask(&gateway).await, (1, 2));
    let (done, said) = run(&gateway, &["accounts", "pin", "b"]);
    assert!(done && said.contains("b is pinned"), "{said}");
    assert_eq!(ask(&gateway).await, (1, 3));
    assert!(run(&gateway, &["accounts", "pin"]).1.contains("b is pinned"));
    assert!(!run(&gateway, &["accounts", "pin", "nobody"]).0);
    assert!(run(&gateway, &["accounts", "unpin"]).1.contains("no account is pinned"));
    assert_eq!(ask(&gateway).await.0, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_of_the_vault_is_changed_with_and_without_a_gateway() {
    let mock = Mock::start("").await;
    let mut home = Home::new();
    let key_id = |home: &Home| {
        let listed: Value = serde_json::from_str(&home.said(&["vault", "list", "--json"], "")).expect("JSON");
        listed["secrets"][0]["key_id"].as_str().expect("an id").to_owned()
    };
    home.said(&["vault", "set", "mine", "--key-stdin"], "key-canary-mine\n");
    let text = std::fs::read_to_string(home.folder.path().join("interlingua.yaml")).expect("the file");
    let more = format!(
        "upstreams: [{{ id: u, dialect: anthropic, base_url: 'http://127.0.0.1:{}' }}]\n\
         accounts: [{{ id: file, upstream: u, credential: '${{vault:mine}}' }}]\nmodels: [{{ match: '*', upstream: u }}]\n",
        mock.port
    );
    std::fs::write(home.folder.path().join("interlingua.yaml"), text + &more).expect("written");
    assert!(!home.said(&["check"], "").contains("warning"));
    home.start().await;
    assert_eq!((home.ask().await, mock.count("canary-mine").await), (200, 1));
    let before = key_id(&home);
    assert!(home.said(&["vault", "rotate"], "").contains("1 secrets are sealed"));
    assert_ne!(key_id(&home), before);
    home.fails(&["vault", "remove", "mine", "--yes"], &["cannot be without it"]);
    home.fails(&["vault", "remove", "nothing", "--yes"], &["no secret 'nothing'"]);
    home.said(&["vault", "set", "mine", "--key-stdin"], "key-canary-next");
    assert_eq!((home.ask().await, mock.count("canary-next").await), (200, 1), "it is in force at once");
    home.stop().await;
    assert!(home.said(&["vault", "rotate"], "").contains("1 secrets are sealed"));
    home.start().await;
    assert_eq!((home.ask().await, mock.count("canary-next").await), (200, 2));
    home.stop().await;
    std::fs::remove_file(home.folder.path().join("vault.key")).expect("the key is lost");
    let checked = home.said(&["check"], "");
    assert!(checked.contains("warning: the secret `mine` cannot be looked up here") && checked.contains("is good"));
    home.fails(&["serve"], &["secret `mine`", "vault.key"]);
    assert!(!holds(&home.kept(), "canary") && !home.logs.contains("canary"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_from_the_environment_is_changed_by_hand() {
    let mock = Mock::start("").await;
    let mut home = Home::new();
    let keys = ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="];
    home.key = Some(keys[0].to_owned());
    home.start().await;
    home.add("a", "anthropic", mock.port, &[]);
    home.fails(&["vault", "rotate"], &["--new-key-file", "INTERLINGUA_VAULT_KEY"]);
    let said = home.said(&["vault", "rotate", "--new-key-stdin"], keys[1]);
    assert!(said.contains("Put the new key into the environment variable"), "{said}");
    assert_eq!(home.ask().await, 200);
    home.stop().await;
    home.start().await;
    assert!(home.ask().await >= 400, "with the old key it is left out");
    assert!(home.said(&["accounts", "list"], "").contains("not in force: credential: the secret"), "and told");
    home.stop().await;
    home.key = Some(keys[1].to_owned());
    home.start().await;
    assert_eq!(home.ask().await, 200);
    home.stop().await;
    assert!(!home.logs.contains(&keys[0][..40]) && !home.logs.contains(&keys[1][..40]));
    assert!(!home.folder.path().join("vault.key").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_move_to_another_gateway() {
    let mock = Mock::start("").await;
    let (one, two) = (Home::started().await, Home::started().await);
    one.add("a", "anthropic", mock.port, &["--tier", "pro"]);
    one.add("b", "openai", mock.port, &[]);
    two.add("b", "openai", mock.port + 1, &[]);
    let bare = one.folder.path().join("bare.json");
    let bare = bare.to_str().expect("UTF-8");
    one.said(&["accounts", "export", bare], "");
    let whole = one.folder.path().join("whole.json");
    let whole = whole.to_str().expect("UTF-8");
    let phrase = one.folder.path().join("phrase");
    std::fs::write(&phrase, "a long passphrase\n").expect("written");
    let phrase = ["--passphrase-file", phrase.to_str().expect("UTF-8")];
    one.said(&[&["accounts", "export", whole, "--secrets"], &phrase[..]].concat(), "");
    one.fails(&["accounts", "export", bare], &["bare.json"]);
    for file in [bare, whole] {
        assert!(!holds(&std::fs::read(file).expect("the file"), "canary"));
    }
    let said = two.said(&["accounts", "import", bare], "");
    assert!(said.contains("0 accounts are added") && said.contains("export with --secrets): a\n"), "{said}");
    let said = two.said(&[&["accounts", "import", whole], &phrase[..]].concat(), "");
    assert!(said.contains("1 accounts are added") && said.contains("there already: b"), "{said}");
    assert_eq!((two.ask().await, mock.count("canary-a").await), (200, 1));
    let wrong = one.folder.path().join("wrong");
    std::fs::write(&wrong, "another passphrase").expect("written");
    two.fails(&["accounts", "import", whole, "--passphrase-file", wrong.to_str().expect("UTF-8")], &["passphrase"]);
}
