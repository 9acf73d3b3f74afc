//! Arguments that a stream gives value by value (`partialArgs`, Vertex with `streamFunctionCallArguments`).

use serde_json::{Map, Value};

use crate::json::{Raw, Str};
use crate::wire_object;

/// Deepest nesting of a path, in steps.
const STEPS_MAX: usize = 64;
/// Bytes of all arguments of one call.
const BYTES_MAX: usize = 4 * 1024 * 1024;

wire_object! {
    /// One element of `partialArgs`.
    pub(super) struct PartialArg<'a> {
        /// Where the value goes, e.g. `$.items[0].name`.
        path: Str<'a> = "jsonPath",
        /// More of a string.
        string: Str<'a> = "stringValue",
        /// A number, whole.
        number: Raw<'a> = "numberValue",
        /// A boolean, whole.
        bool: bool = "boolValue",
    }
}

/// Arguments so far.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    root: Map<String, Value>,
    bytes: usize,
}

enum Step {
    Key(String),
    Index(usize),
}

impl Arguments {
    /// Takes one piece in. A piece whose path cannot be followed is skipped.
    pub(super) fn add(&mut self, piece: &PartialArg<'_>) {
        let path = piece.path.as_deref().unwrap_or_default();
        self.bytes += path.len() + piece.string.as_deref().map_or(8, str::len);
        let Some(steps) = steps(path).filter(|_| self.bytes <= BYTES_MAX) else { return };
        let Some((Step::Key(first), rest)) = steps.split_first() else { return };
        let Some(slot) = slot(self.root.entry(first.clone()).or_insert(Value::Null), rest) else { return };
        if let Some(more) = &piece.string {
            if let Value::String(text) = slot {
                text.push_str(more);
            } else {
                *slot = Value::String(more.to_string());
            }
        } else if let Some(number) = &piece.number {
            *slot = whole(number.to_value());
        } else if let Some(value) = piece.bool {
            *slot = Value::Bool(value);
        } else if piece.rest.get("nullValue").is_some() {
            *slot = Value::Null;
        }
    }

    /// The arguments as JSON text.
    pub(super) fn text(self) -> String {
        Value::Object(self.root).to_string()
    }
}

/// `numberValue` is a double: `5.0` stands for the integer 5 of the model's JSON.
fn whole(value: Value) -> Value {
    match value.as_f64() {
        Some(number) if number.fract() == 0.0 && number.abs() < 9.0e15 => Value::from(number as i64),
        _ => value,
    }
}

/// The place that the rest of a path names, made where it is not there yet. Lists only grow by one.
fn slot<'v>(mut at: &'v mut Value, steps: &[Step]) -> Option<&'v mut Value> {
    for step in steps {
        at = match step {
            Step::Key(key) => {
                if at.is_null() {
                    *at = Value::Object(Map::new());
                }
                at.as_object_mut()?.entry(key.clone()).or_insert(Value::Null)
            }
            Step::Index(index) => {
                if at.is_null() {
                    *at = Value::Array(Vec::new());
                }
                let items = at.as_array_mut()?;
                if *index == items.len() {
                    items.push(Value::Null);
                }
                items.get_mut(*index)?
            }
        };
    }
    Some(at)
}

/// The steps of a JSON path of the forms `$.a.b[0]` and `$['a b']`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() >= STEPS_MAX {
            return None;
        }
        if let Some(tail) = rest.strip_prefix('.') {
            let end = tail.find(['.', '[']).unwrap_or(tail.len());
            steps.push(Step::Key(tail.get(..end)?.to_owned()));
            rest = tail.get(end..)?;
        } else {
            let tail = rest.strip_prefix('[')?;
            if let Some(quote) = tail.chars().next().filter(|first| matches!(first, '\'' | '"')) {
                let inner = tail.get(1..)?;
                let end = inner.find(quote)?;
                steps.push(Step::Key(inner.get(..end)?.to_owned()));
                rest = inner.get(end + 1..)?.strip_prefix(']')?;
            } else {
                let end = tail.find(']')?;
                steps.push(Step::Index(tail.get(..end)?.parse().ok()?));
                rest = tail.get(end + 1..)?;
            }
        }
    }
    Some(steps)
}
