//! `interlingua check FILE`: is the file good, and what does it say?

use std::cell::RefCell;
use std::fmt::Write;
use std::path::Path;

use super::serve;
use crate::config::{Base, Beside, Config, Loaded, Platform};
use crate::store::Desk;
use crate::vault::Vault;

/// Checks the file at `path` as the gateway would read it, with its environment. Gives a summary and the warnings.
///
/// # Errors
/// Everything that is wrong with the file, for people.
pub fn run(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (file, unread) = (Base::File(path.to_owned()), RefCell::new(Vec::new()));
    let state = file.state(env).map_err(|report| report.to_string())?;
    let look = serve::lenient(Vault::open(&Desk::new(state.file.as_deref()), env));
    let vault = |name: &str| Ok(look(name, &mut |why| unread.borrow_mut().push(why)));
    let inspected = file.inspect(Beside { vault: &vault, ..Beside::only(env) });
    let Loaded { config, warnings } = inspected.map_err(|report| report.to_string())?;
    let mut text = String::new();
    for why in unread.take() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "warning: {why}");
    }
    for warning in &warnings {
        text.push_str(&warning.as_warning());
        text.push('\n');
    }
    text.push_str(&summary(path, &config));
    Ok(text)
}

fn summary(path: &Path, config: &Config) -> String {
    let mut text = format!("{} is good\n", path.display());
    let listen = config.server.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let on = config.accounts.iter().filter(|account| account.enabled).count();
    let servers: Vec<&str> = config.mcp.iter().map(|server| server.name.as_str()).collect();
    let mut lines = vec![
        ("listen", listen),
        ("clients", config.clients.len().to_string()),
        ("upstreams", config.upstreams.len().to_string()),
        ("accounts", format!("{} ({on} enabled)", config.accounts.len())),
        ("routes", config.routes.rules().len().to_string()),
    ];
    if !servers.is_empty() {
        lines.push(("mcp", servers.join(", ")));
    }
    for (name, value) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<10}{value}");
    }
    if config.upstreams.iter().any(|upstream| upstream.platform == Platform::CodeAssist) {
        text.push_str("  Google may close accounts that are used through Code Assist; README.md says more\n");
    }
    text
}
