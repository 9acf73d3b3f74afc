use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::event::{Change, Event, Hashed};
use super::file::Files;
use super::*;
use crate::pool::Millis;

const DAY_MS: u64 = 86_400_000;

fn config(folder: &Path) -> config::Audit {
    config::Audit { folder: Some(folder.join("audit")), keep: Duration::from_hours(90 * 24) }
}

#[test]
fn events_are_lines_that_only_their_owner_reads_and_accounts_are_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let audit = Audit::start(&config(folder.path()));
    audit.note(Event::Account { account: Hashed::account("someone@example.com"), change: Change::Added });
    audit.note(Event::Reload { applied: true });
    audit.finish();
    let noted = recent(audit.folder().unwrap(), None, 10).unwrap();
    assert_eq!(noted.iter().map(|noted| noted.event.as_str()).collect::<Vec<_>>(), ["reload", "account"]);
    assert_eq!(noted[1].account.as_deref(), Some(Hashed::account("someone@example.com").as_str()));
    assert_eq!(noted[1].details["change"], "added");
    assert_eq!(recent(audit.folder().unwrap(), Some("account"), 10).unwrap().len(), 1);
    let file = std::fs::read_dir(audit.folder().unwrap()).unwrap().next().unwrap().unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!std::fs::read_to_string(file.path()).unwrap().contains("someone"));
}

#[test]
fn each_day_has_its_file_and_old_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Files::new(folder.path().to_owned(), Duration::from_hours(90 * 24));
    let today = 20_000 * DAY_MS;
    for days in [0, 1, 89, 90, 91, 400] {
        files.write(Millis(today - days * DAY_MS + 7), &Event::Reload { applied: true });
    }
    std::fs::write(folder.path().join("notes.txt"), "the operator's own").unwrap();
    files.tidy(Millis(today + 7));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 4 + 1);
    assert!(folder.path().join("2024-10-04.jsonl").exists());
}

#[test]
fn a_hash_is_the_same_for_ever() {
    // Operators compare it with what older files say.
    assert_eq!(Hashed::account("a").as_str().len(), 16);
    assert_eq!(Hashed::account("a"), Hashed::account("a"));
    assert_ne!(Hashed::account("a"), Hashed::account("b"));
}

#[test]
fn who_keeps_nothing_writes_nothing() {
    let audit = Audit::none();
    audit.note(Event::Reload { applied: false });
    audit.finish();
    assert!(audit.folder().is_none());
}
