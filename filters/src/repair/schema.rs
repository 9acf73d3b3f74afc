//! JSON Schema in the subset that a target takes.
//!
//! Gemini's `parameters` and `responseSchema` are an OpenAPI 3.0 dialect (ai.google.dev/api/caching#Schema) that
//! refuses a request for one unknown keyword. [`gemini_subset`] rebuilds a schema from the keywords that every version
//! takes, instead of deleting from the client's: what is not built cannot slip through. References are inlined, since
//! there is no `$ref`; constraints without a keyword are told to the model in `description`.
//!
//! `minLength`, `maxLength` and `pattern` are told too: Google documents them, but older endpoints answer 400.

mod flat;
mod standard;

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::json::Raw;
use flat::Flat;
pub(crate) use flat::percent_decoded;

pub use standard::standard;

/// Deepest nesting of a rebuilt schema, in schemas.
const DEPTH_MAX: usize = 64;
/// Work that rebuilding one schema may cost: a schema visited, a property or [`TEXT_COST`] bytes of text are 1 each.
/// Inlined references can multiply, so this also bounds the result to some 2 MB more than the schema itself.
const VISITS_MAX: usize = 8_192;
/// Bytes of text that cost as much as a visit.
const TEXT_COST: usize = 256;
/// Bytes of constraints told in one description.
const TOLD_BYTES_MAX: usize = 512;

/// A schema brought into the subset.
#[derive(Clone, Debug, PartialEq)]
pub struct Subset {
    /// The schema, in Gemini's words.
    pub schema: Value,
    /// Whether something could not be said, or only in a description.
    pub lossy: bool,
}

/// Rebuilds a JSON Schema, of any draft, in Gemini's subset. Never fails: what cannot be read becomes an object
/// without properties.
pub fn gemini_subset(schema: &Raw<'_>) -> Subset {
    let root = schema.to_value();
    let mut builder = Builder { root: &root, visits: 0, refs: Vec::new(), lossy: root.is_null() && !schema.is_null() };
    let mut schema = builder.node(&[&root], 0);
    // Arguments are always an object.
    if let Value::Object(members) = &mut schema
        && !members.contains_key("type")
        && !members.contains_key("anyOf")
    {
        members.insert("type".into(), "OBJECT".into());
    }
    Subset { schema, lossy: builder.lossy }
}

struct Builder<'s> {
    root: &'s Value,
    visits: usize,
    /// References being inlined, outermost first: one that comes again is a cycle.
    refs: Vec<&'s str>,
    lossy: bool,
}

