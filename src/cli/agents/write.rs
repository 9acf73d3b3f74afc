//! What stands in each agent's own files, and how it gets there.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use toml_edit::{DocumentMut, value};

use super::Agent;
use crate::cli::Failure;

/// What is written for a key where the gateway wants none: agents do not start without.
const ANY: &str = "any";
/// Ends the name of the copy that is kept of a file.
const COPY: &str = ".before-interlingua";

/// Where an agent is to go.
pub(super) struct Place<'a> {
    /// The gateway, without a slash at its end.
    pub(super) url: &'a str,
    pub(super) model: Option<&'a str>,
    pub(super) key_env: &'a str,
    /// What that variable holds now.
    pub(super) key: Option<&'a str>,
}

/// An agent's configuration.
pub(super) struct Written {
    agent: Agent,
    files: Vec<File>,
    /// How it is started then.
    start: String,
}

struct File {
    /// Below the home folder.
    path: &'static str,
    part: Part,
}

/// What is put into a file; what else stands there stays.
enum Part {
    Json(Value),
    /// Tables and values by their dotted names.
    Toml(Vec<(Vec<&'static str>, String)>),
    /// Variables, one a line.
    Env(Vec<(&'static str, String)>),
}

/// The configuration of an agent.
pub(super) fn of(agent: Agent, place: &Place<'_>) -> Written {
    let Place { url, model, key_env, key } = *place;
    let literal = key.unwrap_or(ANY);
    let (files, start) = match agent {
        Agent::ClaudeCode => {
            let mut settings = json!({"env": {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_AUTH_TOKEN": literal}});
            insert(&mut settings, "model", model);
            (vec![File { path: ".claude/settings.json", part: Part::Json(settings) }], "claude".to_owned())
        }
        Agent::Codex => {
            let provider = |name| vec!["model_providers", "interlingua", name];
            let mut entries = vec![
                (vec!["model_provider"], "interlingua".to_owned()),
                (provider("name"), "interlingua".to_owned()),
                (provider("base_url"), format!("{url}/v1")),
                (provider("wire_api"), "responses".to_owned()),
                (provider("env_key"), key_env.to_owned()),
            ];
            entries.extend(model.map(|model| (vec!["model"], model.to_owned())));
            let start = format!("{key_env}={} codex", if key.is_some() { "…" } else { ANY });
            (vec![File { path: ".codex/config.toml", part: Part::Toml(entries) }], start)
        }
        Agent::GeminiCli => {
            let variables = vec![("GOOGLE_GEMINI_BASE_URL", url.to_owned()), ("GEMINI_API_KEY", literal.to_owned())];
            let settings = json!({"security": {"auth": {"selectedType": "gemini-api-key"}}});
            let files = vec![
                File { path: ".gemini/.env", part: Part::Env(variables) },
                File { path: ".gemini/settings.json", part: Part::Json(settings) },
            ];
            (files, model.map_or("gemini".to_owned(), |model| format!("gemini -m {model}")))
        }
        Agent::Opencode => {
            let options = json!({"baseURL": format!("{url}/v1"), "apiKey": format!("{{env:{key_env}}}")});
            let models: Map<String, Value> = model.iter().map(|model| ((*model).to_owned(), json!({}))).collect();
            let provider = json!({"npm": "@ai-sdk/openai-compatible", "name": "Interlingua", "options": options, "models": models});
            let mut settings = json!({"provider": {"interlingua": provider}});
            insert(&mut settings, "model", model.map(|model| format!("interlingua/{model}")).as_deref());
            let start = format!("{key_env}={} opencode", if key.is_some() { "…" } else { ANY });
            (vec![File { path: ".config/opencode/opencode.json", part: Part::Json(settings) }], start)
        }
    };
    Written { agent, files, start }
}

fn insert(settings: &mut Value, name: &str, text: Option<&str>) {
    if let (Some(settings), Some(text)) = (settings.as_object_mut(), text) {
        settings.insert(name.to_owned(), text.into());
    }
}

impl Written {
    /// For people to read, and to copy.
    pub(super) fn shown(&self) -> String {
        // Writing to a string cannot fail.
        let mut text = String::new();
        for file in &self.files {
            let part = file.part.over("").unwrap_or_default();
            let _ = writeln!(text, "# ~/{}\n{}\n", file.path, part.trim_end());
        }
        let _ = writeln!(text, "# then start it: {}", self.start);
        text
    }

    /// Puts it into the files below `home`. Says what was done.
    ///
    /// # Errors
    /// If a file cannot be read or written, or holds what cannot be kept. Then nothing of that file is changed.
    pub(super) fn write(&self, home: &Path) -> Result<Vec<String>, Failure> {
        let mut done = Vec::new();
        for file in &self.files {
            let path = home.join(file.path);
            let before = match fs::read_to_string(&path) {
                Ok(text) => Some(text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                Err(error) => return Err(format!("{} cannot be read: {error}", path.display()).into()),
            };
            let after = file.part.over(before.as_deref().unwrap_or_default()).map_err(|why| {
                format!(
                    "{} was left as it is, because it {why}; run this without --write and put it in by hand",
                    path.display()
                )
            })?;
            if before.as_deref() == Some(&after) {
                done.push(format!("{} says it already", path.display()));
                continue;
            }
            if let Some(before) = &before {
                let copy = beside(&path, COPY);
                // The first copy is what stood there before this program.
                if !copy.exists() {
                    put(&copy, before)?;
                    done.push(format!("{} keeps what stood there", copy.display()));
                }
            }
            put(&path, &after)?;
            done.push(format!("{} was written", path.display()));
        }
        done.push(format!("start it: {}", self.start));
        Ok(done)
    }

    /// A request as the agent makes them: path, header of its key, what stands before the key, and body. Without a model
    /// the list of models.
    pub(super) fn question(&self, model: Option<&str>) -> (String, &'static str, &'static str, String) {
        let (name, prefix) = match self.agent {
            Agent::GeminiCli => ("x-goog-api-key", ""),
            Agent::ClaudeCode | Agent::Codex | Agent::Opencode => ("authorization", "Bearer "),
        };
        let Some(model) = model else { return ("/v1/models".to_owned(), name, prefix, String::new()) };
        let text = "Answer with the word ready.";
        let (path, body) = match self.agent {
            Agent::ClaudeCode => (
                "/v1/messages".to_owned(),
                json!({"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": text}]}),
            ),
            Agent::Codex => ("/v1/responses".to_owned(), json!({"model": model, "input": text, "store": false})),
            Agent::GeminiCli => (
                format!("/v1beta/models/{model}:generateContent"),
                json!({"contents": [{"role": "user", "parts": [{"text": text}]}]}),
            ),
            Agent::Opencode => (
                "/v1/chat/completions".to_owned(),
                json!({"model": model, "messages": [{"role": "user", "content": text}]}),
            ),
        };
        (path, name, prefix, body.to_string())
    }
}

impl Part {
    /// The text of a file with this put into it.
    fn over(&self, before: &str) -> Result<String, String> {
        match self {
            Part::Json(part) => {
                let mut whole = if before.trim().is_empty() {
                    json!({})
                } else {
                    serde_json::from_str(before).map_err(|error| format!("is no plain JSON ({error})"))?
                };
                if !whole.is_object() {
                    return Err("holds no JSON object".to_owned());
                }
                merge(&mut whole, part);
                serde_json::to_string_pretty(&whole).map(|text| text + "\n").map_err(|error| error.to_string())
            }
            Part::Toml(entries) => {
                let mut document: DocumentMut = before.parse().map_err(|error| format!("is no TOML ({error})"))?;
                for (names, text) in entries {
                    let Some((last, tables)) = names.split_last() else { continue };
                    let mut table = document.as_table_mut();
                    for (depth, name) in tables.iter().enumerate() {
                        let entry = table.entry(name).or_insert_with(|| {
                            let mut new = toml_edit::Table::new();
                            // Only the innermost has a heading.
                            new.set_implicit(depth + 1 < tables.len());
                            toml_edit::Item::Table(new)
                        });
                        table = entry.as_table_mut().ok_or_else(|| format!("has a `{name}` that is no table"))?;
                    }
                    table.insert(last, value(text.as_str()));
                }
                Ok(document.to_string())
            }
            Part::Env(variables) => {
                let is_ours = |line: &&str| {
                    let name = line.trim_start().trim_start_matches("export ").split('=').next().unwrap_or_default();
                    variables.iter().any(|(ours, _)| *ours == name.trim())
                };
                let mut text: String =
                    before.lines().filter(|line| !is_ours(line)).flat_map(|line| [line, "\n"]).collect();
                for (name, value) in variables {
                    let _ = writeln!(text, "{name}={value}");
                }
                Ok(text)
            }
        }
    }
}

/// Puts the members of `part` into `whole`, objects member by member.
fn merge(whole: &mut Value, part: &Value) {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (name, value) in part {
                merge(whole.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (whole, part) => *whole = part.clone(),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Writes a file as a whole or not at all. Only its owner can read it: a key may be in it.
fn put(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| format!("{} cannot be written: {error}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    // A link leads to the file that is meant.
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let new = beside(&real, ".new");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&new, &real).map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place<'a>() -> Place<'a> {
        Place {
            url: "http://127.0.0.1:8080",
            model: Some("gpt-5"),
            key_env: "INTERLINGUA_KEY",
            key: Some("ilk_secret"),
        }
    }

    #[test]
    fn what_else_stands_in_a_file_stays_and_the_first_copy_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir_all(at(".codex")).unwrap();
        fs::write(
            at(".codex/config.toml"),
            "# mine\napproval_policy = \"never\"\n\n[model_providers.other]\nname = \"o\"\n",
        )
        .unwrap();
        let written = of(Agent::Codex, &place());
        written.write(home.path()).unwrap();
        let again = written.write(home.path()).unwrap();
        assert!(again[0].ends_with("says it already"), "{again:?}");
        let text = fs::read_to_string(at(".codex/config.toml")).unwrap();
        for line in [
            "# mine",
            "approval_policy = \"never\"",
            "[model_providers.other]",
            "[model_providers.interlingua]",
            "base_url = \"http://127.0.0.1:8080/v1\"",
            "env_key = \"INTERLINGUA_KEY\"",
            "model = \"gpt-5\"",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains("ilk_secret"), "the agent reads it from its environment");
        assert!(
            fs::read_to_string(at(".codex/config.toml.before-interlingua")).unwrap().starts_with("# mine\napproval")
        );
        assert!(text.parse::<DocumentMut>().is_ok());
    }

    #[test]
    fn json_is_merged_member_by_member_and_what_is_no_json_is_left() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".claude/settings.json");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, r#"{"env": {"FOO": "1"}, "theme": "dark"}"#).unwrap();
        of(Agent::ClaudeCode, &place()).write(home.path()).unwrap();
        let told: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(
            (&told["env"]["FOO"], &told["theme"], &told["model"]),
            (&json!("1"), &json!("dark"), &json!("gpt-5"))
        );
        assert_eq!(told["env"]["ANTHROPIC_AUTH_TOKEN"], "ilk_secret");
        fs::write(&path, "// a comment\n{}").unwrap();
        let error = of(Agent::ClaudeCode, &place()).write(home.path()).unwrap_err().to_string();
        assert!(error.contains("was left as it is") && fs::read_to_string(&path).unwrap().starts_with("// a comment"));
    }

    #[test]
    fn variables_replace_their_own_lines_only() {
        let part = Part::Env(vec![("A", "1".to_owned())]);
        assert_eq!(part.over("B=2\nexport A=0\n# A=\n").unwrap(), "B=2\n# A=\nA=1\n");
    }

    #[test]
    fn every_agent_is_shown_with_its_files() {
        for (agent, files) in [
            (Agent::ClaudeCode, vec!["~/.claude/settings.json"]),
            (Agent::Codex, vec!["~/.codex/config.toml"]),
            (Agent::GeminiCli, vec!["~/.gemini/.env", "~/.gemini/settings.json"]),
            (Agent::Opencode, vec!["~/.config/opencode/opencode.json"]),
        ] {
            let text = of(agent, &place()).shown();
            assert!(files.iter().all(|file| text.contains(file)) && text.contains("127.0.0.1:8080"), "{text}");
        }
    }
}
