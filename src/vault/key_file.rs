//! Where the keys are.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Place;
use super::key::{KeyError, Ring};

/// The credential of systemd (`LoadCredential=`, `LoadCredentialEncrypted=`).
const CREDENTIAL: &str = "interlingua-vault-key";
/// The variable.
const VARIABLE: &str = "INTERLINGUA_VAULT_KEY";
/// Longest file of keys that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4096;

/// Where the keys come from.
pub(super) enum Source {
    /// A file that systemd has put there.
    Credential(PathBuf),
    /// The variable's content.
    Variable(Zeroizing<String>),
    /// Our own file.
    File(PathBuf),
}

impl Source {
    /// The first that is there; `state` is the state file.
    pub(super) fn find(state: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let folder = env("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty());
        let credential = folder.map(|folder| Path::new(&folder).join(CREDENTIAL)).filter(|file| file.exists());
        if let Some(file) = credential {
            return Some(Source::Credential(file));
        }
        if let Some(text) = env(VARIABLE).filter(|text| !text.trim().is_empty()) {
            return Some(Source::Variable(Zeroizing::new(text)));
        }
        state.map(|state| Source::File(beside(state)))
    }

    /// Its name in messages.
    pub(super) fn place(&self) -> Place {
        Place(match self {
            Source::Credential(_) => format!("the systemd credential `{CREDENTIAL}`"),
            Source::Variable(_) => format!("the environment variable {VARIABLE}"),
            Source::File(file) => file.display().to_string(),
        })
    }

    /// Our own file, if it is one.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Source::File(file) => Some(file),
            Source::Credential(_) | Source::Variable(_) => None,
        }
    }

    /// What to say when there is no key.
    pub(super) fn missing(&self) -> String {
        match self {
            Source::File(file) => format!("{} is not there, nor the variable {VARIABLE}", file.display()),
            Source::Credential(_) | Source::Variable(_) => format!("{} is empty", self.place()),
        }
    }

    /// The keys as they are now. None if our file is not there.
    pub(super) fn read(&self) -> Result<Ring, KeyError> {
        match self {
            Source::Variable(text) => Ring::parse(text, VARIABLE),
            Source::Credential(file) => read(file, false),
            Source::File(file) => read(file, true),
        }
    }

    /// Puts keys in the place of those before: a reader finds either all of these or all of those. Only our own file can
    /// be written; whoever calls holds the lock of the state file.
    pub(super) fn write(&self, ring: &Ring) -> Result<(), KeyError> {
        let Source::File(file) = self else { return Ok(()) };
        replace(file, &ring.text()).map_err(|error| KeyError::File(file.clone(), error))
    }
}

/// `vault.key` beside `state.db`. A state file of another name has a key file of its own, so that two of them in one
/// folder do not take each other's key away.
fn beside(state: &Path) -> PathBuf {
    match state.file_name() {
        Some(name) if name != "state.db" => {
            let mut name = name.to_owned();
            name.push(".vault.key");
            state.with_file_name(name)
        }
        _ => state.with_file_name("vault.key"),
    }
}

fn read(path: &Path, ours: bool) -> Result<Ring, KeyError> {
    let failed = |error| KeyError::File(path.to_owned(), error);
    let file = match File::open(path) {
        Err(error) if ours && error.kind() == io::ErrorKind::NotFound => return Ok(Ring::default()),
        opened => opened.map_err(failed)?,
    };
    // Of the opened file: the name may lead elsewhere a moment later.
    if ours && file.metadata().map_err(failed)?.permissions().mode() & 0o077 != 0 {
        return Err(KeyError::Open(path.to_owned()));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    let place = path.display().to_string();
    let ring = Ring::parse(&text, &place)?;
    if ring.is_empty() { Err(KeyError::Form(place)) } else { Ok(ring) }
}

/// Written beside, synced and renamed, and the folder synced: after it, the new content survives the loss of power.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut name = OsString::from(path);
    name.push(".new");
    // Left behind by a crash; what it held was never sealed under.
    match fs::remove_file(&name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&name)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&name, path)?;
    File::open(folder)?.sync_all()
}
