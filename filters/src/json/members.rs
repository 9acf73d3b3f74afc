//! The members of one object, as they stand in its text.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Str;
use super::splice::Edits;

/// One member of an object. Ranges are byte offsets in the whole text.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// Its name.
    pub name: Str<'a>,
    /// Where its value stands.
    pub value: Range<usize>,
}

/// The members of an object in their order, repeated ones too.
#[derive(Clone, Debug, Default)]
pub struct Members<'a> {
    /// The members.
    pub list: Vec<Member<'a>>,
    /// The object's own text.
    text: &'a str,
    /// Where that text begins in the whole one.
    base: usize,
}

impl<'a> Members<'a> {
    /// Reads a text that is one object; `None` for any other text.
    pub fn read(text: &'a str) -> Option<Self> {
        Self::read_at(text, 0)
    }

    /// As [`Self::read`], of an object that stands at `base` of a whole text, which the ranges are of then.
    pub fn read_at(text: &'a str, base: usize) -> Option<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let found = deserializer.deserialize_map(Object).ok()?;
        deserializer.end().ok()?;
        let member = |(name, raw): (Str<'a>, &'a RawValue)| Member { name, value: span(text, base, raw) };
        Some(Members { list: found.into_iter().map(member).collect(), text, base })
    }

    /// The text of the last member of this name, which is the one that readers take.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.find(name).and_then(|member| self.text_of(&member.value))
    }

    /// The members of that member, if it is an object.
    pub fn object(&self, name: &str) -> Option<Members<'a>> {
        let at = &self.find(name)?.value;
        Self::read_at(self.text_of(at)?, at.start)
    }

    /// The elements of that member which are objects, if it is an array; it may also be one object alone.
    pub fn objects(&self, name: &str) -> Vec<(Range<usize>, Members<'a>)> {
        let Some(at) = self.find(name).map(|member| member.value.clone()) else { return Vec::new() };
        let Some(text) = self.text_of(&at) else { return Vec::new() };
        let elements: Vec<&RawValue> = match serde_json::from_str(text) {
            Ok(elements) => elements,
            Err(_) => return Self::read_at(text, at.start).map(|one| (at, one)).into_iter().collect(),
        };
        let found = |raw: &'a RawValue| Some((span(text, at.start, raw), raw.get()));
        let objects = elements.into_iter().filter_map(found);
        objects.filter_map(|(at, text)| Some((at.clone(), Self::read_at(text, at.start)?))).collect()
    }

    /// Where the name of one of these members begins.
    pub fn start_of(&self, member: &Member<'_>) -> usize {
        let at = self.list.iter().position(|other| other.value == member.value);
        self.start(at.unwrap_or_default())
    }

    fn text_of(&self, at: &Range<usize>) -> Option<&'a str> {
        self.text.get(at.start.checked_sub(self.base)?..at.end.checked_sub(self.base)?)
    }

    /// The last member of this name.
    pub fn find(&self, name: &str) -> Option<&Member<'a>> {
        self.list.iter().rev().find(|member| member.name == name)
    }

    /// Takes out every member that `is_out` names, each with one comma, and gives the names of those that were there.
    /// `edits` must not touch these members otherwise.
    pub fn remove(&self, is_out: impl Fn(&str) -> bool, edits: &mut Edits) -> Vec<&Str<'a>> {
        let mut removed = Vec::new();
        // End of the last member that stays.
        let mut kept_end = None;
        // Start of the members that go since then.
        let mut out_start = None;
        let mut end = 0;
        for (at, member) in self.list.iter().enumerate() {
            let start = self.start(at);
            end = member.value.end;
            if is_out(&member.name) {
                removed.push(&member.name);
                out_start = out_start.or(Some(start));
                continue;
            }
            if let Some(from) = out_start.take() {
                edits.replace(from..start, "");
            }
            kept_end = Some(end);
        }
        if let Some(from) = out_start {
            edits.replace(kept_end.unwrap_or(from)..end, "");
        }
        removed
    }

    /// Where the name of a member begins.
    fn start(&self, at: usize) -> usize {
        let before = match at.checked_sub(1).and_then(|at| self.list.get(at)) {
            Some(member) => member.value.end,
            None => self.base,
        };
        // Between two members there are white space and a comma; before the first, the brace.
        let between = self.text.get(before.saturating_sub(self.base)..).unwrap_or_default();
        before + between.find('"').unwrap_or_default()
    }
}

