//! Edits of a body at byte offsets.
//!
//! Law: every byte outside the edited ranges stays as it was. It keeps signatures, unknown members, number texts and the
//! prefix that prompt caches are keyed by.

use std::ops::Range;

use super::skim::ObjectSpan;

/// Edits of one body, applied together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits(Vec<Edit>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Edit {
    range: Range<usize>,
    text: Vec<u8>,
}

/// Edits that do not belong to the body: a range ends behind it, or two overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an edit of bytes {start}..{end} does not fit the body")]
pub struct SpliceError {
    /// First byte of the edit.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
}

impl Edits {
    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts `text` in the place of `range`.
    pub fn replace(&mut self, range: Range<usize>, text: impl Into<Vec<u8>>) {
        self.0.push(Edit { range, text: text.into() });
    }

    /// Puts a JSON string in the place of `range`.
    pub fn replace_str(&mut self, range: Range<usize>, value: &str) {
        let mut text = Vec::with_capacity(value.len() + 2);
        super::Writer::new(&mut text).str(value);
        self.replace(range, text);
    }

    /// Adds a member before the others of `object`. `value` is JSON text; the key must not be there yet.
    pub fn insert_first(&mut self, object: ObjectSpan, key: &str, value: &str) {
        if object.is_empty {
            return self.insert_last(object, key, value);
        }
        let mut text = member(key, value);
        text.push(b',');
        self.replace(object.open..object.open, text);
    }

    /// Adds a member after the others of `object`. `value` is JSON text; the key must not be there yet.
    pub fn insert_last(&mut self, object: ObjectSpan, key: &str, value: &str) {
        // Members of an empty object all go to its one end, so that their commas meet.
        let alone = object.is_empty && !self.0.iter().any(|edit| edit.range == (object.close..object.close));
        let mut text = member(key, value);
        if !alone {
            text.insert(0, b',');
        }
        self.replace(object.close..object.close, text);
    }

    /// The body with all edits made. Insertions at one place keep the order in which they were added.
    ///
    /// # Errors
    /// When a range ends behind the body or overlaps another.
    pub fn apply(&self, body: &[u8]) -> Result<Vec<u8>, SpliceError> {
        let mut edits: Vec<&Edit> = self.0.iter().collect();
        edits.sort_by_key(|edit| edit.range.start);
        let added: usize = edits.iter().map(|edit| edit.text.len()).sum();
        let removed: usize = edits.iter().map(|edit| edit.range.len()).sum();
        let mut out = Vec::with_capacity((body.len() + added).saturating_sub(removed));
        let mut at = 0;
        for edit in edits {
            let wrong = SpliceError { start: edit.range.start, end: edit.range.end };
            out.extend_from_slice(body.get(at..edit.range.start).ok_or(wrong)?);
            // Also refuses a range that ends before it starts.
            body.get(edit.range.clone()).ok_or(wrong)?;
            out.extend_from_slice(&edit.text);
            at = edit.range.end;
        }
        out.extend_from_slice(body.get(at..).unwrap_or_default());
        Ok(out)
    }
}

fn member(key: &str, value: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(key.len() + value.len() + 4);
    super::Writer::new(&mut text).str(key);
    text.push(b':');
    text.extend_from_slice(value.as_bytes());
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Dialect;
    use crate::json::skim::skim;

    fn object(body: &str) -> ObjectSpan {
        skim(Dialect::OpenAiChat, body.as_bytes()).unwrap().object
    }

    fn applied(edits: &Edits, body: &str) -> String {
        String::from_utf8(edits.apply(body.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn members_go_to_either_end() {
        let body = r#"{ "a":1 }"#;
        let mut edits = Edits::default();
        edits.insert_first(object(body), "b", "2");
        edits.insert_last(object(body), "c", "3");
        assert_eq!(applied(&edits, body), r#"{"b":2, "a":1 ,"c":3}"#);
    }

    #[test]
    fn an_empty_object_takes_several_members() {
        let body = "{ }";
        let mut edits = Edits::default();
        edits.insert_last(object(body), "a", "1");
        edits.insert_first(object(body), "b", "2");
        assert_eq!(applied(&edits, body), r#"{ "a":1,"b":2}"#);
    }

    #[test]
    fn overlapping_and_foreign_ranges_are_refused() {
        let mut edits = Edits::default();
        edits.replace(0..3, "x");
        edits.replace(2..4, "y");
        assert!(edits.apply(b"abcdef").is_err());
        let mut edits = Edits::default();
        edits.replace(2..9, "x");
        assert!(edits.apply(b"abc").is_err());
    }

    proptest! {
        #[test]
        fn every_byte_outside_the_edits_stays(
            body in proptest::collection::vec(any::<u8>(), 0..80),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
            texts in proptest::collection::vec("[a-z]{0,5}", 4),
        ) {
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
            at.sort_unstable();
            let mut edits = Edits::default();
            let (mut expected, mut from) = (Vec::new(), 0);
            for (pair, text) in at.chunks_exact(2).zip(&texts) {
                edits.replace(pair[0]..pair[1], text.as_str());
                expected.extend_from_slice(&body[from..pair[0]]);
                expected.extend_from_slice(text.as_bytes());
                from = pair[1];
            }
            expected.extend_from_slice(&body[from..]);
            prop_assert_eq!(edits.apply(&body).unwrap(), expected);
        }

        #[test]
        fn inserted_members_are_there_and_nothing_else_changed(
            keys in proptest::collection::btree_set("[a-z\"\\\\é]{0,4}", 0..5),
            added in proptest::collection::btree_set("[A-Z]{1,3}", 0..4),
            first in any::<bool>(),
        ) {
            let mut tree: serde_json::Map<String, serde_json::Value> =
                keys.into_iter().map(|key| (key, serde_json::json!([1.50, {"x": null}]))).collect();
            let body = serde_json::to_string(&tree).unwrap();
            let mut edits = Edits::default();
            for key in &added {
                if first { edits.insert_first(object(&body), key, "true") } else { edits.insert_last(object(&body), key, "true") }
            }
            let edited = edits.apply(body.as_bytes()).unwrap();
            let read: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&edited).unwrap();
            tree.extend(added.into_iter().map(|key| (key, true.into())));
            prop_assert_eq!(read, tree);
        }
    }
}
