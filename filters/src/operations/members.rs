//! The members of a body, be it JSON or a form, taken one by one. What nobody takes is a loss.

use std::borrow::Cow;
use std::collections::HashSet;

use super::Asked;
use crate::dialects::DecodeError;
use crate::ir::{LossKind, Losses};
use crate::json::skim::skim;
use crate::json::{self, Num, Raw, Str};
use crate::multipart::{self, Part};
use crate::wire_object;

wire_object! {
    /// Any object.
    struct Object<'a> {}
}

/// Fields of forms that are files, also when a client sends them without a file's name.
const FILES: [&str; 3] = ["file", "image", "mask"];

/// The members that are not taken yet.
pub(super) struct Members<'a> {
    values: Vec<(Cow<'a, str>, Value<'a>)>,
    files: Vec<Part<'a>>,
}

enum Value<'a> {
    Json(Raw<'a>),
    Text(&'a str),
}

impl<'a> Members<'a> {
    /// Reads a body of JSON. `null` says nothing.
    pub(super) fn of_json(client: crate::Dialect, body: &'a [u8]) -> Result<Self, DecodeError> {
        // For its errors in words that help.
        skim(client, body).map_err(super::native::unreadable)?;
        let object: Object<'a> = json::parse(body)?;
        let mut seen = HashSet::new();
        let mut values = Vec::with_capacity(object.rest.0.len());
        for (Str(key), value) in object.rest.0 {
            if !seen.insert(key.clone()) {
                return Err(DecodeError::at(&*key, format!("`{key}` stands twice in the body; send it once")));
            }
            if !value.is_null() {
                values.push((key, Value::Json(value)));
            }
        }
        Ok(Members { values, files: Vec::new() })
    }

    /// Reads a form.
    pub(super) fn of_form(asked: &Asked<'a>) -> Result<Self, DecodeError> {
        let form = multipart::read(asked.content_type, asked.body)?;
        let mut members = Members { values: Vec::new(), files: Vec::new() };
        for part in form.parts {
            if FILES.contains(&part.field()) {
                members.files.push(part);
                continue;
            }
            let name = part.name;
            let not_utf8 = |_| DecodeError::at(&*name, format!("`{name}` is not UTF-8; send text"));
            let text = std::str::from_utf8(part.content).map_err(not_utf8)?;
            if !name.ends_with("[]") && members.values.iter().any(|(known, _)| *known == name) {
                return Err(DecodeError::at(&*name, format!("`{name}` stands twice in the form; send it once")));
            }
            members.values.push((name, Value::Text(text)));
        }
        Ok(members)
    }

    fn take(&mut self, name: &str) -> Option<Value<'a>> {
        let at = self.values.iter().position(|(key, _)| key == name)?;
        Some(self.values.remove(at).1)
    }

    /// Drops a member that needs no translation.
    pub(super) fn skip(&mut self, name: &str) {
        self.take(name);
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<Str<'a>>, DecodeError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(Str::from(text))),
            Some(Value::Json(raw)) => match raw.read::<String>() {
                Some(text) => Ok(Some(Str::from(text))),
                None => Err(DecodeError::at(name, format!("`{name}` must be a string"))),
            },
        }
    }

    /// A text that must be there, with something in it.
    pub(super) fn needed(&mut self, name: &str) -> Result<Str<'a>, DecodeError> {
        match self.text(name)? {
            Some(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(DecodeError::at(name, format!("`{name}` is missing or empty; send a text"))),
        }
    }

    /// A number.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<Num<'a>>, DecodeError> {
        let number = match self.take(name) {
            None => return Ok(None),
            Some(Value::Text(text)) => serde_json::from_str(text.trim()).ok(),
            Some(Value::Json(raw)) => raw.read::<Num<'_>>().map(Num::into_owned),
        };
        number.map(Some).ok_or_else(|| DecodeError::at(name, format!("`{name}` must be a number")))
    }

    /// A whole number within bounds.
    pub(super) fn count(&mut self, name: &str, least: u64, most: u64) -> Result<Option<u64>, DecodeError> {
        let Some(number) = self.number(name)? else { return Ok(None) };
        let wrong = || DecodeError::at(name, format!("`{name}` must be a whole number from {least} to {most}"));
        number.as_u64().filter(|count| (least..=most).contains(count)).map(Some).ok_or_else(wrong)
    }

    /// A yes or no.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, DecodeError> {
        let text = match &self.take(name) {
            None => return Ok(None),
            Some(Value::Text(text)) => (*text).to_owned(),
            Some(Value::Json(raw)) => raw.get().to_owned(),
        };
        let wrong = || DecodeError::at(name, format!("`{name}` must be true or false"));
        text.trim().parse().map(Some).map_err(|_| wrong())
    }

    /// Any JSON value.
    pub(super) fn raw(&mut self, name: &str) -> Option<Raw<'a>> {
        match self.take(name)? {
            Value::Json(raw) => Some(raw),
            Value::Text(text) => Raw::from_value(&text),
        }
    }

    /// The files of a field.
    pub(super) fn files(&mut self, name: &str) -> Vec<Part<'a>> {
        let (taken, left) = std::mem::take(&mut self.files).into_iter().partition(|part| part.field() == name);
        self.files = left;
        taken
    }

    /// Reports what was not taken.
    pub(super) fn left(self, losses: &mut Losses) {
        let files = self.files.into_iter().map(|part| part.name);
        for name in self.values.into_iter().map(|(name, _)| name).chain(files) {
            losses.add(name.into_owned(), LossKind::Dropped);
        }
    }
}
