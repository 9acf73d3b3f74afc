//! Snapshots, reload and the watch.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use interlingua::config::{Base, Reloader, Store, Surroundings, Watch, load_file};

use super::{GOOD, file, load, no_env};

fn reloader(path: &Path) -> (Arc<Store>, Arc<Reloader>) {
    let store = Arc::new(Store::new(load_file(path, &no_env).unwrap()));
    let reloader = Reloader::new(Base::File(path.to_owned()), Surroundings::only(Box::new(no_env)), Arc::clone(&store));
    (store, Arc::new(reloader))
}

/// Waits until `done`, for at most 10 s.
fn eventually(done: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

fn with_attempts(count: u32) -> String {
    format!("{GOOD}resilience: {{ attempts_max: {count} }}\n")
}

fn attempts(store: &Store) -> u32 {
    store.load().config.resilience.attempts_max
}

#[test]
fn a_request_keeps_the_snapshot_that_it_began_with() {
    let store = Store::new(load(GOOD).unwrap());
    let pinned = store.load_full();
    assert_eq!(store.publish(load(&with_attempts(2)).unwrap()), 2);
    assert_eq!((pinned.generation, pinned.config.resilience.attempts_max), (1, 64));
    assert_eq!((store.load().generation, attempts(&store)), (2, 2));
}

#[test]
fn generations_are_unique_and_grow_when_many_publish() {
    let store = Store::new(load(GOOD).unwrap());
    let config = load(GOOD).unwrap();
    let mut all: Vec<u64> = std::thread::scope(|scope| {
        let publish = || (0..50).map(|_| store.publish(config.clone())).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(publish)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    all.sort_unstable();
    assert_eq!(all, (2..=201).collect::<Vec<_>>());
    assert_eq!(store.load().generation, 201);
}

#[test]
fn a_bad_file_leaves_what_was_in_force() {
    let (_folder, path) = file(&with_attempts(3));
    let (store, reloader) = reloader(&path);
    std::fs::write(&path, "server: { lisen: x }").unwrap();
    let report = reloader.reload().unwrap_err();
    assert!(report.short().contains("did you mean `listen`?"));
    assert_eq!((store.load().generation, attempts(&store)), (1, 3));
    std::fs::remove_file(&path).unwrap();
    assert!(reloader.reload().is_err());
    std::fs::write(&path, with_attempts(4)).unwrap();
    assert_eq!(reloader.reload().unwrap(), 2);
    assert_eq!(attempts(&store), 4);
}

#[test]
fn the_watch_sees_writes_replacements_and_recovers_from_bad_files() {
    let (folder, path) = file(&with_attempts(3));
    let (store, reloader) = reloader(&path);
    let watch = Watch::start(reloader, path.clone()).unwrap();
    std::fs::write(&path, with_attempts(4)).unwrap();
    assert!(eventually(|| attempts(&store) == 4));

    // Editors write another file and rename it.
    let other = folder.path().join("interlingua.yaml.new");
    std::fs::write(&other, with_attempts(5)).unwrap();
    std::fs::rename(&other, &path).unwrap();
    assert!(eventually(|| attempts(&store) == 5));

    std::fs::write(&path, "{").unwrap();
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(attempts(&store), 5);
    let generation = store.load().generation;

    // Other files of the folder, and the same text again, are no reason to reload.
    std::fs::write(&path, with_attempts(6)).unwrap();
    assert!(eventually(|| attempts(&store) == 6));
    std::fs::write(&path, with_attempts(6)).unwrap();
    std::fs::write(folder.path().join("log"), "x").unwrap();
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(store.load().generation, generation + 1);

    drop(watch);
    std::fs::write(&path, with_attempts(7)).unwrap();
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(attempts(&store), 6);
}

#[cfg(unix)]
#[test]
fn the_watch_sees_a_swapped_link_of_the_folder_as_kubernetes_does_it() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, count) in [("..1", 3), ("..2", 4), ("..3", 5)] {
        std::fs::create_dir(at(name)).unwrap();
        std::fs::write(at(name).join("interlingua.yaml"), with_attempts(count)).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/interlingua.yaml", at("interlingua.yaml")).unwrap();
    let (store, reloader) = reloader(&at("interlingua.yaml"));
    let _watch = Watch::start(reloader, at("interlingua.yaml")).unwrap();
    for (name, count) in [("..2", 4), ("..3", 5)] {
        symlink(name, at("..data_tmp")).unwrap();
        std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert!(eventually(|| attempts(&store) == count), "{name}");
    }
    // Now the file lies in ..3, which is watched too.
    std::fs::write(at("..3").join("interlingua.yaml"), with_attempts(9)).unwrap();
    assert!(eventually(|| attempts(&store) == 9));
}

#[test]
fn a_change_just_before_the_watch_starts_is_not_missed() {
    let (_folder, path) = file(&with_attempts(3));
    let (store, reloader) = reloader(&path);
    std::fs::write(&path, with_attempts(4)).unwrap();
    let _watch = Watch::start(reloader, path.clone()).unwrap();
    assert!(eventually(|| attempts(&store) == 4));
}
