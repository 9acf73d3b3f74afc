//! Processes of the program under test: started, listened to, and ended with the test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_interlingua");
/// Longest wait for anything that a process should do.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(20);

/// A command of the program, without anything of this machine's environment that it would take for its own.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

/// A process that is killed when the test lets go of it. If the test failed, its log is printed.
pub(crate) struct Running {
    name: &'static str,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Running {
    /// Starts `command` and collects its standard error.
    pub(crate) fn start(name: &'static str, mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, into) = (BufReader::new(child.stderr.take().expect("a pipe")), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                into.lock().expect("the log").push(line);
            }
        });
        Running { name, child, log }
    }

    /// Everything that the process has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("the log").join("\n")
    }

    /// Waits for a line that holds `text`, and gives it. `None` when the process ended without it.
    pub(crate) async fn line(&mut self, text: &str) -> Option<String> {
        let until = Instant::now() + WAIT_MAX;
        loop {
            let ended = self.ended().is_some();
            if let Some(line) = self.log.lock().expect("the log").iter().find(|line| line.contains(text)) {
                return Some(line.clone());
            }
            if ended || Instant::now() > until {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How the process ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours")
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self, within: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + within;
        while Instant::now() < until {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        None
    }

    /// Sends it a signal by name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "SIG{name} was sent");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(16_000);
            let from = (from..=log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(0);
            eprintln!("---- log of {} ----\n{}", self.name, &log[from..]);
        }
    }
}

/// A port on which nothing listens. Below the range from which the kernel takes ports for outgoing connections, so that
/// nobody gets it before the program does.
pub(crate) fn free_port() -> u16 {
    use std::hash::{BuildHasher as _, RandomState};
    for _ in 0..200 {
        let port = 10_000 + (RandomState::new().hash_one(Instant::now()) % 20_000) as u16;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}
