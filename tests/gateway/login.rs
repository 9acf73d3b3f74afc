//! The operator logs in with an OAuth client of their own, by the command, through a browser.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use super::call::Call;
use super::process::{Running, WAIT_MAX, program};
use super::protocol::Protocol;
use super::rig::{Gateway, Mock};
use super::stage::Stage;

/// A gateway with a Vertex upstream and no account there.
fn stage(mock: &Mock, state: &Path) -> Stage {
    Stage::with(mock.port, &["a"])
        .entry(&format!("id: v, provider: vertex, project: p, base_url: 'http://127.0.0.1:{}'", mock.port), "")
        .entry("", "id: of-the-file, upstream: v, credential: key-file")
        .model("match: 'v/*', upstream: v, model: '{1}'")
        .state(state.to_str().expect("a UTF-8 path"))
}

fn login(mock: &Mock, gateway: &Gateway, arguments: &[&str]) -> Command {
    let (auth, token) = (
        format!("http://127.0.0.1:{}/oauth/authorize", mock.port),
        format!("http://127.0.0.1:{}/oauth/token", mock.port),
    );
    let config = gateway.file.to_str().expect("UTF-8");
    let all = ["accounts", "--config", config, "login", "--no-browser", "--auth-url", &auth, "--token-url", &token];
    program(&[&all, arguments].concat())
}

/// Where the simulator sends the browser.
async fn agree(mock: &Mock, url: &str) -> String {
    let path = url.split_once("/oauth/").map(|(_, rest)| format!("/oauth/{rest}")).expect("the address of the login");
    let answer = Call::get(&path).send(mock.port).await;
    assert_eq!(answer.status, 302, "{}", answer.text());
    answer.header("location").expect("a redirect").to_owned()
}

