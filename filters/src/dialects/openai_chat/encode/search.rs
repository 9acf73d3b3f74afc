//! Another dialect's search of the web, in Chat's words.

use super::Context;
use crate::dialects::openai_chat::notes::write_web_search;
use crate::dialects::read_web_search;
use crate::ir::{LossKind, Request, Tool, ToolKind};
use crate::json::Writer;

/// Whether `tool` is run by the provider.
pub(super) fn is_hosted(tool: &Tool<'_>) -> bool {
    matches!(tool.kind, ToolKind::Hosted { .. })
}

/// Writes the first search of the web among the tools of another dialect, and records what of them Chat cannot say. No
/// other tool that a provider runs itself reaches Chat.
pub(super) fn write(w: &mut Writer<'_>, request: &Request<'_>, cx: &mut Context<'_>) {
    let mut written = false;
    for tool in request.tools.iter().filter(|tool| is_hosted(tool)) {
        let search = read_web_search(request.origin, tool)
            .filter(|_| !written && cx.target.profile.chat_web_search != Some(false));
        let Some(search) = search else {
            cx.encoded.losses.add(format!("tools[].{}", tool.name), LossKind::Dropped);
            continue;
        };
        written = true;
        write_web_search(w, &search);
        for (member, lost) in [
            ("max_uses", search.uses_max.is_some()),
            ("allowed_domains", !search.allowed_domains.is_empty()),
            ("blocked_domains", !search.blocked_domains.is_empty()),
        ] {
            if lost {
                cx.encoded.losses.add(format!("tools[].{}.{member}", tool.name), LossKind::Dropped);
            }
        }
    }
}
