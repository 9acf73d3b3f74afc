//! From text to the file as written, with every fault of its form.
//!
//! Serde stops at the first fault. So each fault is noted with its path, the entry at fault is taken out of the tree,
//! and the tree is read again; what was taken out has its default then. Files without a fault are read once.

use serde::Deserialize;
use serde_path_to_error::Segment;
use serde_yaml::Value;

use super::raw;
use super::report::{Found, PROBLEMS_MAX, Part, Problems, Step, is_secret};
use super::spans::Place;
use super::suggest;

/// A text that is not YAML at all.
#[derive(Debug)]
pub(crate) struct NotYaml {
    pub(crate) place: Option<Place>,
    pub(crate) message: String,
}

/// Most readings of one text: each finds a fault, or an empty section.
const READINGS_MAX: usize = 4 * PROBLEMS_MAX;

/// Reads `text`. Faults of form go to `problems`, and their entries have their defaults in what is returned.
pub(crate) fn read(text: &str, problems: &mut Problems) -> Result<raw::Config, NotYaml> {
    let mut tree: Value = serde_yaml::from_str(text).map_err(|error| not_yaml(&error))?;
    tree.apply_merge().map_err(|error| not_yaml(&error))?;
    if tree.is_null() {
        return Ok(raw::Config::default());
    }
    for _ in 0..READINGS_MAX {
        match serde_path_to_error::deserialize::<_, raw::Config>(&tree) {
            Ok(config) => return Ok(config),
            Err(error) => {
                let mut path = steps(error.path());
                let message = error.inner().to_string();
                // A section or value with nothing in it has its defaults: `server:` above commented lines.
                if !(is_empty_entry(&tree, &path) && message.starts_with("invalid type: unit")) {
                    problems.errors.push(explain(&path, &message));
                }
                if problems.errors.len() >= PROBLEMS_MAX || !remove(&mut tree, &mut path) {
                    break;
                }
            }
        }
    }
    Ok(raw::Config::deserialize(&tree).unwrap_or_default())
}

fn not_yaml(error: &serde_yaml::Error) -> NotYaml {
    let place = error.location().map(|at| Place { line: at.line(), column: at.column(), chars: 0, scalar: false });
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or_default();
    NotYaml { place, message: format!("this is not valid YAML: {message}") }
}

fn steps(path: &serde_path_to_error::Path) -> Vec<Step> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

fn child<'t>(tree: &'t mut Value, step: &Step) -> Option<&'t mut Value> {
    match step {
        Step::Key(key) => tree.get_mut(key.as_str()),
        Step::Index(index) => tree.get_mut(*index),
    }
}

fn node<'t>(tree: &'t mut Value, path: &[Step]) -> Option<&'t mut Value> {
    path.iter().try_fold(tree, child)
}

/// Whether an entry of a map is there with no value.
fn is_empty_entry(tree: &Value, path: &[Step]) -> bool {
    let found = path.iter().try_fold(tree, |tree, step| match step {
        Step::Key(key) => tree.get(key.as_str()),
        Step::Index(index) => tree.get(*index),
    });
    matches!(path.last(), Some(Step::Key(_))) && found.is_some_and(Value::is_null)
}

/// Takes the entry out: a key goes, an item of a list becomes null, so that the others keep their numbers. What is null
/// already, or is not to be found, takes its parent with it. False if nothing is left to take.
fn remove(tree: &mut Value, path: &mut Vec<Step>) -> bool {
    while let Some(last) = path.pop() {
        let Some(parent) = node(tree, path) else { continue };
        let taken = match (&last, parent) {
            (Step::Key(key), Value::Mapping(map)) => map.remove(key.as_str()),
            (Step::Index(index), Value::Sequence(items)) => items.get_mut(*index).map(std::mem::take),
            _ => None,
        };
        if taken.is_some_and(|taken| matches!(last, Step::Key(_)) || !taken.is_null()) {
            return true;
        }
    }
    false
}

/// A problem in our words. Serde's messages quote values, which may be secret: only those of our own types, which say
/// what a text must look like, and only outside of secret keys.
fn explain(path: &[Step], message: &str) -> Found {
    let found = |part, message, help| Found { path: path.to_vec(), part, message, help };
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let (name, known) = names(rest);
        return found(Part::Key, format!("unknown key `{name}`"), suggest::among(name, "known here", &known));
    }
    if let Some(rest) = message.strip_prefix("unknown variant `") {
        let (name, known) = names(rest);
        let help = suggest::among(name, "one of", &known);
        return found(Part::Value, format!("`{name}` is not a value of this key"), help);
    }
    if let Some(rest) = message.strip_prefix("invalid type: ") {
        let (got, wanted) = split_expected(rest);
        let kind = got.split([' ', '`', '"']).next().unwrap_or_default();
        let (message, help) = wrong_type(kind, wanted);
        let part = if matches!(wanted, "a boolean" | "u64") { Part::Value } else { Part::Unshown };
        return found(part, message, help);
    }
    if let Some(rest) = message.strip_prefix("invalid value: ") {
        let (got, wanted) = split_expected(rest);
        let got = if is_secret(path) { "" } else { got };
        let value = got.split_once(' ').map_or("the value", |(_, value)| value);
        let value: String = value.chars().take(40).collect();
        return found(Part::Value, format!("{value} is not {}", plain(wanted)), None);
    }
    found(Part::Value, if is_secret(path) { "the value cannot be read".to_owned() } else { message.to_owned() }, None)
}

fn wrong_type(kind: &str, wanted: &str) -> (String, Option<String>) {
    let kind = match kind {
        "string" => "text",
        "integer" | "floating" => "a number",
        "boolean" => "true or false",
        "map" => "a map",
        "sequence" => "a list",
        "unit" | "Option" => "nothing",
        _ => "something else",
    };
    let help = match (kind, wanted) {
        ("text", "a boolean") => Some("write true or false, without quotes"),
        ("a number" | "true or false", "a string") => Some("put it in quotes"),
        (_, "a sequence") => Some("begin each item with a dash"),
        _ => None,
    };
    (format!("expected {}, but this is {kind}", plain(wanted)), help.map(str::to_owned))
}

/// What serde expects, in words of the file.
fn plain(wanted: &str) -> &str {
    match wanted {
        "a boolean" => "true or false",
        "a string" => "text",
        "a sequence" => "a list",
        "u64" => "a whole number, 0 or more",
        "a map" => "a map of keys",
        other if other.starts_with("struct ") => "a map of keys",
        other => other,
    }
}

fn split_expected(rest: &str) -> (&str, &str) {
    rest.rsplit_once(", expected ").unwrap_or((rest, "what belongs here"))
}

/// The name at fault and the names that would do, out of "x`, expected one of `a`, `b`".
fn names(rest: &str) -> (&str, Vec<&str>) {
    let (name, expected) = rest.split_once("`, ").unwrap_or((rest.trim_end_matches('`'), ""));
    (name, expected.split('`').skip(1).step_by(2).collect())
}
