//! Where each key and value of a YAML text stands.
//!
//! `serde_yaml` reads the values, but tells no places of them. A second, event-based reader gives the places; it runs
//! only when there is something to say. Aliases have no places below them: what is wrong there is shown at the alias.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, Span};

use super::report::{Part, Step};

/// A piece of text, from its first character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
    /// Length in characters.
    pub(crate) chars: usize,
    /// Whether it is one scalar, not a list or a map.
    pub(crate) scalar: bool,
}

/// All places of a text. A text that this reader cannot read has none, or those before the fault.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    value: Place,
    /// Of the key that this is the value of.
    key: Option<Place>,
    children: Children,
}

#[derive(Debug)]
enum Children {
    None,
    Items(Vec<usize>),
    Keys(HashMap<String, usize>),
}

/// An open list or map, and the key that waits for its value.
struct Open {
    node: usize,
    key: Option<(String, Place)>,
}

impl Spans {
    pub(crate) fn of(text: &str) -> Self {
        let mut spans = Spans::default();
        let mut open: Vec<Open> = Vec::new();
        for event in Parser::new_from_str(text) {
            let Ok((event, span)) = event else { break };
            match event {
                Event::Scalar(word, ..) => spans.scalar(&mut open, &word, span),
                Event::Alias(_) => spans.scalar(&mut open, "", span),
                Event::SequenceStart(..) => {
                    let node = spans.add(&mut open, place(span, false), Children::Items(Vec::new()));
                    open.push(Open { node, key: None });
                }
                Event::MappingStart(..) => {
                    let node = spans.add(&mut open, place(span, false), Children::Keys(HashMap::new()));
                    open.push(Open { node, key: None });
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                }
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
            }
        }
        spans
    }

    /// The place of `path`, or of the nearest thing around it that has one.
    pub(crate) fn find(&self, path: &[Step], part: Part) -> Option<Place> {
        let mut node = self.nodes.first()?;
        for step in path {
            let next = match (&node.children, step) {
                (Children::Keys(keys), Step::Key(key)) => keys.get(key),
                (Children::Items(items), Step::Index(index)) => items.get(*index),
                _ => None,
            };
            // One value may stand where a list could: it is the first item then.
            if node.value.scalar && *step == Step::Index(0) {
                continue;
            }
            let Some(child) = next.and_then(|index| self.nodes.get(*index)) else {
                return Some(node.key.unwrap_or(node.value));
            };
            node = child;
        }
        Some(match (part, node.value.scalar) {
            // A key shows better than the many lines of its value, and than a value that is not there.
            (Part::Key, _) | (_, false) => node.key.unwrap_or(node.value),
            (_, true) if node.value.chars == 0 => node.key.unwrap_or(node.value),
            (_, true) => node.value,
        })
    }

    fn scalar(&mut self, open: &mut [Open], word: &str, span: Span) {
        let awaits_key = open.last().is_some_and(|top| {
            top.key.is_none() && self.nodes.get(top.node).is_some_and(|node| matches!(node.children, Children::Keys(_)))
        });
        match open.last_mut() {
            Some(top) if awaits_key => top.key = Some((word.to_owned(), place(span, true))),
            _ => {
                self.add(open, place(span, true), Children::None);
            }
        }
    }

    /// Adds a node to the open list or map. A list or map as a key has no name; its entry is filed under none.
    fn add(&mut self, open: &mut [Open], value: Place, children: Children) -> usize {
        let index = self.nodes.len();
        let mut key = None;
        if let Some(top) = open.last_mut()
            && let Some(parent) = self.nodes.get_mut(top.node)
        {
            match &mut parent.children {
                Children::Items(items) => items.push(index),
                Children::Keys(keys) => match top.key.take() {
                    Some((name, place)) => {
                        key = Some(place);
                        keys.insert(name, index);
                    }
                    None => top.key = Some((String::new(), value)),
                },
                Children::None => {}
            }
        }
        self.nodes.push(Node { value, key, children });
        index
    }
}

fn place(span: Span, scalar: bool) -> Place {
    let chars = span.end.index().saturating_sub(span.start.index());
    Place { line: span.start.line(), column: span.start.col() + 1, chars, scalar }
}
