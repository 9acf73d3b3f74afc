//! Faults of the disk that keeps what is learned: the gateway serves all the same, says once what is wrong, and writes on
//! when it is well.
//!
//! The disks are small ones in memory, which need the right to mount; without it these tests say so and end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::call::Call;
use super::process::{WAIT_MAX, program};
use super::protocol::Protocol;
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;

/// The writer leaves a bad file alone for ten seconds.
const WELL_AGAIN: Duration = Duration::from_secs(25);

/// A disk of its own.
struct Disk {
    at: PathBuf,
    _folder: tempfile::TempDir,
}

impl Disk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().join("disk");
        std::fs::create_dir(&at).expect("a folder");
        let disk = Disk { at, _folder: folder };
        let mounted = mount(&["-t", "tmpfs", "-o", "size=2m,mode=0755", "tmpfs"], &disk.at);
        if !mounted {
            eprintln!("not tested: no disk can be mounted here");
        }
        mounted.then_some(disk)
    }

    fn state(&self) -> PathBuf {
        self.at.join("state/state.db")
    }

    fn remount(&self, how: &str) {
        assert!(mount(&["-o", &format!("remount,{how}")], &self.at), "remount {how}");
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let (mut size, file) = (1 << 20, self.at.join("filler"));
        let mut written = Vec::new();
        while size > 0 {
            let longer = [written.clone(), vec![7; size]].concat();
            match std::fs::write(&file, &longer) {
                Ok(()) => written = longer,
                Err(_) => size /= 2,
            }
        }
        // What a failed attempt has left is enough to be full.
        let _ = std::fs::write(self.at.join("more"), vec![7; 1 << 20]);
    }

    fn empty(&self) {
        for name in ["filler", "more"] {
            std::fs::remove_file(self.at.join(name)).expect("removed");
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

fn mount(arguments: &[&str], at: &Path) -> bool {
    Command::new("mount").args(arguments).arg(at).output().is_ok_and(|ended| ended.status.success())
}

/// One account rests for ten minutes after its first request, the other serves.
async fn start(file: &Path) -> (Mock, Stage, Gateway) {
    let mock = Mock::start("rules: [{match: {key: key-limited}, faults: ['429:600']}]").await;
    let stage = Stage::new(mock.port).account("limited", "tier: ultra").account("b", "");
    let stage = stage.state(file.to_str().expect("UTF-8"));
    let gateway = Gateway::start(&stage).await;
    (mock, stage, gateway)
}

async fn ask(gateway: &Gateway, model: &str) {
    for number in 0..5 {
        let call = Protocol::Anthropic.call(model, &format!("conversation {number} about {model}"), false);
        assert_eq!(gateway.send(&call).await.status, 200);
    }
}

async fn health(gateway: &Gateway) -> Value {
    Call::get("/api/resilience/health").send(gateway.admin).await.json()
}

/// Waits for trouble that says so, and for the one line about it.
async fn in_trouble(gateway: &Gateway, advice: &str) {
    let told = || async { health(gateway).await["state_error"].as_str().is_some_and(|why| why.contains(advice)) };
    assert!(eventually(WAIT_MAX, told).await, "{}: {}", health(gateway).await, gateway.process.log());
    assert_eq!(health(gateway).await["durable"], false);
    let config = gateway.file.to_str().expect("UTF-8");
    let said = program(&["accounts", "status", "--config", config]).output().expect("the command runs").stdout;
    let said = String::from_utf8(said).expect("UTF-8");
    assert!(said.contains("lost at a restart now") && said.contains(advice) && said.contains("QUOTA LEFT"), "{said}");
    assert_eq!(Call::get("/readyz").send(gateway.port).await.status, 200, "it serves");
    let log = gateway.process.log();
    let said = |who: &str| log.lines().filter(|line| line.contains(who) && line.contains(advice)).count();
    assert_eq!(said("interlingua::store"), 1, "it is said once: {log}");
    assert!(said("interlingua::config") <= 1 && said("interlingua::records") <= 1, "also by the others: {log}");
}

async fn well(gateway: &mut Gateway) {
    let told = || async { health(gateway).await["state_error"].is_null() };
    assert!(eventually(WELL_AGAIN, told).await, "{}", gateway.process.log());
    assert_eq!(health(gateway).await["durable"], true);
    assert!(gateway.process.line("the state is kept again").await.is_some());
}

/// Ends the process, starts another, and gives how many locks that one knows.
async fn after_restart(mut gateway: Gateway, stage: &Stage) -> usize {
    gateway.process.signal("KILL");
    assert!(gateway.process.end(WAIT_MAX).await.is_some());
    let gateway = Gateway::start(stage).await;
    let all = Call::get("/api/resilience/cooldowns").send(gateway.admin).await.json();
    all["cooldowns"].as_array().expect("a list").len()
}

#[tokio::test]
async fn a_disk_that_runs_full_harms_no_request_and_is_written_when_there_is_room() {
    let Some(disk) = Disk::mount() else { return };
    let (_mock, stage, mut gateway) = start(&disk.state()).await;
    ask(&gateway, "one").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(health(&gateway).await["durable"], true);
    disk.fill();
    // Enough to write that no room inside the file will do.
    for number in 0..8 {
        ask(&gateway, &format!("{number}-{}", "long".repeat(40))).await;
    }
    in_trouble(&gateway, "make room on its disk").await;
    ask(&gateway, "two").await;
    disk.empty();
    well(&mut gateway).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(after_restart(gateway, &stage).await, 10, "what was learned meanwhile is there");
}

/// Starts on a disk that is full, or else read-only.
async fn starts_on(full: bool, advice: &str) {
    let Some(disk) = Disk::mount() else { return };
    if full {
        disk.fill();
    } else {
        disk.remount("ro");
    }
    let (_mock, stage, mut gateway) = start(&disk.state()).await;
    ask(&gateway, "one").await;
    // The writer has tried, too.
    tokio::time::sleep(Duration::from_millis(500)).await;
    in_trouble(&gateway, advice).await;
    ask(&gateway, "two").await;
    if full {
        disk.empty();
    } else {
        disk.remount("rw");
    }
    well(&mut gateway).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(after_restart(gateway, &stage).await, 2, "what was learned meanwhile is there");
}

#[tokio::test]
async fn a_disk_that_is_full_at_the_start_is_no_reason_not_to_start() {
    starts_on(true, "make room on its disk").await;
}

#[tokio::test]
async fn a_disk_that_is_read_only_at_the_start_is_no_reason_not_to_start() {
    starts_on(false, "give the gateway's user the right").await;
}

#[tokio::test]
async fn a_file_that_another_program_locks_is_written_when_it_is_free() {
    let Some(disk) = Disk::mount() else { return };
    let (_mock, stage, mut gateway) = start(&disk.state()).await;
    ask(&gateway, "one").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let other = rusqlite::Connection::open(disk.state()).expect("the file");
    other.execute_batch("BEGIN EXCLUSIVE").expect("locked");
    ask(&gateway, "two").await;
    in_trouble(&gateway, "end the program that holds it locked").await;
    other.execute_batch("COMMIT").expect("unlocked");
    drop(other);
    well(&mut gateway).await;
    assert_eq!(after_restart(gateway, &stage).await, 2);
}
