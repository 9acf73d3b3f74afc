//! What opens, what does not, and what a crash leaves behind.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::rotate::Step;
use super::*;

const CANARY: &str = "sk-canary-of-the-vault";

fn nothing(_: &str) -> Option<String> {
    None
}

/// A vault as a process has it that starts now.
fn vault(folder: &Path) -> Vault {
    Vault::open(&Desk::new(Some(&folder.join("state.db"))), &nothing)
}

fn with_key(folder: &Path, keys: &str) -> Vault {
    let keys = keys.to_owned();
    let env = move |name: &str| (name == "INTERLINGUA_VAULT_KEY").then(|| keys.clone());
    Vault::open(&Desk::new(Some(&folder.join("state.db"))), &env)
}

fn put(vault: &Vault, name: &str, secret: &str) -> Result<(), VaultError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(vault.put(name, secret))
}

fn change(folder: &Path, sql: &str) {
    Connection::open(folder.join("state.db")).unwrap().execute_batch(sql).unwrap();
}

/// All bytes of all files there.
fn bytes_of(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).unwrap();
    files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn key() -> String {
    Key::generate().unwrap().text().to_string()
}

#[test]
fn what_is_put_is_there_after_a_restart_and_not_to_be_read_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    put(&vault(folder.path()), "account/a/credential", CANARY).unwrap();
    let file = folder.path().join("vault.key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!holds(&bytes_of(folder.path()), CANARY));
    let again = vault(folder.path());
    assert_eq!(again.get("account/a/credential").unwrap(), CANARY);
    assert!(matches!(again.get("account/b/credential"), Err(VaultError::Missing)));
    let named = again.desk().run_now(|connection| Vault::list(connection)).unwrap();
    assert_eq!(named.len(), 1);
    let removed = again.desk().run_now(|connection| Vault::remove_from(connection, "account/a/credential"));
    assert!(removed.unwrap());
    assert!(matches!(again.get("account/a/credential"), Err(VaultError::Missing)));
}

#[test]
fn nothing_shows_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let text = key();
    let vault = with_key(folder.path(), &text);
    put(&vault, "a", CANARY).unwrap();
    let shown = format!("{vault:?} {:?}", Key::parse(&text).unwrap());
    assert!(!shown.contains(text.trim_end_matches('=')), "{shown}");
    assert!(!holds(&bytes_of(folder.path()), text.trim_end_matches('=')), "nothing of it is on the disk");
    assert!(!folder.path().join("vault.key").exists(), "a key that is given needs no file");
}

#[test]
fn rows_that_were_swapped_damaged_or_cut_do_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    put(&vault, "a", CANARY).unwrap();
    put(&vault, "b", "another").unwrap();
    change(folder.path(), "UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE name = 'a') WHERE name = 'b'");
    assert!(matches!(vault.get("b"), Err(VaultError::Damaged)));
    assert_eq!(vault.get("a").unwrap(), CANARY);
    for cut in
        ["x''", "x'01'", "substr(sealed, 1, 30)", "substr(sealed, 1, length(sealed) - 1)", "x'02' || substr(sealed, 2)"]
    {
        put(&vault, "c", CANARY).unwrap();
        change(folder.path(), &format!("UPDATE secret SET sealed = CAST({cut} AS BLOB) WHERE name = 'c'"));
        assert!(matches!(vault.get("c"), Err(VaultError::Damaged)), "{cut}");
    }
}

#[test]
fn a_wrong_key_is_named_and_makes_no_secret_worse() {
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (key(), key());
    put(&with_key(folder.path(), &right), "a", CANARY).unwrap();
    let other = with_key(folder.path(), &wrong);
    let error = other.get("a").unwrap_err().to_string();
    let (sealed, known) = (Key::parse(&right).unwrap().id(), Key::parse(&wrong).unwrap().id());
    assert!(error.contains(&sealed) && error.contains(&known) && error.contains("INTERLINGUA_VAULT_KEY"), "{error}");
    assert!(!error.contains(wrong.trim_end_matches('=')), "{error}");
    assert!(matches!(other.rotate(Some(Key::generate().unwrap())), Err(VaultError::WrongKey { .. })));
    put(&other, "b", "x").unwrap();
    let both = with_key(folder.path(), &format!("{right} {wrong}"));
    assert_eq!((both.get("a").unwrap(), both.get("b").unwrap()), (CANARY.to_owned(), "x".to_owned()));
}

#[test]
fn a_lost_key_is_not_replaced_by_one_that_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    put(&vault(folder.path()), "a", CANARY).unwrap();
    let file = folder.path().join("vault.key");
    let kept = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let without = vault(folder.path());
    assert!(matches!(without.get("a"), Err(VaultError::NoKey(_))));
    assert!(matches!(put(&without, "b", "x"), Err(VaultError::NoKey(_))));
    assert!(!file.exists());
    std::fs::write(&file, kept).unwrap();
    assert!(matches!(without.get("a"), Err(VaultError::BadKey(KeyError::Open(_)))), "others may read it");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(without.get("a").unwrap(), CANARY);
    std::fs::write(&file, "not a key").unwrap();
    assert!(matches!(vault(folder.path()).get("a"), Err(VaultError::BadKey(KeyError::Form(_)))));
}

