//! Freeform tools where the provider has functions alone: one string `input` stands for the text.

use std::borrow::Cow;

use crate::json::Raw;

/// What the function that wraps a freeform tool says of itself: the tool's own words, and how the text is formed, since
/// no member of the function can enforce it.
pub(super) fn description<'r>(own: Option<Cow<'r, str>>, format: Option<&Raw<'_>>) -> Option<Cow<'r, str>> {
    let Some(format) = format else { return own };
    let head = own.map_or_else(String::new, |text| format!("{text}\n\n"));
    Some(format!("{head}`input` is plain text, no JSON. It must follow this format: {}", format.get()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_054_the_grammar_of_a_wrapped_tool_is_told_in_words() {
        let grammar = Raw::parse(r#"{"type":"grammar","syntax":"lark","definition":"start: \"a\""}"#).unwrap();
        let said = description(Some("Edits files.".into()), Some(&grammar)).unwrap();
        assert!(said.starts_with("Edits files.\n\n`input` is plain text"), "{said}");
        assert!(said.ends_with(grammar.get()), "{said}");
        assert!(description(None, Some(&grammar)).unwrap().starts_with("`input`"));
        assert_eq!(description(Some("x".into()), None).as_deref(), Some("x"));
        assert_eq!(description(None, None), None);
    }
}
