//! One schema with its references and `allOf` parts taken in.

use serde_json::{Map, Value};

use super::{Builder, TOLD_BYTES_MAX, VISITS_MAX};

/// Values of an enumeration told in a description.
const TOLD_VALUES_MAX: usize = 64;

/// What a schema says, gathered from all its parts; everything is borrowed from the root.
#[derive(Default)]
pub(super) struct Flat<'s> {
    kinds: Option<Vec<&'s str>>,
    pub(super) nullable: bool,
    pub(super) title: Option<&'s str>,
    pub(super) format: Option<&'s str>,
    /// Each property with all schemas that hold for it.
    pub(super) properties: Vec<(&'s str, Vec<&'s Value>)>,
    pub(super) required: Vec<&'s str>,
    pub(super) items: Vec<&'s Value>,
    pub(super) any_of: Vec<&'s Value>,
    values: Option<Vec<&'s Value>>,
    numbers: Vec<(&'static str, &'s Value)>,
    descriptions: Vec<&'s str>,
    told: Vec<String>,
    pub(super) lossy: bool,
}

impl<'s> Builder<'s> {
    /// Takes `schema` into `flat`, with what it refers to.
    pub(super) fn flatten(&mut self, schema: &'s Value, flat: &mut Flat<'s>, depth: usize) {
        self.visits += 1;
        if self.visits >= VISITS_MAX || depth >= super::DEPTH_MAX {
            flat.lossy = true;
            return;
        }
        let Value::Object(members) = schema else { return };
        self.visits += members.get("properties").and_then(Value::as_object).map_or(0, Map::len);
        // The schema's own words come before those it refers to.
        flat.take(members);
        if let Some(Value::String(target)) = members.get("$ref") {
            self.enter(target, flat, depth);
        }
        if let Some(Value::Array(parts)) = members.get("allOf") {
            for part in parts {
                self.flatten(part, flat, depth + 1);
            }
        }
    }

    fn enter(&mut self, target: &'s str, flat: &mut Flat<'s>, depth: usize) {
        flat.lossy |= !target.starts_with('#');
        if self.refs.contains(&target) {
            flat.kinds.get_or_insert_with(|| vec!["object"]);
            flat.tell(format!("recursive: again a {}", target.rsplit('/').next().unwrap_or(target)));
            return;
        }
        match resolve(self.root, target) {
            Some(found) => {
                self.refs.push(target);
                self.flatten(found, flat, depth + 1);
            }
            None => flat.tell(format!("see {target}")),
        }
    }
}

/// A JSON pointer in a fragment (RFC 6901, section 6).
fn resolve<'s>(root: &'s Value, target: &str) -> Option<&'s Value> {
    let pointer = target.strip_prefix('#')?;
    root.pointer(pointer).or_else(|| root.pointer(&String::from_utf8(percent_decoded(pointer)).ok()?))
}

/// The bytes that a percent-encoded text stands for (RFC 3986, section 2.1); a `%` without two digits is one.
pub(crate) fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = hex.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    bytes
}

/// Keywords that say nothing about values.
const SILENT: [&str; 14] = [
    "$schema",
    "$id",
    "$defs",
    "definitions",
    "$ref",
    "$comment",
    "$anchor",
    "id",
    "allOf",
    "propertyOrdering",
    "readOnly",
    "writeOnly",
    "deprecated",
    "strict",
];

