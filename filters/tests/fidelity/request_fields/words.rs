//! Who speaks, and in what order.

use interlingua_filters::ir::{Request, Role};

use super::{Field, field, texts};

pub(super) const FIELDS: &[Field] = &[
    field(
        "system text",
        [
            Some(r#"{"messages":[{"role":"system","content":"be brief"},{"role":"user","content":"hi"}]}"#),
            Some(r#"{"instructions":"be brief"}"#),
            Some(r#"{"system":"be brief"}"#),
            Some(r#"{"systemInstruction":{"parts":[{"text":"be brief"}]}}"#),
        ],
        system,
    ),
    field(
        "system text in several parts",
        [
            Some(
                r#"{"messages":[{"role":"system","content":"be brief"},{"role":"developer","content":"and kind"},{"role":"user","content":"hi"}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"developer","content":"be brief"},{"role":"developer","content":"and kind"},{"role":"user","content":"hi"}]}"#,
            ),
            Some(r#"{"system":[{"type":"text","text":"be brief"},{"type":"text","text":"and kind"}]}"#),
            Some(r#"{"systemInstruction":{"parts":[{"text":"be brief"},{"text":"and kind"}]}}"#),
        ],
        system,
    ),
    field(
        "several turns",
        [
            Some(
                r#"{"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":"three"}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":"three"}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":"three"}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"text":"one"}]},{"role":"model","parts":[{"text":"two"}]},{"role":"user","parts":[{"text":"three"}]}]}"#,
            ),
        ],
        |request| texts(request, &[Role::User, Role::Assistant]),
    ),
    field(
        "answer begun by the client",
        [
            Some(r#"{"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"}]}"#),
            Some(r#"{"input":[{"role":"user","content":"one"},{"role":"assistant","content":"two"}]}"#),
            Some(r#"{"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"}]}"#),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"text":"one"}]},{"role":"model","parts":[{"text":"two"}]}]}"#,
            ),
        ],
        prefill,
    ),
    field(
        "name of the speaker",
        [Some(r#"{"messages":[{"role":"user","name":"ada","content":"hi"}]}"#), None, None, None],
        speaker,
    ),
    field(
        "developer's text",
        [
            Some(r#"{"messages":[{"role":"developer","content":"be brief"},{"role":"user","content":"hi"}]}"#),
            Some(r#"{"input":[{"role":"developer","content":"be brief"},{"role":"user","content":"hi"}]}"#),
            None,
            None,
        ],
        system,
    ),
    field(
        "system text in the middle",
        [
            Some(
                r#"{"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"system","content":"be brief"},{"role":"user","content":"three"}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"system","content":"be brief"},{"role":"user","content":"three"}]}"#,
            ),
            None,
            None,
        ],
        system,
    ),
];

fn system(request: &Request<'_>) -> Option<String> {
    texts(request, &[Role::System, Role::Developer])
}

fn prefill(request: &Request<'_>) -> Option<String> {
    let last = request.turns.last()?;
    (last.role == Role::Assistant).then(|| texts(request, &[Role::Assistant]))?
}

fn speaker(request: &Request<'_>) -> Option<String> {
    request.turns.iter().find_map(|turn| turn.name.as_deref().map(str::to_owned))
}
