//! The store with files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::{Accounts, Bindings, Durable, Kind, Source, Writer};
use crate::limits::allowance::{Allowance, Meter};
use crate::limits::classify::{Failure, Fault, Reason, Retry, Scope};
use crate::limits::pace::Known;
use crate::pool::{self, AccountSpec, Affinity, Millis, Registry, affinity};
use crate::proxy::now;

const HOUR_MS: u64 = 3_600_000;

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/er/state.db");
    (folder, file)
}

fn writer(durable: &Durable) -> Writer {
    Writer::start(durable.clone(), Vec::new()).unwrap()
}

/// Puts these values into the file, as one run of the gateway does.
fn keep(file: &Path, values: &[(&str, u32)]) {
    let durable = Durable::open(Some(file));
    let writer = writer(&durable);
    for (key, value) in values {
        durable.put(Kind::Quota, key, value, HOUR_MS);
    }
    writer.finish();
}

fn kept(file: &Path) -> Vec<(String, u32)> {
    let mut found = Durable::open(Some(file)).take_json(Kind::Quota);
    found.sort();
    found
}

fn values(expected: &[(&str, u32)]) -> Vec<(String, u32)> {
    expected.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
}

/// Files beside the state that were set aside.
fn aside(file: &Path) -> usize {
    let folder = fs::read_dir(file.parent().unwrap()).unwrap();
    folder.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(".aside-")).count()
}

/// Writes into the file as another process does.
fn sql(file: &Path, text: &str) {
    Connection::open(file).unwrap().execute_batch(text).unwrap();
}

#[test]
fn values_come_back_in_a_file_that_only_its_owner_reads() {
    let (_folder, file) = place();
    keep(&file, &[("a", 1), ("b", 2)]);
    keep(&file, &[("b", 3)]);
    assert_eq!(kept(&file), values(&[("a", 1), ("b", 3)]));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let durable = Durable::open(Some(&file));
    assert_eq!(mode(&file), 0o600, "a file that others could read is closed to them");
    durable.remove(Kind::Quota, "a");
    assert_eq!(durable.take(Kind::Quota).len(), 2);
    assert_eq!(durable.take(Kind::Quota).len(), 0, "it is given once");
    writer(&durable).finish();
    assert_eq!(kept(&file), values(&[("b", 3)]));
}

#[test]
fn nothing_is_kept_where_nothing_is_to_be() {
    let durable = Durable::none();
    durable.put(Kind::Quota, "a", &1, HOUR_MS);
    let writer = writer(&durable);
    writer.finish();
    assert!(!durable.is_on() && durable.take(Kind::Quota).is_empty());
}

#[test]
fn what_is_no_file_of_ours_is_set_aside_and_a_new_one_begun() {
    let torn = |file: &Path| {
        keep(file, &[("a", 1)]);
        sql(file, "PRAGMA wal_checkpoint(TRUNCATE)");
        let mut bytes = fs::read(file).unwrap();
        bytes[100..].fill(0xA5);
        fs::write(file, bytes).unwrap();
    };
    let noise = |file: &Path| fs::write(file, "this is a letter to my grandmother. ".repeat(100)).unwrap();
    let others = |file: &Path| sql(file, "CREATE TABLE songs (name TEXT)");
    let marked = |file: &Path| sql(file, "PRAGMA application_id = 7");
    let cases: [&dyn Fn(&Path); 4] = [&torn, &noise, &others, &marked];
    for (name, make) in ["torn", "noise", "others", "marked"].into_iter().zip(cases) {
        let (_folder, file) = place();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        make(&file);
        let before = fs::read(&file).unwrap();
        assert_eq!(kept(&file), [], "{name}");
        assert_eq!(aside(&file), 1, "{name}: the file is still there by another name");
        let folder = fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
        let saved =
            folder.filter(|path| path.to_string_lossy().contains(".aside-")).map(|path| fs::read(path).unwrap());
        assert!(saved.into_iter().any(|bytes| bytes == before), "{name}: and says what it said");
        keep(&file, &[("b", 2)]);
        assert_eq!((kept(&file), aside(&file)), (values(&[("b", 2)]), 1), "{name}: the new one is good");
    }
}

#[test]
fn the_file_of_a_newer_version_is_left_as_it_is() {
    let (_folder, file) = place();
    keep(&file, &[("a", 1)]);
    sql(&file, "PRAGMA user_version = 99");
    assert_eq!(kept(&file), []);
    assert_eq!(aside(&file), 0, "the operator's accounts may be in it");
    sql(&file, "PRAGMA user_version = 2");
    assert_eq!(kept(&file), values(&[("a", 1)]));
}