#[test]
fn without_a_state_file_nothing_is_kept() {
    let vault = Vault::open(&Desk::new(None), &nothing);
    assert!(matches!(vault.get("a"), Err(VaultError::Desk(DeskError::Off))));
    assert!(matches!(put(&vault, "a", "x"), Err(VaultError::Desk(DeskError::Off))));
}

#[test]
fn names_and_lengths_have_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let long = "n".repeat(NAME_BYTES_MAX + 1);
    for name in ["", "a b", "a}b", "ä", &long] {
        assert!(matches!(put(&vault, name, "x"), Err(VaultError::Name)), "{name}");
    }
    assert!(matches!(put(&vault, "a", ""), Err(VaultError::Length)));
    assert!(matches!(put(&vault, "a", &"x".repeat(SECRET_BYTES_MAX + 1)), Err(VaultError::Length)));
    put(&vault, "a", &"x".repeat(SECRET_BYTES_MAX)).unwrap();
}

#[test]
fn state_files_of_other_names_have_keys_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let other = Vault::open(&Desk::new(Some(&folder.path().join("b.db"))), &nothing);
    put(&vault(folder.path()), "a", CANARY).unwrap();
    put(&other, "a", "x").unwrap();
    other.rotate(None).unwrap();
    assert!(folder.path().join("b.db.vault.key").exists());
    assert_eq!(vault(folder.path()).get("a").unwrap(), CANARY);
}

#[test]
fn the_credential_of_systemd_goes_before_the_variable() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (key(), key());
    std::fs::write(folder.path().join("interlingua-vault-key"), &first).unwrap();
    let home = folder.path().to_str().unwrap().to_owned();
    let env = move |name: &str| match name {
        "CREDENTIALS_DIRECTORY" => Some(home.clone()),
        "INTERLINGUA_VAULT_KEY" => Some(second.clone()),
        _ => None,
    };
    let vault = Vault::open(&Desk::new(Some(&folder.path().join("state.db"))), &env);
    put(&vault, "a", CANARY).unwrap();
    let id = vault.desk().run_now(|connection| Vault::list(connection)).unwrap()[0].key_id.clone();
    assert_eq!(id, Key::parse(&first).unwrap().id());
}

#[test]
fn a_rotation_leaves_one_new_key_that_opens_everything_also_for_those_who_were_there_before() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (vault(folder.path()), vault(folder.path()));
    for number in 0..20 {
        put(&one, &format!("s{number}"), &format!("{CANARY}-{number}")).unwrap();
    }
    assert_eq!(two.get("s3").unwrap(), format!("{CANARY}-3"));
    let before = std::fs::read_to_string(folder.path().join("vault.key")).unwrap();
    let rotated = one.rotate(None).unwrap();
    assert_eq!((rotated.secrets, rotated.to_be_placed), (20, false));
    let after = std::fs::read_to_string(folder.path().join("vault.key")).unwrap();
    assert_eq!((after.lines().count(), before == after), (2, false), "the old key is gone");
    put(&two, "late", "x").unwrap();
    for vault in [&one, &two, &vault(folder.path())] {
        assert_eq!((vault.get("s3").unwrap(), vault.get("late").unwrap()), (format!("{CANARY}-3"), "x".to_owned()));
    }
}

#[test]
fn a_key_that_the_program_cannot_write_is_changed_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (key(), key());
    let vault = with_key(folder.path(), &old);
    put(&vault, "a", CANARY).unwrap();
    let error = vault.rotate(None).unwrap_err();
    assert!(matches!(error, VaultError::NeedsNewKey(_)), "{error}");
    let rotated = vault.rotate(Key::parse(&new)).unwrap();
    assert_eq!((rotated.to_be_placed, rotated.key_id), (true, Key::parse(&new).unwrap().id()));
    put(&vault, "b", "after").unwrap();
    let next = with_key(folder.path(), &new);
    assert_eq!((next.get("a").unwrap(), next.get("b").unwrap()), (CANARY.to_owned(), "after".to_owned()));
    let newest = key();
    let both = with_key(folder.path(), &format!("{newest}\n{new}"));
    let rotated = both.rotate(None).unwrap();
    assert_eq!((rotated.secrets, rotated.to_be_placed), (2, false));
    assert_eq!(with_key(folder.path(), &newest).get("a").unwrap(), CANARY);
}