impl<'s> Flat<'s> {
    fn take(&mut self, members: &'s Map<String, Value>) {
        for (key, value) in members {
            match (key.as_str(), value) {
                ("type", Value::String(kind)) => self.narrow(vec![kind.as_str()]),
                ("type", Value::Array(kinds)) => self.narrow(kinds.iter().filter_map(Value::as_str).collect()),
                ("nullable", Value::Bool(nullable)) => self.nullable |= nullable,
                ("title", Value::String(title)) => self.title = self.title.or(Some(title)),
                ("format", Value::String(format)) => self.format = self.format.or(Some(format)),
                ("description", Value::String(text)) if !text.is_empty() => self.descriptions.push(text),
                ("properties", Value::Object(properties)) => self.add_properties(properties),
                ("required", Value::Array(names)) => self.required.extend(names.iter().filter_map(Value::as_str)),
                ("items", Value::Object(_)) => self.items.push(value),
                ("items" | "prefixItems", Value::Array(first)) if !first.is_empty() => {
                    self.any_items(first);
                }
                ("anyOf" | "oneOf", Value::Array(branches)) => self.add_branches(branches),
                ("const", value) => self.intersect(vec![value]),
                ("enum", Value::Array(values)) => self.intersect(values.iter().collect()),
                ("minimum" | "maximum" | "minItems" | "maxItems", Value::Number(_)) => self.number(key, value),
                (key, _) if SILENT.contains(&key) => {}
                ("items" | "additionalProperties", Value::Bool(_)) => self.lossy |= value == &Value::Bool(false),
                ("description", _) => {}
                (key, value) => self.tell_constraint(key, value),
            }
        }
    }

    fn add_properties(&mut self, properties: &'s Map<String, Value>) {
        for (name, schema) in properties {
            match self.properties.iter_mut().find(|(known, _)| known == name) {
                Some((_, schemas)) => schemas.push(schema),
                None => self.properties.push((name, vec![schema])),
            }
        }
    }

    /// A tuple: Gemini knows one schema for all items.
    fn any_items(&mut self, tuple: &'s [Value]) {
        self.lossy |= tuple.len() > 1;
        self.tell(format!("a list of {} items in fixed order", tuple.len()));
        self.items.extend(tuple.first().filter(|first| first.is_object()));
    }

    /// A second list of alternatives (`allOf` of two unions) cannot be said: the first stays.
    fn add_branches(&mut self, branches: &'s [Value]) {
        if self.any_of.is_empty() {
            self.any_of.extend(branches.iter().filter(|branch| branch.is_object()));
        } else {
            self.lossy = true;
        }
    }

    /// Both type lists hold: what is in both.
    fn narrow(&mut self, kinds: Vec<&'s str>) {
        self.kinds = Some(match self.kinds.take() {
            None => kinds,
            Some(known) => {
                let both: Vec<&str> = known
                    .iter()
                    .copied()
                    .filter(|kind| kinds.iter().any(|other| other.eq_ignore_ascii_case(kind)))
                    .collect();
                if both.is_empty() { known } else { both }
            }
        });
    }

    fn intersect(&mut self, values: Vec<&'s Value>) {
        self.values = Some(match self.values.take() {
            None => values,
            // Comparing them all would cost too much.
            Some(known) if known.len().saturating_mul(values.len()) > VISITS_MAX * 16 => known,
            Some(known) => known.into_iter().filter(|value| values.contains(value)).collect(),
        });
    }

    fn number(&mut self, key: &str, value: &'s Value) {
        for known in ["minimum", "maximum", "minItems", "maxItems"] {
            if known == key && !self.numbers.iter().any(|(name, _)| *name == known) {
                self.numbers.push((known, value));
            }
        }
    }

