//! Tools in namespaces, by one flat name each.
//!
//! Other dialects know tools by one name. A tool of a namespace goes there by its own name where no other tool has that,
//! else as `namespace__name`. The way back is found in the client's request, so that nothing must be kept meanwhile.
//!
//! What this dialect's own provider calls in a namespace is named `namespace__name` in an answer: who reads it knows no
//! request.

use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;

use super::wire::{Content, ToolsWire};
use crate::json::{Raw, Str};

/// What stands between the namespace and the name.
const BETWEEN: &str = "__";

/// Items that add tools.
const ADDING: [&str; 2] = ["additional_tools", "tool_search_output"];

/// The namespaces that a request declares.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    /// By namespace and name: the flat name.
    flat: HashMap<(String, String), String>,
    /// By every name that an answer may have: namespace and name.
    known: HashMap<String, (String, String)>,
}

/// The name of a call in an answer, where the client's request is not known. A tool that is loaded late is called in a
/// namespace of its own name.
pub(super) fn of_answer<'a>(namespace: &str, name: Str<'a>) -> Str<'a> {
    if name == *namespace { name } else { Str::from(joined(namespace, &name)) }
}

/// Two names as one.
fn joined(namespace: &str, name: &str) -> String {
    format!("{namespace}{BETWEEN}{name}")
}

impl Namespaces {
    /// The namespaces among `tools` and among the tools that items of `input` add.
    pub(super) fn new<'a>(tools: &[&'a RawValue], input: &[&'a RawValue]) -> Self {
        let mut found = Namespaces::default();
        let lists = |value: &&'a RawValue| read(value);
        let mut all: Vec<ToolsWire<'a>> = tools.iter().filter_map(lists).collect();
        for item in input.iter().filter_map(|item| adds_tools(item)) {
            all.extend(item.iter().filter_map(lists));
        }
        let alone = |tool: &&ToolsWire<'_>| !is_namespace(tool);
        let plain: HashSet<String> = all
            .iter()
            .filter(alone)
            .filter_map(|tool| tool.name.as_ref())
            .map(|name| name.as_str().to_owned())
            .collect();
        let mut members: Vec<(String, String)> = Vec::new();
        for namespace in all.iter().filter(|tool| is_namespace(tool)) {
            let Some(name) = &namespace.name else { continue };
            let tools = namespace.tools.iter().flatten().filter_map(lists).filter_map(|tool| tool.name);
            members.extend(tools.map(|tool| (name.as_str().to_owned(), tool.as_str().to_owned())));
        }
        found.name(&members, &plain);
        for tool in all.iter().filter(alone).filter(|tool| tool.defer_loading == Some(true)) {
            if let Some(name) = &tool.name {
                let pair = (name.as_str().to_owned(), name.as_str().to_owned());
                found.known.entry(pair.1.clone()).or_insert(pair);
            }
        }
        found
    }

    /// The namespaces of a request body.
    pub(super) fn of(tools: Option<&Raw<'_>>, input: Option<&Raw<'_>>) -> Self {
        let tools: Vec<&RawValue> = tools.and_then(Raw::read).unwrap_or_default();
        let input = input.filter(|input| may_add_tools(input.get()));
        let input: Vec<&RawValue> = match input.and_then(Raw::read::<Content<'_>>) {
            Some(Content::List(list)) => list,
            _ => Vec::new(),
        };
        Namespaces::new(&tools, &input)
    }

    fn name(&mut self, members: &[(String, String)], plain: &HashSet<String>) {
        let mut uses: HashMap<&str, usize> = HashMap::new();
        for (_, name) in members {
            *uses.entry(name).or_default() += 1;
        }
        let mut tried = 0_usize;
        for pair in members {
            let (namespace, name) = pair;
            if self.flat.contains_key(pair) {
                continue;
            }
            let only = uses.get(name.as_str()) == Some(&1) && !plain.contains(name);
            let mut flat = if only { name.clone() } else { joined(namespace, name) };
            // Ends soon: no number is tried twice, so every round but the last meets another name that is taken.
            while plain.contains(&flat) || self.known.contains_key(&flat) {
                flat = format!("{}_{tried}", joined(namespace, name));
                tried += 1;
            }
            self.known.insert(flat.clone(), pair.clone());
            self.flat.insert(pair.clone(), flat);
        }
        for pair in members {
            self.known.entry(joined(&pair.0, &pair.1)).or_insert_with(|| pair.clone());
        }
    }

    /// The flat name of `name` in `namespace`.
    pub(super) fn flat(&self, namespace: &str, name: &str) -> String {
        let key = (namespace.to_owned(), name.to_owned());
        match self.flat.get(&key) {
            Some(flat) => flat.clone(),
            None => of_answer(namespace, Str::from(name)).as_str().to_owned(),
        }
    }

    /// The namespace and the name behind a name of an answer; `None` for a tool without a namespace.
    pub(super) fn of_call(&self, name: &str) -> Option<(&str, &str)> {
        self.known.get(name).map(|(namespace, name)| (namespace.as_str(), name.as_str()))
    }
}

/// Whether an item of `input` may add tools: tells the many bodies that need not be searched.
pub(super) fn may_add_tools(input: &str) -> bool {
    ADDING.iter().any(|kind| memchr::memmem::find(input.as_bytes(), kind.as_bytes()).is_some())
}

/// The tools that an item adds to the conversation: `additional_tools`, `tool_search_output`.
pub(super) fn adds_tools(item: &RawValue) -> Option<Vec<&RawValue>> {
    let wire = read(item)?;
    let kind = wire.kind.as_ref()?.read::<Str<'_>>()?.into_owned();
    wire.tools.filter(|_| ADDING.contains(&kind.as_str()))
}

/// The tools of a `namespace`, with its name.
pub(super) fn tools_of_namespace(tool: &RawValue) -> Option<(Str<'_>, Vec<&RawValue>)> {
    let wire = read(tool).filter(is_namespace)?;
    Some((wire.name?, wire.tools?))
}

fn is_namespace(tool: &ToolsWire<'_>) -> bool {
    tool.kind.as_ref().and_then(Raw::read::<Str<'_>>).is_some_and(|kind| kind == "namespace")
}

fn read(value: &RawValue) -> Option<ToolsWire<'_>> {
    serde_json::from_str(value.get()).ok()
}
