//! Calls of tools.

use super::{Open, State};
use crate::dialects::openai_responses::echo::written;
use crate::dialects::openai_responses::response::call_item;
use crate::ir::{ToolUse, ToolUseKind};

impl State {
    pub(super) fn input(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let Open::Call { id, call, mut input } = std::mem::replace(&mut self.open, Open::Nothing) else { return };
        self.emit_item(out, input_event(call.kind, false), &id, |w| w.key("delta").str(text));
        input.push_str(text);
        self.bytes = self.bytes.saturating_add(text.len());
        self.open = Open::Call { id, call, input };
    }

    pub(super) fn stop_call(&mut self, id: &str, call: &ToolUse<'_>, mut input: String, out: &mut Vec<u8>) {
        if call.kind == ToolUseKind::Function && input.trim().is_empty() {
            input.clear();
            input.push_str("{}");
            self.emit_item(out, input_event(call.kind, false), id, |w| w.key("delta").str(&input));
        }
        let key = if call.kind == ToolUseKind::Function { "arguments" } else { "input" };
        let name = self.frame.names.of_call(&call.name).map_or(call.name.as_str(), |(_, name)| name).to_owned();
        self.emit_item(out, input_event(call.kind, true), id, |w| {
            if call.kind == ToolUseKind::Function {
                w.key("name").str(&name);
            }
            w.key(key).str(&input);
        });
        let item = written(|w| call_item(w, id, call, &self.frame.names, &input, "completed"));
        self.done(out, item);
    }
}

fn input_event(kind: ToolUseKind, done: bool) -> &'static str {
    match (kind, done) {
        (ToolUseKind::Function, false) => "response.function_call_arguments.delta",
        (ToolUseKind::Function, true) => "response.function_call_arguments.done",
        (ToolUseKind::Custom, false) => "response.custom_tool_call_input.delta",
        (ToolUseKind::Custom, true) => "response.custom_tool_call_input.done",
    }
}
