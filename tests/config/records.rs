//! The keys `records` and `audit`.

use std::path::Path;
use std::time::Duration;

use interlingua::config::BodyRule;

use super::{GOOD, load};

fn with(more: &str) -> String {
    format!("{GOOD}{more}")
}

#[test]
fn records_and_audit_stand_beside_the_state() {
    let config = load(&with("state: { file: /var/lib/gateway/state.db }")).unwrap();
    assert_eq!(config.records.file.as_deref(), Some(Path::new("/var/lib/gateway/records.db")));
    assert_eq!(config.audit.folder.as_deref(), Some(Path::new("/var/lib/gateway/audit")));
    assert_eq!((config.records.bodies, config.records.kept_bytes()), (BodyRule::None, 0));
    assert_eq!(config.audit.keep, Duration::from_hours(90 * 24));
    let without = load(&with("state: { enabled: false }")).unwrap();
    assert!(without.records.file.is_none() && without.audit.folder.is_none());
    let elsewhere = load(&with(
        "state: { enabled: false }\nrecords: { file: /logs/r.db, bodies: all }\naudit: { folder: /logs/a }",
    ));
    let elsewhere = elsewhere.unwrap();
    assert_eq!(elsewhere.records.file.as_deref(), Some(Path::new("/logs/r.db")));
    assert_eq!(
        (elsewhere.audit.folder.as_deref(), elsewhere.records.kept_bytes()),
        (Some(Path::new("/logs/a")), 512 << 10)
    );
}

#[test]
fn both_have_a_switch() {
    let config =
        load(&with("state: { file: /s/state.db }\nrecords: { enabled: false }\naudit: { enabled: false }")).unwrap();
    assert!(config.records.file.is_none() && config.audit.folder.is_none());
}

#[test]
fn what_is_out_of_bounds_is_named() {
    for (bad, told) in [
        ("records: { body_bytes_max: 1MiB }", "body_bytes_max"),
        ("records: { bytes_max: 1KiB }", "bytes_max"),
        ("records: { queue_entries_max: 1 }", "queue_entries_max"),
        ("records: { queue_bytes_max: 1B }", "queue_bytes_max"),
        ("records: { keep: 0s }", "keep"),
        ("records: { bodies: some }", "bodies"),
        ("audit: { keep: 0s }", "keep"),
    ] {
        let report = load(&with(bad)).expect_err(bad);
        assert!(report.short().contains(told), "{}", report.short());
    }
}