#[test]
fn an_empty_file_and_one_that_was_just_begun_are_taken() {
    for begin in ["", "PRAGMA journal_mode = wal"] {
        let (_folder, file) = place();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "").unwrap();
        sql(&file, begin);
        keep(&file, &[("a", 1)]);
        assert_eq!((kept(&file), aside(&file)), (values(&[("a", 1)]), 0));
    }
}

#[test]
fn what_cannot_be_opened_costs_the_memory_and_nothing_else() {
    let (folder, _) = place();
    let file = folder.path().join("a-file/state.db");
    fs::write(folder.path().join("a-file"), "in the way").unwrap();
    let durable = Durable::open(Some(&file));
    let writer = writer(&durable);
    durable.put(Kind::Quota, "a", &1, HOUR_MS);
    std::thread::sleep(Duration::from_millis(250));
    // What stood in the way is gone at the end: nothing was lost meanwhile.
    fs::remove_file(folder.path().join("a-file")).unwrap();
    writer.finish();
    assert_eq!(kept(&file), values(&[("a", 1)]));
}

#[test]
fn a_file_that_breaks_while_the_gateway_runs_is_replaced() {
    struct Both(bool);
    impl Source for Both {
        fn every(&self) -> Duration {
            Duration::ZERO
        }
        fn changes(&mut self, _now: Millis) -> Vec<super::Change> {
            let tell = std::mem::take(&mut self.0);
            let change = super::Change {
                kind: Kind::Quota,
                key: "alive".to_owned(),
                value: Some("7".to_owned()),
                keep_ms: HOUR_MS,
            };
            tell.then_some(change).into_iter().collect()
        }
        fn start_over(&mut self) {
            self.0 = true;
        }
    }
    let (_folder, file) = place();
    keep(&file, &[("a", 1)]);
    let durable = Durable::open(Some(&file));
    sql(&file, "PRAGMA wal_checkpoint(TRUNCATE)");
    let mut bytes = fs::read(&file).unwrap();
    bytes[..].fill(0xA5);
    fs::write(&file, bytes).unwrap();
    let writer = Writer::start(durable.clone(), vec![Box::new(Both(true))]).unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while aside(&file) == 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    durable.put(Kind::Quota, "later", &8, HOUR_MS);
    writer.finish();
    assert_eq!(kept(&file), values(&[("alive", 7), ("later", 8)]), "the new file has all that is alive");
}

#[test]
fn the_later_change_wins_whoever_writes_last() {
    let (_folder, file) = place();
    let (old, new) = (Durable::open(Some(&file)), Durable::open(Some(&file)));
    old.put(Kind::Quota, "early", &1, HOUR_MS);
    old.put(Kind::Quota, "removed", &1, HOUR_MS);
    std::thread::sleep(Duration::from_millis(5));
    new.put(Kind::Quota, "early", &2, HOUR_MS);
    new.remove(Kind::Quota, "removed");
    writer(&new).finish();
    writer(&old).finish();
    assert_eq!(kept(&file), values(&[("early", 2)]), "what the old process learned earlier does not come back");
}

#[test]
fn two_processes_write_at_once_and_nothing_is_lost() {
    let (_folder, file) = place();
    let both = [0u32, 1].map(|number| {
        let file = file.clone();
        std::thread::spawn(move || {
            let durable = Durable::open(Some(&file));
            let writer = writer(&durable);
            for round in 0..400 {
                durable.put(Kind::Quota, &format!("own-{number}-{round}"), &round, HOUR_MS);
                durable.put(Kind::Quota, "common", &round, HOUR_MS);
                if round % 20 == 0 {
                    std::thread::sleep(Duration::from_millis(30));
                }
            }
            writer.finish();
        })
    });
    for thread in both {
        thread.join().unwrap();
    }
    assert_eq!((kept(&file).len(), aside(&file)), (801, 0));
}

