//! The configuration from the outside: files, reports, examples, reload.
#![cfg(test)]

#[path = "config/additions.rs"]
mod additions;
#[path = "config/examples.rs"]
mod examples;
#[path = "config/presets.rs"]
mod presets;
#[path = "config/records.rs"]
mod records;
#[path = "config/reload.rs"]
mod reload;
#[path = "config/reports.rs"]
mod reports;
#[path = "config/zero.rs"]
mod zero;

use std::path::{Path, PathBuf};

use interlingua::config::{Config, Report, load_file};
use tempfile::TempDir;

/// A file that can be loaded, with `{}` for more top-level keys.
const GOOD: &str = r#"
upstreams:
  - { id: u, dialect: anthropic, base_url: "https://provider.example" }
accounts:
  - { id: a, upstream: u, credential: sk-1 }
models:
  - { match: "*", upstream: u }
"#;

fn no_env(_: &str) -> Option<String> {
    None
}

/// A file in a folder that lives as long as the first value.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("interlingua.yaml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn load(text: &str) -> Result<Config, Report> {
    let (_folder, path) = file(text);
    load_file(&path, &no_env)
}

fn conf(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(name)
}