impl<'s> Builder<'s> {
    /// The schema that all of `schemas` say together.
    fn node(&mut self, schemas: &[&'s Value], depth: usize) -> Value {
        if depth >= DEPTH_MAX || self.visits >= VISITS_MAX {
            self.lossy = true;
            return json!({"type": "STRING", "description": "JSON text (nested too deep to describe)"});
        }
        let entered = self.refs.len();
        let mut flat = Flat::default();
        for schema in schemas {
            self.flatten(schema, &mut flat, depth);
        }
        self.unwrap_single_branch(&mut flat, depth);
        let value = self.build(&mut flat, depth);
        self.refs.truncate(entered);
        value
    }

    /// `anyOf: [X, null]` is X, nullable.
    fn unwrap_single_branch(&mut self, flat: &mut Flat<'s>, depth: usize) {
        // Each turn takes one branch in; a schema can nest only so many.
        for _ in 0..DEPTH_MAX {
            let (nulls, others): (Vec<&Value>, Vec<&Value>) =
                flat.any_of.iter().partition(|branch| branch.get("type") == Some(&json!("null")));
            flat.nullable |= !nulls.is_empty();
            if let [only] = others.as_slice() {
                flat.any_of = Vec::new();
                self.flatten(only, flat, depth);
            } else {
                flat.any_of = others;
                return;
            }
        }
    }

    fn build(&mut self, flat: &mut Flat<'s>, depth: usize) -> Value {
        let types = flat.types();
        let has_own_shape = !flat.properties.is_empty() || !flat.items.is_empty() || !types.is_empty();
        if !flat.any_of.is_empty() && !has_own_shape {
            return self.union(flat, depth);
        }
        if !flat.any_of.is_empty() {
            // Beside `anyOf` no other keyword is taken; the shape says more than the alternatives.
            flat.tell("one of several alternative forms".to_owned());
        }
        match types.as_slice() {
            [] | [_] => {
                let only = types.first().copied().unwrap_or_else(|| flat.guess_type());
                self.typed(flat, only, depth)
            }
            several => {
                let branches = several.iter().map(|one| self.typed(flat, one, depth)).collect();
                json!({ "anyOf": Value::Array(branches) })
            }
        }
    }

    fn union(&mut self, flat: &Flat<'s>, depth: usize) -> Value {
        let mut branches = Vec::new();
        for branch in &flat.any_of {
            let mut built = self.node(&[branch], depth + 1);
            if let Value::Object(members) = &mut built {
                if flat.nullable && !members.contains_key("anyOf") {
                    members.insert("nullable".into(), true.into());
                }
                if let Some(text) = flat.description()
                    && !members.contains_key("description")
                    && !members.contains_key("anyOf")
                {
                    members.insert("description".into(), text.into());
                }
            }
            branches.push(built);
        }
        self.lossy |= flat.lossy;
        json!({ "anyOf": branches })
    }

    fn typed(&mut self, flat: &mut Flat<'s>, kind: &'static str, depth: usize) -> Value {
        let mut out = Map::new();
        out.insert("type".into(), kind.into());
        if let Some(title) = flat.title {
            out.insert("title".into(), title.into());
        }
        let values = flat.enum_strings(kind);
        self.visits += flat.text_bytes() / TEXT_COST;
        if flat.nullable {
            out.insert("nullable".into(), true.into());
        }
        match kind {
            "STRING" => {
                if let Some(format) = flat.format.filter(|format| matches!(*format, "date-time" | "enum")) {
                    out.insert("format".into(), format.into());
                } else if let Some(format) = flat.format {
                    flat.tell(format!("format: {format}"));
                }
                if !values.is_empty() {
                    out.insert("enum".into(), values.into());
                }
            }
            "NUMBER" | "INTEGER" => {
                let known = ["int32", "int64", "float", "double"];
                if let Some(format) = flat.format.filter(|format| known.contains(format)) {
                    out.insert("format".into(), format.into());
                }
                flat.copy_number(&mut out, "minimum");
                flat.copy_number(&mut out, "maximum");
            }
            "ARRAY" => {
                let items = std::mem::take(&mut flat.items);
                let items = if items.is_empty() { json!({"type": "STRING"}) } else { self.node(&items, depth + 1) };
                out.insert("items".into(), items);
                flat.copy_number(&mut out, "minItems");
                flat.copy_number(&mut out, "maxItems");
            }
            "OBJECT" => self.object(flat, &mut out, depth),
            _ => {}
        }
        if let Some(text) = flat.description() {
            out.insert("description".into(), text.into());
        }
        self.lossy |= flat.lossy;
        Value::Object(out)
    }

    fn object(&mut self, flat: &mut Flat<'s>, out: &mut Map<String, Value>, depth: usize) {
        let properties = std::mem::take(&mut flat.properties);
        let mut built = Map::new();
        for (name, schemas) in properties {
            // `false` allows no value at all.
            if schemas.iter().any(|schema| **schema == Value::Bool(false)) {
                self.lossy = true;
                continue;
            }
            let value = self.node(&schemas, depth + 1);
            built.insert(name.to_owned(), value);
        }
        if built.is_empty() {
            return;
        }
        let mut seen = HashSet::new();
        let required: Vec<Value> = flat
            .required
            .iter()
            .filter(|name| built.contains_key(**name) && seen.insert(**name))
            .map(|name| Value::from(*name))
            .collect();
        out.insert("properties".into(), built.into());
        if !required.is_empty() {
            out.insert("required".into(), required.into());
        }
    }
}

#[cfg(test)]
mod tests;