/// Logs in as a browser would; how the command ended, and what it said on its way.
async fn browse(mock: &Mock, mut command: Command) -> (ExitStatus, String) {
    command.stdin(Stdio::null());
    let mut process = Running::start("login", command);
    if let Some(line) = process.line("/oauth/authorize?").await {
        let back = agree(mock, line.trim()).await;
        let (port, path) = back.trim_start_matches("http://127.0.0.1:").split_once('/').expect("an address");
        let port: u16 = port.parse().expect("a port");
        assert_eq!(Call::get("/favicon.ico").send(port).await.status, 404, "what else a browser asks for");
        let page = Call::get(&format!("/{path}")).send(port).await;
        assert_eq!(page.status, 200, "{}", page.text());
    }
    let status = process.end(WAIT_MAX).await.expect("it ends");
    (status, process.log())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_serves_at_once_and_after_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state.db");
    let mock = Mock::start("").await;
    let stage = stage(&mock, &state);
    let mut gateway = Gateway::start_logging(&stage, "debug").await;
    let arguments = ["me", "--upstream", "v", "--client-id", "mine", "--scope", "rotating"];
    let (status, said) = browse(&mock, login(&mock, &gateway, &arguments)).await;
    assert!(status.success(), "{said}");
    // The account of the file has a tier as low; this one is asked alone.
    let off = Call { method: "PATCH", ..Call::post("/api/accounts/of-the-file", r#"{"enabled":false}"#) };
    assert_eq!(off.send(gateway.admin).await.status, 200);
    let call = |number: u32| Protocol::Anthropic.call("v/m", &format!("hello {number}"), false);
    assert_eq!(gateway.send(&call(1)).await.status, 200);
    assert_eq!(mock.count("rotating-login-1").await, 1);
    let log = gateway.process.log();
    for secret in ["key-rotating-login-1", "ya29.mock", "4/code-1", "code_verifier"] {
        assert!(!log.contains(secret) && !said.contains(secret), "{secret}");
    }
    let raw = std::fs::read(&state).expect("the state file");
    let held = [raw, std::fs::read(folder.path().join("state.db-wal")).unwrap_or_default()].concat();
    assert!(!String::from_utf8_lossy(&held).contains("rotating-login"), "sealed");
    gateway.process.signal("KILL");
    assert!(gateway.process.end(WAIT_MAX).await.is_some());
    let gateway = Gateway::start(&stage).await;
    assert_eq!(gateway.send(&call(2)).await.status, 200);
    assert_eq!(mock.count("rotating-login-1").await, 2);

    let again = ["me", "--client-id", "mine", "--scope", "rotating"];
    let (status, said) = browse(&mock, login(&mock, &gateway, &again)).await;
    assert!(status.success(), "{said}");
    assert_eq!(gateway.send(&call(3)).await.status, 200);
    assert_eq!(mock.count("rotating-login-2").await, 1, "the new login counts at once");
    let told = Call::get("/_mock/oauth").send(mock.port).await.json();
    assert_eq!(told["reused"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(&mock, &folder.path().join("state.db"))).await;
    for (arguments, expected) in [
        (&["me", "--upstream", "v", "--client-id", "denied"][..], "access_denied"),
        (&["me", "--upstream", "v", "--client-id", "forged"], "another login"),
        (&["me", "--upstream", "v", "--client-id", "confidential"], "invalid_client"),
        (&["me", "--upstream", "v", "--client-id", "mine", "--scope", "online"], "no refresh token"),
        (&["me", "--upstream", "nowhere", "--client-id", "mine"], "nowhere"),
        (&["me", "--client-id", "mine"], "either `provider`, or `upstream`"),
        (&["of-the-file", "--client-id", "mine"], "entered in the configuration"),
        (&["me", "--upstream", "v", "--client-id", "mine", "--param", "state=x"], "`state` cannot be set"),
        (&["me", "--upstream", "v", "--client-id", "mine", "--url", "http://127.0.0.1:1"], "no gateway answers"),
    ] {
        let (status, said) = browse(&mock, login(&mock, &gateway, arguments)).await;
        assert!(!status.success() && said.contains(expected), "{arguments:?}: {said}");
    }
    let mut late = login(&mock, &gateway, &["me", "--upstream", "v", "--client-id", "mine", "--timeout", "1"]);
    let late = late.output().expect("it runs");
    let said = String::from_utf8_lossy(&late.stderr).into_owned();
    assert!(!late.status.success() && said.contains("nobody came back"), "{said}");
    let mut secret = login(&mock, &gateway, &["me", "--upstream", "v", "--client-id", "confidential"]);
    secret.args(["--client-secret-env", "MINE"]).env("MINE", "secret-of-confidential");
    let (status, said) = browse(&mock, secret).await;
    assert!(status.success(), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_browser_the_address_is_pasted() {
    let folder = tempfile::tempdir().expect("a folder");
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(&mock, &folder.path().join("state.db"))).await;
    for (paste, expected) in [
        ("LOCATION", ""),
        ("http://127.0.0.1:8765/callback?code=x&state=of-somebody-else", "another login"),
        ("a-code-that-is-wrong", "invalid_grant"),
        ("http://127.0.0.1:8765/callback", "no code"),
    ] {
        let id = format!("me-{}", expected.len());
        let mut command = login(&mock, &gateway, &[&id, "--upstream", "v", "--client-id", "mine", "--paste"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        while !line.contains("/oauth/authorize?") {
            line.clear();
            assert!(lines.read_line(&mut line).expect("a line") > 0, "it ended early");
        }
        let back = agree(&mock, line.trim()).await;
        let pasted = paste.replace("LOCATION", &back);
        writeln!(child.stdin.take().expect("a pipe"), "{pasted}").expect("it is pasted");
        let mut said = String::new();
        lines.read_to_string(&mut said).expect("text");
        let status = child.wait().expect("it ends");
        assert_eq!(status.success(), expected.is_empty(), "{said}");
        assert!(said.contains(expected), "{paste}: {said}");
    }
}
