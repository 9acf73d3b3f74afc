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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;
    use crate::dialects::{Encoded, Target};
    use crate::json::{Extra, Raw};

    #[test]
    fn wire_053_a_search_is_said_once_and_other_hosted_tools_are_losses() {
        let tool = |name: &'static str, raw: &'static str| Tool {
            name: name.into(),
            description: None,
            strict: None,
            kind: ToolKind::Hosted { raw: Raw::parse(raw).unwrap() },
            cache: None,
            extra: Extra::default(),
            form: 0,
        };
        // The one reader that is this folder's own reads tools of compatible servers: they stand for other dialects'.
        let mut request = Request::new(Dialect::OpenAiChat, "m".into());
        request.tools = vec![
            tool("code_interpreter", "{}"),
            tool("web_search", r#"{"search_context_size":"low","max_uses":2,"filters":{"allowed_domains":["a.xyz"]}}"#),
            tool("web_search_preview", "{}"),
        ];
        let target = Target::new("m", false);
        let mut cx = Context {
            target: &target,
            own: false,
            list: "input[]",
            origin: Dialect::OpenAiResponses,
            encoded: Encoded::default(),
        };
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.object(|w| write(w, &request, &mut cx));
        assert_eq!(out, br#"{"web_search_options":{"search_context_size":"low"}}"#);
        let losses: Vec<&str> = cx.encoded.losses.iter().map(|loss| &*loss.field).collect();
        assert_eq!(
            losses,
            [
                "tools[].code_interpreter",
                "tools[].web_search.max_uses",
                "tools[].web_search.allowed_domains",
                "tools[].web_search_preview"
            ]
        );
    }
}