#[test]
fn a_given_key_whose_rotation_fails_seals_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let old = key();
    let vault = with_key(folder.path(), &old);
    put(&vault, "a", CANARY).unwrap();
    let fails = &mut |step| if step == Step::Resealed { Err(VaultError::Ended) } else { Ok(()) };
    assert!(vault.rotate_with(Key::generate(), fails).is_err());
    put(&vault, "b", "x").unwrap();
    assert_eq!(with_key(folder.path(), &old).get("b").unwrap(), "x");
}

const STEPS: [Step; 5] = [Step::Begun, Step::KeyAdded, Step::Resealed, Step::Committed, Step::OldKeyGone];

/// Not a test by itself: what `a_rotation_that_is_killed…` starts, to be killed at one step.
#[test]
fn killed_in_a_rotation() {
    let (Ok(folder), Ok(at)) = (std::env::var("VAULT_TEST_FOLDER"), std::env::var("VAULT_TEST_STEP")) else { return };
    let at = STEPS[at.parse::<usize>().unwrap()];
    let _ = vault(Path::new(&folder)).rotate_with(None, &mut |step| {
        if step == at {
            std::process::abort();
        }
        Ok(())
    });
    panic!("the step was not reached");
}

#[test]
fn a_rotation_that_is_killed_at_any_step_loses_nothing() {
    for (step, name) in STEPS.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let first = vault(folder.path());
        put(&first, "a", CANARY).unwrap();
        put(&first, "b", "x").unwrap();
        let ended = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "vault::tests::killed_in_a_rotation"])
            .env("VAULT_TEST_FOLDER", folder.path())
            .env("VAULT_TEST_STEP", step.to_string())
            .output()
            .unwrap();
        assert!(ended.status.code().is_none(), "it was killed: {ended:?}");
        for vault in [&first, &vault(folder.path())] {
            assert_eq!(vault.get("a").unwrap(), CANARY, "{name:?}");
        }
        put(&vault(folder.path()), "c", "between").unwrap();
        let last = vault(folder.path());
        assert_eq!(last.rotate(None).unwrap().secrets, 3);
        assert_eq!(std::fs::read_to_string(folder.path().join("vault.key")).unwrap().lines().count(), 2);
        let secrets = ["a", "b", "c"].map(|name| last.get(name).unwrap());
        assert_eq!(secrets, [CANARY, "x", "between"], "{name:?}");
    }
}

#[test]
fn rotations_and_writers_side_by_side_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    put(&vault(folder.path()), "first", CANARY).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let path = folder.path();
            scope.spawn(move || {
                let vault = vault(path);
                for _ in 0..10 {
                    vault.rotate(None).unwrap();
                }
            });
            scope.spawn(move || {
                let vault = vault(path);
                for number in 0..20 {
                    put(&vault, &format!("{thread}-{number}"), CANARY).unwrap();
                }
            });
        }
    });
    let last = vault(folder.path());
    let all = last.desk().run_now(|connection| Vault::list(connection)).unwrap();
    assert_eq!(all.len(), 41);
    for secret in all {
        assert_eq!(last.get(&secret.name).unwrap(), CANARY);
    }
}

#[test]
fn an_export_opens_with_its_passphrase_alone() {
    let sealed = passphrase::seal("a long passphrase", CANARY.as_bytes()).unwrap();
    let text = serde_json::to_string(&sealed).unwrap();
    assert!(!text.contains(CANARY));
    let read: passphrase::Sealed = serde_json::from_str(&text).unwrap();
    assert_eq!(passphrase::open("a long passphrase", &read).unwrap().as_slice(), CANARY.as_bytes());
    assert_eq!(passphrase::open("another passphrase", &read), Err(passphrase::PassphraseError::Wrong));
    assert_eq!(passphrase::seal("short", b"x"), Err(passphrase::PassphraseError::Short));
    let greedy = text.replace("65536", "4294967295");
    let greedy: passphrase::Sealed = serde_json::from_str(&greedy).unwrap();
    assert_eq!(passphrase::open("a long passphrase", &greedy), Err(passphrase::PassphraseError::Form));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_seal_opens_for_its_name_and_no_bit_of_it_may_change(name in "[a-z/]{1,20}", secret in ".{0,60}", bit in 0usize..4096) {
        let key = Key::generate().unwrap();
        let mut sealed = seal::seal(&key, &name, secret.as_bytes()).unwrap();
        let opened = seal::open(&key, &name, &sealed).unwrap();
        prop_assert_eq!(opened.as_slice(), secret.as_bytes());
        let other = name.clone() + "x";
        prop_assert!(seal::open(&key, &other, &sealed).is_none());
        prop_assert!(seal::open(&Key::generate().unwrap(), &name, &sealed).is_none());
        let at = bit % (sealed.len() * 8);
        sealed[at / 8] ^= 1 << (at % 8);
        prop_assert!(seal::open(&key, &name, &sealed).is_none());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), text in ".{0,80}") {
        prop_assert!(seal::open(&Key::generate().unwrap(), "a", &bytes).is_none());
        let _ = (Key::parse(&text), Ring::parse(&text, "x").is_ok());
    }
}
