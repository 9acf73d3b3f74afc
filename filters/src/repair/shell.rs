//! Shell commands that a tool wants as a list of words, and that the model wrote as one string.
//!
//! Models that were not trained on such a tool (Codex's `shell`) often write `{"command":"ls -la"}` where the schema says
//! that `command` is a list. The client then refuses the call. A string that is a list in JSON is taken out of its quotes;
//! any other is given to a shell, which reads it as the model meant it: `["bash","-lc","ls -la"]`.

use serde_json::value::RawValue;

use crate::ir::{Tool, ToolKind};
use crate::json::{Raw, Str, Writer};
use crate::wire_object;

/// Members in which tools take their command.
const COMMANDS: [&str; 2] = ["command", "cmd"];

/// What reads a command that is one string.
const SHELL: [&str; 2] = ["bash", "-lc"];

/// Tools looked at; more are not repaired.
const TOOLS_MAX: usize = 1_024;

wire_object! {
    struct Schema<'a> {
        properties: Raw<'a> = "properties",
    }
}

wire_object! {
    struct Commands<'a> {
        command: Property<'a> = "command",
        cmd: Property<'a> = "cmd",
    }
}

wire_object! {
    struct Property<'a> {
        kind: Raw<'a> = "type",
        items: Raw<'a> = "items",
    }
}

wire_object! {
    struct Element<'a> {
        kind: Raw<'a> = "type",
    }
}

wire_object! {
    struct Arguments<'a> {
        command: Raw<'a> = "command",
        cmd: Raw<'a> = "cmd",
    }
}

/// The names of those functions whose schema wants a command as a list of strings.
pub fn wanting(tools: &[Tool<'_>]) -> Vec<String> {
    let wants = |tool: &&Tool<'_>| match &tool.kind {
        ToolKind::Function { parameters: Some(schema) } => wants_words(schema),
        _ => false,
    };
    tools.iter().take(TOOLS_MAX).filter(wants).map(|tool| tool.name.as_str().to_owned()).collect()
}

fn wants_words(schema: &Raw<'_>) -> bool {
    // Most schemas have no such word anywhere.
    if !COMMANDS.iter().any(|name| schema.get().contains(name)) {
        return false;
    }
    let properties = schema.read::<Schema<'_>>().and_then(|schema| schema.properties);
    let commands = properties.as_ref().and_then(Raw::read::<Commands<'_>>).unwrap_or_default();
    [commands.command, commands.cmd].into_iter().flatten().any(|property| {
        let element = property.items.as_ref().and_then(Raw::read::<Element<'_>>).unwrap_or_default();
        is(property.kind.as_ref(), "\"array\"") && is(element.kind.as_ref(), "\"string\"")
    })
}

fn is(kind: Option<&Raw<'_>>, word: &str) -> bool {
    kind.is_some_and(|kind| kind.get() == word)
}

/// The arguments of a call of such a function with its command as a list; `None` where nothing is to be mended.
pub fn mended(arguments: &str) -> Option<String> {
    let wire: Arguments<'_> = serde_json::from_str(arguments).ok()?;
    let given = [wire.command.as_ref(), wire.cmd.as_ref()];
    if !given.iter().flatten().any(|value| value.is_string()) {
        return None;
    }
    let mut out = Vec::new();
    Writer::new(&mut out).object(|w| {
        for (key, value) in COMMANDS.into_iter().zip(given) {
            let Some(value) = value else { continue };
            match value.read::<Str<'_>>() {
                Some(text) => write_words(w.key(key), &text),
                None => w.key(key).raw(value),
            }
        }
        w.extra(&wire.rest);
    });
    String::from_utf8(out).ok()
}

fn write_words(w: &mut Writer<'_>, text: &str) {
    if serde_json::from_str::<Vec<Str<'_>>>(text).is_ok_and(|words| !words.is_empty())
        && let Ok(list) = serde_json::from_str::<&RawValue>(text)
    {
        return w.written(list.get().as_bytes());
    }
    w.array(|w| SHELL.into_iter().chain([text]).for_each(|word| w.str(word)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Extra;

    fn tool(parameters: &str) -> Tool<'_> {
        Tool {
            name: Str::from("shell"),
            description: None,
            strict: None,
            kind: ToolKind::Function { parameters: Raw::parse(parameters) },
            cache: None,
            extra: Extra::default(),
            form: 0,
        }
    }

    #[test]
    fn only_lists_of_strings_are_wanted() {
        let wants = |schema: &str| !wanting(&[tool(schema)]).is_empty();
        assert!(wants(r#"{"type":"object","properties":{"command":{"type":"array","items":{"type":"string"}}}}"#));
        assert!(wants(r#"{"properties":{"cmd":{"items":{"type":"string"},"type":"array"},"cwd":{"type":"string"}}}"#));
        assert!(!wants(r#"{"properties":{"command":{"type":"string"}}}"#));
        assert!(!wants(r#"{"properties":{"command":{"type":"array","items":{"type":"object"}}}}"#));
        assert!(!wants(r#"{"properties":{"words":{"type":"array","items":{"type":"string"}}}}"#));
        assert!(!wants("7"));
    }

    #[test]
    fn a_string_becomes_a_list() {
        let plain = mended(r#"{"timeout_ms":1.0,"command":"ls | wc"}"#).unwrap();
        assert_eq!(plain, r#"{"command":["bash","-lc","ls | wc"],"timeout_ms":1.0}"#);
        assert_eq!(mended(r#"{"cmd":"[\"ls\", \"-a\"]"}"#).unwrap(), r#"{"cmd":["ls", "-a"]}"#);
        assert_eq!(mended(r#"{"command":"[]"}"#).unwrap(), r#"{"command":["bash","-lc","[]"]}"#);
    }

    #[test]
    fn what_is_right_or_cannot_be_read_stays() {
        for arguments in [r#"{"command":["ls"]}"#, "{}", "", r#"{"command":"ls"#, "[]", r#"{"command":null}"#] {
            assert_eq!(mended(arguments), None, "{arguments}");
        }
    }
}