    /// Types in Gemini's words, without null, which makes the schema nullable.
    pub(super) fn types(&mut self) -> Vec<&'static str> {
        let mut types = Vec::new();
        for kind in self.kinds.clone().unwrap_or_default() {
            let word = match kind.to_ascii_lowercase().as_str() {
                "string" => "STRING",
                "number" => "NUMBER",
                "integer" => "INTEGER",
                "boolean" => "BOOLEAN",
                "array" => "ARRAY",
                "object" => "OBJECT",
                "null" => {
                    self.nullable = true;
                    continue;
                }
                _ => {
                    self.lossy = true;
                    continue;
                }
            };
            if !types.contains(&word) {
                types.push(word);
            }
        }
        types
    }

    /// The type of a schema that names none. Anything at all is asked for as text.
    pub(super) fn guess_type(&mut self) -> &'static str {
        let first = self.values.as_ref().and_then(|values| values.iter().find(|value| !value.is_null()));
        if !self.properties.is_empty() {
            return "OBJECT";
        }
        if !self.items.is_empty() {
            return "ARRAY";
        }
        match first {
            Some(Value::Bool(_)) => "BOOLEAN",
            Some(Value::Number(number)) if number.is_i64() || number.is_u64() => "INTEGER",
            Some(Value::Number(_)) => "NUMBER",
            _ if self.numbers.iter().any(|(name, _)| matches!(*name, "minimum" | "maximum")) => "NUMBER",
            _ => {
                self.lossy |= first.is_none();
                "STRING"
            }
        }
    }

    /// The values of an enumeration of strings; others are told, as Gemini's `enum` takes strings only.
    pub(super) fn enum_strings(&mut self, kind: &str) -> Vec<Value> {
        let Some(values) = self.values.clone() else { return Vec::new() };
        self.nullable |= values.iter().any(|value| value.is_null());
        let strings: Vec<Value> =
            values.iter().filter_map(|value| value.as_str()).filter(|text| !text.is_empty()).map(Value::from).collect();
        let all = values.iter().all(|value| value.is_null() || value.as_str().is_some_and(|text| !text.is_empty()));
        if !all || kind != "STRING" {
            let list: Vec<String> = values.iter().take(TOLD_VALUES_MAX).map(ToString::to_string).collect();
            if self.values.take().is_some() && !list.is_empty() {
                self.tell(format!("one of {}", list.join(", ")));
            }
        }
        // An empty string or another type among the values: a list without them would forbid what is allowed.
        if all { strings } else { Vec::new() }
    }

    /// Bytes of text that the schema repeats wherever it is inlined.
    pub(super) fn text_bytes(&self) -> usize {
        let values = self.values.iter().flatten().map(|value| value.as_str().map_or(8, str::len) + 8);
        let names = self.properties.iter().map(|(name, _)| name.len());
        let texts = self.descriptions.first().into_iter().chain(&self.title).map(|text| text.len());
        values.chain(names).chain(texts).sum()
    }

    pub(super) fn copy_number(&self, out: &mut Map<String, Value>, key: &str) {
        if let Some((name, value)) = self.numbers.iter().find(|(name, _)| *name == key) {
            out.insert((*name).to_owned(), (*value).clone());
        }
    }

    /// Says a constraint in the description.
    pub(super) fn tell(&mut self, text: String) {
        self.lossy = true;
        let used: usize = self.told.iter().map(String::len).sum();
        if used + text.len() <= TOLD_BYTES_MAX && !self.told.contains(&text) {
            self.told.push(text);
        }
    }

    fn tell_constraint(&mut self, key: &str, value: &Value) {
        self.lossy = true;
        let plain = matches!(value, Value::Number(_) | Value::String(_) | Value::Bool(_));
        let known = [
            "pattern",
            "minLength",
            "maxLength",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
            "uniqueItems",
            "minProperties",
            "maxProperties",
            "default",
            "contentEncoding",
            "contentMediaType",
        ];
        if known.contains(&key) && plain {
            self.tell(format!("{key}: {value}"));
        } else if matches!(key, "default" | "examples" | "example" | "not" | "dependentRequired") {
            let text = value.to_string();
            if text.len() <= TOLD_BYTES_MAX / 4 {
                self.tell(format!("{key}: {text}"));
            }
        }
    }

    /// The description: the schema's own, else that of what it refers to, with the told constraints.
    pub(super) fn description(&self) -> Option<String> {
        let own = self.descriptions.first().copied().unwrap_or_default();
        if self.told.is_empty() {
            return (!own.is_empty()).then(|| own.to_owned());
        }
        let told = self.told.join("; ");
        Some(if own.is_empty() { format!("({told})") } else { format!("{own} ({told})") })
    }
}
