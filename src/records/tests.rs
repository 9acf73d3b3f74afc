use std::time::{Duration, Instant};

use bytes::Bytes;
use rusqlite::Connection;
use tempfile::TempDir;

use super::file::File;
use super::queue::{Batch, Queue};
use super::*;
use crate::config::BodyRule;

const HOUR_MS: u64 = 3_600_000;

/// A moment that is not removed by its age.
fn lately(ms: u64) -> u64 {
    crate::proxy::now().0 - 100_000 + ms
}

fn tried(account: &str, output: u64, microusd: Option<u64>) -> Tried {
    let tokens = Tokens { output, ..Tokens::default() };
    Tried { account: account.into(), upstream: "u".into(), model: "m-1".into(), tokens, microusd, ..Tried::default() }
}

fn entry(number: u64, at_ms: u64) -> Entry {
    let mut entry = Entry {
        id: format!("req_{number:016x}"),
        at_ms,
        model: Some("m".into()),
        client: Some("ann".into()),
        path: "/v1/messages".into(),
        status: 200,
        attempts: vec![tried("a", 3, None), Tried { outcome: "ok".into(), ..tried("b", 5, Some(75)) }],
        ..Entry::default()
    };
    entry.add_up();
    entry
}

fn record(number: u64, at_ms: u64) -> Record {
    Record { entry: entry(number, at_ms), ..Record::default() }
}

fn batch(records: Vec<Record>) -> Batch {
    let queue = Queue::new(usize::MAX, usize::MAX);
    for record in records {
        let usage = ledger::of(&record.entry);
        queue.put(record, usage);
    }
    queue.take()
}

fn config(folder: &TempDir) -> config::Records {
    config::Records {
        file: Some(folder.path().join("records.db")),
        bodies: BodyRule::All,
        body_bytes_max: 512 << 10,
        keep: Duration::from_hours(24),
        bytes_max: 1 << 20,
        queue_entries_max: 16,
        queue_bytes_max: 1 << 20,
    }
}

fn count(folder: &TempDir, table: &str) -> i64 {
    let connection = Connection::open(folder.path().join("records.db")).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

fn until(mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "it takes too long");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_request_counts_where_it_ended_and_each_attempt_where_it_was_made() {
    let usage = ledger::of(&entry(1, 5 * HOUR_MS));
    let at = |account: &str| {
        let mut sums = Sums::default();
        usage.iter().filter(|(key, _)| key.account == account).for_each(|(_, one)| sums.add(one));
        (sums.requests, sums.attempts, sums.tokens.output, sums.microusd, sums.unpriced)
    };
    assert_eq!(at("a"), (0, 1, 3, 0, 1));
    assert_eq!(at("b"), (1, 1, 5, 75, 0));
    assert!(usage.iter().all(|(key, _)| key.hour == 5 && key.model == "m" && key.client == "ann"));
}

#[test]
fn names_that_a_client_makes_up_are_not_all_told_apart() {
    let mut ledger = ledger::Ledger::default();
    for number in 0..5_000 {
        let key = Key { hour: 24, model: format!("made-up-{number}"), ..Key::default() };
        ledger.add([(key, Sums { requests: 1, ..Sums::default() })]);
    }
    let sums = ledger.take();
    assert_eq!(sums.len(), 1_001);
    assert_eq!(sums.values().map(|sums| sums.requests).sum::<u64>(), 5_000);
    assert!(sums.keys().any(|key| key.model == OTHER));
}

#[test]
fn the_queue_is_bounded_by_number_and_by_bytes() {
    let queue = Queue::new(3, 1 << 20);
    let dropped = (0..5).filter(|number| queue.put(record(*number, 0), Vec::new())).count();
    assert_eq!(dropped, 2);
    let taken = queue.take();
    assert_eq!(taken.records.len(), 3);
    // What is being written still counts.
    assert!(queue.put(record(9, 0), Vec::new()));
    queue.done(&taken);
    let body = Body { bytes: Bytes::from(vec![b'x'; 1 << 20]), whole: 1 << 20 };
    assert!(queue.put(Record { request: Some(body), ..record(10, 0) }, Vec::new()), "too large");
    assert!(!queue.put(record(11, 0), Vec::new()));
}

#[test]
fn entries_go_by_age_and_by_size_and_their_bodies_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let rules = Rules::of(&config(&folder));
    let mut file = File::open(&folder.path().join("records.db")).unwrap();
    let body = || Some(Body { bytes: Bytes::from(vec![b'x'; 20_000]), whole: 20_000 });
    let now = 100 * 24 * HOUR_MS;
    for number in 0..300 {
        let at = if number < 150 { now - 25 * HOUR_MS } else { now };
        file.write(&batch(vec![Record { answer: body(), ..record(number, at) }])).unwrap();
    }
    assert!(file.remove_old(&rules, now).unwrap());
    assert_eq!((count(&folder, "request"), count(&folder, "body")), (150, 150));
    for _ in 0..3 {
        file.remove_surplus(&rules).unwrap();
    }
    let (used, size) = file.size().unwrap();
    assert!(used <= rules.bytes_max && size <= rules.bytes_max, "{used} of {size} bytes");
    let left = count(&folder, "request");
    assert!((1..=100).contains(&left) && left == count(&folder, "body"), "{left}");
    assert_eq!(file.last().unwrap(), 300, "the oldest go first");
}

