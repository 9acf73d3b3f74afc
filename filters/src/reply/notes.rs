//! Undoes in the answer what the encoding of its request had to change.

mod unwrap;

use std::collections::BTreeSet;

use crate::ir::stream::{BlockStart, Delta, Sink};
use crate::ir::{Block, BlockKind, Event, ReplyNotes, Response, StopReason, ToolUseKind};
use crate::json::Str;
use crate::repair::shell;
use unwrap::Unwrap;

/// Bytes of a call that are held back until its command can be mended; a longer one passes as it is.
const SHELL_BYTES_MAX: usize = 64 * 1024;

/// Stands between decoder and encoder of one answer.
#[derive(Debug, Default)]
pub struct Undo {
    notes: ReplyNotes,
    /// Open calls of wrapped custom tools, by block.
    wrapped: Vec<(u32, Unwrap)>,
    /// Input so far of open calls whose command may need mending, by block.
    shells: Vec<(u32, String)>,
    /// Blocks that are the JSON tool's call.
    json: BTreeSet<u32>,
    /// Choices with a call that the client made possible itself.
    calling: BTreeSet<u32>,
}

impl Undo {
    /// Undoes `notes`.
    pub fn new(notes: ReplyNotes) -> Self {
        Undo { notes, ..Undo::default() }
    }

    /// Passes a guarded event on in the client's terms; the shape stays.
    pub fn push(&mut self, event: Event<'_>, sink: &mut Sink<'_>) {
        if self.is_idle() {
            return sink(event);
        }
        match event {
            Event::BlockStart { index, choice, block: BlockStart::ToolUse { id, name, kind } } => {
                if self.is_json_tool(&name) {
                    self.json.insert(index);
                    return sink(Event::BlockStart { index, choice, block: BlockStart::Text });
                }
                self.calling.insert(choice);
                let kind = if self.is_wrapped(&name) {
                    self.wrapped.push((index, Unwrap::default()));
                    ToolUseKind::Custom
                } else {
                    kind
                };
                let name = Str::from(self.client_name(&name).to_owned());
                if self.is_shell(&name) {
                    self.shells.push((index, String::new()));
                }
                sink(Event::BlockStart { index, choice, block: BlockStart::ToolUse { id, name, kind } });
            }
            Event::Delta { index, delta: Delta::Input(text) } => self.input(index, text, sink),
            Event::BlockStop { index } => {
                if let Some(at) = self.wrapped.iter().position(|(open, _)| *open == index) {
                    let mut rest = String::new();
                    self.wrapped.swap_remove(at).1.finish(&mut rest);
                    give_input(index, rest, sink);
                }
                if let Some(at) = self.shells.iter().position(|(open, _)| *open == index) {
                    let input = self.shells.swap_remove(at).1;
                    give_input(index, shell::mended(&input).unwrap_or(input), sink);
                }
                sink(Event::BlockStop { index });
            }
            Event::Finish { choice, stop, stop_sequence, note } => {
                let stop = self.stop(stop, self.calling.contains(&choice));
                sink(Event::Finish { choice, stop, stop_sequence, note });
            }
            other => sink(other),
        }
    }

    /// The same for a whole answer.
    pub fn response(&self, response: &mut Response<'_>) {
        if self.is_idle() {
            return;
        }
        for choice in &mut response.choices {
            let mut calls = false;
            for block in &mut choice.blocks {
                calls |= self.block(block);
            }
            let stop = self.stop(choice.stop, calls);
            if stop != choice.stop {
                choice.stop = stop;
                choice.stop_raw = None;
            }
        }
    }

    /// Undoes one block, and tells whether it is a call that the client sees.
    fn block(&self, block: &mut Block<'_>) -> bool {
        let BlockKind::ToolUse(call) = &mut block.kind else { return false };
        if self.is_json_tool(&call.name) {
            let text = std::mem::take(&mut call.input);
            block.kind = BlockKind::Text { text, citations: None };
            return false;
        }
        if self.is_wrapped(&call.name) {
            let (mut unwrap, mut text) = (Unwrap::default(), String::new());
            unwrap.push(&call.input, &mut text);
            unwrap.finish(&mut text);
            call.input = Str::from(text);
            call.kind = ToolUseKind::Custom;
        }
        call.name = Str::from(self.client_name(&call.name).to_owned());
        if self.is_shell(&call.name)
            && let Some(mended) = shell::mended(&call.input)
        {
            call.input = Str::from(mended);
        }
        true
    }

    fn input(&mut self, index: u32, text: Str<'_>, sink: &mut Sink<'_>) {
        if self.json.contains(&index) {
            return sink(Event::Delta { index, delta: Delta::Text(text) });
        }
        if let Some(at) = self.shells.iter().position(|(open, _)| *open == index) {
            let Some((_, held)) = self.shells.get_mut(at) else { return };
            held.push_str(&text);
            if held.len() > SHELL_BYTES_MAX {
                let held = self.shells.swap_remove(at).1;
                give_input(index, held, sink);
            }
            return;
        }
        match self.wrapped.iter_mut().find(|(open, _)| *open == index) {
            Some((_, unwrap)) => {
                let mut plain = String::new();
                unwrap.push(&text, &mut plain);
                give_input(index, plain, sink);
            }
            None => sink(Event::Delta { index, delta: Delta::Input(text) }),
        }
    }

    /// The forced call was the answer itself: to the client nothing was called.
    fn stop(&self, stop: StopReason, calls: bool) -> StopReason {
        let is_own_call = stop == StopReason::ToolUse && !calls && self.notes.json_tool.is_some();
        if is_own_call { StopReason::EndTurn } else { stop }
    }

    fn is_idle(&self) -> bool {
        let ReplyNotes { tool_names, wrapped_custom, json_tool, shell_commands } = &self.notes;
        tool_names.is_empty() && wrapped_custom.is_empty() && json_tool.is_none() && shell_commands.is_empty()
    }

    fn is_shell(&self, name: &str) -> bool {
        self.notes.shell_commands.iter().any(|shell| shell == name)
    }

    fn is_json_tool(&self, name: &str) -> bool {
        self.notes.json_tool.as_deref() == Some(name)
    }

    fn is_wrapped(&self, name: &str) -> bool {
        self.notes.wrapped_custom.iter().any(|sent| sent == name)
    }

    /// The client's own name of a tool.
    fn client_name<'n>(&'n self, sent: &'n str) -> &'n str {
        self.notes.tool_names.iter().find(|(as_sent, _)| as_sent == sent).map_or(sent, |(_, own)| own)
    }
}

fn give_input(index: u32, text: String, sink: &mut Sink<'_>) {
    if !text.is_empty() {
        sink(Event::Delta { index, delta: Delta::Input(Str::from(text)) });
    }
}

#[cfg(test)]
mod tests;