#[test]
fn ended_records_are_gone_and_those_from_the_future_are_of_now() {
    let (_folder, file) = place();
    keep(&file, &[("ended", 1), ("future", 2)]);
    sql(&file, "UPDATE record SET expires = 1 WHERE key = 'ended'");
    sql(&file, &format!("UPDATE record SET changed = {0}, expires = {0} WHERE key = 'future'", i64::MAX));
    let durable = Durable::open(Some(&file));
    let found = durable.take(Kind::Quota);
    assert_eq!(found.len(), 1);
    assert!(found[0].key == "future" && found[0].changed <= now().0);
    writer(&durable).finish();
    keep(&file, &[("future", 3)]);
    assert_eq!(kept(&file), values(&[("future", 3)]), "a wrong clock of the past does not stop changes for ever");
    let rows: i64 =
        Connection::open(&file).unwrap().query_row("SELECT count(*) FROM record", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

#[test]
fn strange_records_are_left_out() {
    let (_folder, file) = place();
    keep(&file, &[("a", 1)]);
    let far = i64::MAX;
    sql(
        &file,
        &format!(
            "INSERT INTO record VALUES ('unheard_of', 'x', '1', 1, {far}), ('quota', 'y', 'no json', 1, {far}),
             ('cooldown', 'z', '{{\"account\": 7}}', 1, {far}), ('affinity', 'not hex', 'a', -5, {far})"
        ),
    );
    let durable = Durable::open(Some(&file));
    assert_eq!(durable.take_json::<u32>(Kind::Quota), values(&[("a", 1)]));
    let (registry, affinity) = (accounts(1), Affinity::new(affinity::Settings::default()));
    Accounts::restored(&durable, &registry, now());
    Bindings::restored(Kind::Affinity, &durable, &affinity, now());
    assert!(registry.export(now()).accounts.is_empty() && affinity.is_empty());
}

fn spec(number: usize) -> AccountSpec {
    AccountSpec {
        id: format!("account-{number}"),
        upstream: "u".to_owned(),
        tier: 0,
        concurrency: 3,
        enabled: true,
        limits: Known::default(),
        project: None,
    }
}

/// So many accounts, named by their numbers.
fn accounts(count: usize) -> Registry {
    let registry = Registry::new(pool::Settings::default());
    registry.reconcile(&(0..count).map(spec).collect::<Vec<_>>(), pool::Settings::default());
    registry
}

/// What `learn` teaches a registry, written and read by two runs; the second one has accounts `after`.
fn restarted(learn: impl FnOnce(&Registry), after: usize) -> (Registry, Registry, tempfile::TempDir, PathBuf) {
    let (folder, file) = place();
    let registry = accounts(2);
    let durable = Durable::open(Some(&file));
    let source = Accounts::restored(&durable, &registry, now());
    let writer = Writer::start(durable, vec![Box::new(source)]).unwrap();
    learn(&registry);
    writer.finish();
    let again = accounts(after);
    Accounts::restored(&Durable::open(Some(&file)), &again, now());
    (registry, again, folder, file)
}

fn lease(registry: &Registry, account: &str) -> pool::Lease {
    let attempted = pool::Attempted::default();
    let (required, cost) = (Some(account), crate::limits::Cost { tokens: 100 });
    let ask = pool::Ask {
        upstreams: &["u"],
        family: "m",
        attempted: &attempted,
        bound: None,
        required,
        eligible: None,
        cost,
    };
    pool::select(registry, &ask, now()).unwrap()
}

#[test]
fn paces_suspensions_and_ceilings_come_back() {
    let learn = |registry: &Registry| {
        let told = Meter { limit: Some(100), remaining: Some(40), reset_ms: Some(50_000) };
        let first = lease(registry, "account-0");
        first.told(&Allowance { requests: Some(told), ..Allowance::default() }, now());
        let held: Vec<_> = [0, 0, 1, 1, 1].map(|n| lease(registry, &format!("account-{n}"))).into_iter().collect();
        let busy = Failure {
            fault: Fault::Provider,
            scope: Scope::Provider,
            retry: Retry::OtherAccount,
            cooldown_ms: None,
            reason: Reason::Overloaded,
            hinted: false,
        };
        held[1].failed(&busy, now(), 0);
        drop((first, held));
        registry.suspend_for("account-1", "revoked", u64::MAX);
    };
    let (before, after, ..) = restarted(learn, 2);
    let (used, limit) = {
        let pace = &after.get("account-0").unwrap().paces(now())[0];
        (pace.requests.used_permille, pace.requests.limit)
    };
    assert!(limit == Some(100) && used >= 500, "{used} {limit:?}");
    assert_eq!(after.ceilings(now())[0].ceiling, before.ceilings(now())[0].ceiling);
    assert_eq!(before.ceilings(now())[0].ceiling, Some(3));
    let suspension = after.get("account-1").unwrap().suspension().unwrap();
    assert_eq!((suspension.reason.as_str(), suspension.credential), ("revoked", u64::MAX));
}

#[test]
fn an_account_that_appears_later_has_what_the_file_knows() {
    let learn = |registry: &Registry| {
        registry.cool("account-1", Some("m"), HOUR_MS / 2, Reason::QuotaExhausted, now());
        lease(registry, "account-0").succeeded(now());
    };
    let (before, after, _folder, file) = restarted(learn, 1);
    let durable = Durable::open(Some(&file));
    let source = Accounts::restored(&durable, &after, now());
    let writer = Writer::start(durable, vec![Box::new(source)]).unwrap();
    writer.finish();
    let third = accounts(1);
    Accounts::restored(&Durable::open(Some(&file)), &third, now());
    third.reconcile(&[spec(0), spec(1)], pool::Settings::default());
    let locks = |registry: &Registry| registry.get("account-1").unwrap().cooldowns(now());
    let ends = |registry: &Registry| locks(registry).into_iter().map(|(_, lock)| lock.until).collect::<Vec<_>>();
    assert!(ends(&third).len() == 1 && ends(&third) == ends(&before), "it was kept through a run without it");
}

#[test]
fn a_locked_file_is_read_and_written_when_it_is_free() {
    let (_folder, file) = place();
    keep(&file, &[("a", 1)]);
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let durable = Durable::open(Some(&file));
    assert_eq!((durable.take(Kind::Quota).len(), durable.trouble()), (1, None), "who only writes locks out no reader");
    let writer = writer(&durable);
    durable.put(Kind::Quota, "b", &2, HOUR_MS);
    let until = Instant::now() + Duration::from_secs(10);
    while durable.trouble().is_none() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    let trouble = durable.trouble().unwrap();
    assert!(trouble.contains("locked") && trouble.contains("end the program that holds it"), "{trouble}");
    other.execute_batch("COMMIT").unwrap();
    writer.finish();
    assert_eq!((durable.trouble(), kept(&file)), (None, values(&[("a", 1), ("b", 2)])));
}

#[test]
fn a_file_that_is_removed_while_the_gateway_runs_is_written_anew() {
    let (_folder, file) = place();
    let registry = accounts(2);
    let durable = Durable::open(Some(&file));
    let source = Accounts::restored(&durable, &registry, now());
    let writer = Writer::start(durable.clone(), vec![Box::new(source)]).unwrap();
    registry.cool("account-0", Some("m"), HOUR_MS / 2, Reason::RateLimit, now());
    std::thread::sleep(Duration::from_millis(500));
    fs::remove_file(&file).unwrap();
    registry.cool("account-1", Some("m"), HOUR_MS / 2, Reason::RateLimit, now());
    std::thread::sleep(Duration::from_millis(500));
    writer.finish();
    let again = accounts(2);
    Accounts::restored(&Durable::open(Some(&file)), &again, now());
    assert_eq!(again.export(now()), registry.export(now()));
}

#[test]
fn a_thousand_accounts_and_a_hundred_thousand_conversations_come_back() {
    let (_folder, file) = place();
    let start = |registry: &Registry, affinity: &Affinity| {
        let began = Instant::now();
        let durable = Durable::open(Some(&file));
        let sources: Vec<Box<dyn Source>> = vec![
            Box::new(Accounts::restored(&durable, registry, now())),
            Box::new(Bindings::restored(Kind::Affinity, &durable, affinity, now())),
        ];
        (Writer::start(durable, sources).unwrap(), began.elapsed())
    };
    let (registry, affinity) = (accounts(1000), Affinity::new(affinity::Settings::default()));
    let (writer, _) = start(&registry, &affinity);
    for number in 0..1000 {
        let id = format!("account-{number}");
        registry.cool(&id, None, HOUR_MS / 2, Reason::QuotaExhausted, now());
        registry.cool(&id, Some("m"), HOUR_MS / 2, Reason::RateLimit, now());
    }
    for session in 0..100_000u128 {
        affinity.served(session << 64 | 7, &format!("account-{}", session % 1000), now());
    }
    writer.finish();

    let (again, anew) = (accounts(1000), Affinity::new(affinity::Settings::default()));
    let (writer, took) = start(&again, &anew);
    println!("start-up with 2,000 cooldowns and 100,000 conversations: {took:?}");
    assert_eq!(again.export(now()), registry.export(now()));
    assert_eq!(anew.len(), 100_000);
    assert_eq!(anew.bound(99_999 << 64 | 7, now()).as_deref(), Some("account-999"));
    for number in 0..500 {
        again.clear(&format!("account-{number}"), None);
    }
    anew.unbind(7);
    writer.finish();
    let (last, rest) = (accounts(1000), Affinity::new(affinity::Settings::default()));
    start(&last, &rest).0.finish();
    let locks = last.export(now()).accounts.iter().map(|account| account.cooldowns.len()).sum::<usize>();
    assert_eq!((locks, rest.len()), (1500, 99_999), "what was cleared stays so");
}