#[test]
fn hours_of_usage_become_days_and_are_kept_longer_than_entries() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = File::open(&folder.path().join("records.db")).unwrap();
    let now = 500 * 24 * HOUR_MS;
    let long_ago = now - 20 * 24 * HOUR_MS;
    let times = [0, 1, 1, 7].map(|hour| long_ago + hour * HOUR_MS);
    let records = times.into_iter().chain([now, now - 401 * 24 * HOUR_MS]).enumerate();
    file.write(&batch(records.map(|(number, at)| record(number as u64, at)).collect())).unwrap();
    let rows = || count(&folder, "usage");
    assert_eq!(rows(), 2 * 5);
    for _ in 0..2 {
        file.fold_usage(now).unwrap();
        assert_eq!(rows(), 2 * 2);
        let connection = Connection::open(folder.path().join("records.db")).unwrap();
        let select = "SELECT sum(requests), sum(attempts), sum(output), sum(microusd) FROM usage WHERE hour = ?1";
        let sums: (i64, i64, i64, i64) = connection
            .query_row(select, [(long_ago / HOUR_MS).cast_signed()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .unwrap();
        assert_eq!(sums, (4, 8, 32, 300));
    }
}

#[tokio::test]
async fn a_held_file_costs_entries_and_never_the_ledger_or_a_wait() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = Metrics::new().unwrap();
    let records = Records::start(&config(&folder), &metrics);
    records.put(record(1, lately(0)));
    until(|| metrics.records.with_label_values(&["written"]).get() == 1);
    let holder = Connection::open(folder.path().join("records.db")).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let begun = Instant::now();
    for number in 0..100 {
        records.put(record(number, lately(0)));
    }
    assert!(begun.elapsed() < Duration::from_millis(200), "{:?}", begun.elapsed());
    assert!(records.dropped() >= 84, "{}", records.dropped());
    let kept = 101 - records.dropped();
    holder.execute_batch("COMMIT").unwrap();
    until(|| metrics.records.with_label_values(&["written"]).get() == kept);
    let reader = records.reader().unwrap();
    let sums = reader.sums(&[], &SumFilter::default()).await.unwrap();
    assert_eq!((sums[0].sums.requests, sums[0].sums.attempts, sums[0].sums.microusd), (101, 202, 101 * 75));
    assert_eq!(count(&folder, "request"), kept.cast_signed());
    records.finish();
}

#[tokio::test]
async fn what_is_kept_is_found_by_each_of_its_sides() {
    let folder = tempfile::tempdir().unwrap();
    let records = Records::start(&config(&folder), &Metrics::new().unwrap());
    let base = lately(0);
    let mut failed = entry(2, base + 2_000);
    (failed.status, failed.error, failed.total_ms) = (429, Some("100%_full".into()), 900);
    failed.client = Some("bob".into());
    let secret = Bytes::from_static(b"{\"api_key\":\"open sesame\"}");
    let body = Body { whole: secret.len() as u64, bytes: secret };
    records.put(record(1, base + 1_000));
    records.put(Record { entry: failed.clone(), request: Some(body), answer: None });
    records.put(record(3, base + 3_000));
    records.finish();
    let reader = records.reader().unwrap();
    let ask = async |filter: Filter| {
        let found = reader.list(&filter, Cursor::Newest, 10).await.unwrap();
        found.iter().map(|kept| kept.seq).collect::<Vec<_>>()
    };
    let text = |text: &str| Filter { text: Some(text.into()), ..Filter::default() };
    let status = |text: &str| Filter { status: StatusRule::parse(text), ..Filter::default() };
    let account = |text: &str| Filter { account: Some(text.into()), ..Filter::default() };
    assert_eq!(ask(Filter::default()).await, [3, 2, 1]);
    assert_eq!(ask(text("0%_F")).await, [2]);
    assert_eq!(ask(text("0%xf")).await, [0; 0]);
    assert_eq!(ask(text("/MESSAGES")).await, [3, 2, 1]);
    assert_eq!((ask(status("429")).await, ask(status("4xx")).await), (vec![2], vec![2]));
    assert_eq!((ask(status("ok")).await, ask(status("failed")).await), (vec![3, 1], vec![2]));
    assert_eq!(ask(account("a")).await, [3, 2, 1], "tried, though another one served");
    assert_eq!(ask(account("c")).await, [0; 0]);
    assert_eq!(ask(Filter { client: Some("bob".into()), ..Filter::default() }).await, [2]);
    assert_eq!(ask(Filter { min_ms: Some(900), ..Filter::default() }).await, [2]);
    assert_eq!(ask(Filter { since: Some(base + 2_000), until: Some(base + 3_000), ..Filter::default() }).await, [2]);
    let page = reader.list(&Filter::default(), Cursor::Before(3), 1).await.unwrap();
    assert_eq!(page.iter().map(|kept| kept.seq).collect::<Vec<_>>(), [2]);
    assert_eq!(page[0].entry, failed);
    let (found, request, answer) = reader.find(&failed.id).await.unwrap().unwrap();
    assert_eq!((found.seq, answer.is_none()), (2, true));
    assert_eq!(request.unwrap().bytes, b"{\"api_key\":\"[redacted]\"}");
    assert!(reader.find("req_0").await.unwrap().is_none());
}

#[test]
fn a_file_of_another_program_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("records.db"), b"this is no database, but somebody's notes").unwrap();
    let metrics = Metrics::new().unwrap();
    let records = Records::start(&config(&folder), &metrics);
    records.put(record(1, lately(0)));
    until(|| metrics.records.with_label_values(&["written"]).get() == 1);
    records.finish();
    assert_eq!(count(&folder, "request"), 1);
    assert!(
        std::fs::read_dir(folder.path())
            .unwrap()
            .any(|one| { one.unwrap().file_name().to_string_lossy().contains(".aside-") })
    );
}