/// Where `part`, a slice of `text`, stands; `text` itself stands at `base`.
fn span(text: &str, base: usize, part: &RawValue) -> Range<usize> {
    let start = base + part.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
    start..start + part.get().len()
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Vec<(Str<'de>, &'de RawValue)>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(member) = map.next_entry()? {
            found.push(member);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn without(text: &str, out: &[&str]) -> String {
        let members = Members::read(text).unwrap();
        let mut edits = Edits::default();
        members.remove(|name| out.contains(&name), &mut edits);
        String::from_utf8(edits.apply(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn members_go_with_one_comma_each() {
        let text = r#"{ "a": 1, "b":[2] ,"c":"}," }"#;
        assert_eq!(without(text, &["a"]), r#"{ "b":[2] ,"c":"}," }"#);
        assert_eq!(without(text, &["b"]), r#"{ "a": 1, "c":"}," }"#);
        assert_eq!(without(text, &["c"]), r#"{ "a": 1, "b":[2] }"#);
        assert_eq!(without(text, &["b", "c"]), r#"{ "a": 1 }"#);
        assert_eq!(without(text, &["a", "b", "c"]), "{  }");
        assert_eq!(without(text, &["x"]), text);
        assert!(Members::read("[1]").is_none() && Members::read("{\"a\":1} x").is_none());
    }

    #[test]
    fn members_of_members_have_their_places_in_the_whole() {
        let text = r#" {"a": [1, {"b": {"id":"x","n":1}}, {"b":{"n":2, "id":3}}], "c":{"b":{"id":"y"}}}"#;
        let members = Members::read(text).unwrap();
        let mut edits = Edits::default();
        for (_, part) in members.objects("a").into_iter().chain(members.objects("c")) {
            if let Some(inner) = part.object("b") {
                inner.remove(|name| name == "id", &mut edits);
            }
        }
        let edited = String::from_utf8(edits.apply(text.as_bytes()).unwrap()).unwrap();
        assert_eq!(edited, r#" {"a": [1, {"b": {"n":1}}, {"b":{"n":2}}], "c":{"b":{}}}"#);
        assert_eq!(members.object("c").unwrap().get("b"), Some(r#"{"id":"y"}"#));
        assert_eq!((members.get("x"), members.objects("x").len()), (None, 0));
    }

    proptest! {
        #[test]
        fn what_stays_is_what_was_there(
            keys in proptest::collection::vec("[a-e\"é]{1,2}", 0..6),
            out in proptest::collection::vec("[a-e\"é]{1,2}", 0..4),
        ) {
            let list: Vec<String> = keys.iter().map(|key| format!("{} : [\"}}\", 1.50]", serde_json::json!(key))).collect();
            let text = format!("{{ {} }}", list.join(" , "));
            let out: Vec<&str> = out.iter().map(String::as_str).collect();
            let left = without(&text, &out);
            let kept: Vec<&String> = keys.iter().filter(|key| !out.contains(&key.as_str())).collect();
            let read = Members::read(&left).unwrap();
            prop_assert_eq!(read.list.iter().map(|member| member.name.to_string()).collect::<Vec<_>>(),
                kept.iter().map(ToString::to_string).collect::<Vec<_>>());
            for member in &read.list {
                prop_assert_eq!(&left[member.value.clone()], "[\"}\", 1.50]");
            }
        }
    }
}
