use super::*;
use serde_json::json;

fn png() -> Media {
    Media::Inline { mime: "image/png".into(), bytes: b"\x89PNG".to_vec() }
}

#[test]
fn the_same_conversation_is_seen_alike_in_every_dialect() {
    let schema = json!({"type": "object"});
    let bodies = [
        (
            Dialect::Chat,
            json!({"model": "m", "stream": true, "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "hi"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}]},
                    {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                    {"role": "tool", "tool_call_id": "c", "content": "42"}]}),
        ),
        (
            Dialect::Responses,
            json!({"model": "m", "stream": true, "tools": [{"type": "function", "name": "f", "parameters": schema}],
                "input": [
                    {"role": "user", "content": [{"type": "input_text", "text": "hi"},
                        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw=="}]},
                    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                    {"type": "function_call_output", "call_id": "c", "output": "42"}]}),
        ),
        (
            Dialect::Anthropic,
            json!({"model": "m", "stream": true, "tools": [{"name": "f", "input_schema": schema}],
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "hi"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}}]},
                    {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "42"}]}]}),
        ),
        (
            Dialect::Gemini,
            json!({"tools": [{"function_declarations": [{"name": "f", "parametersJsonSchema": schema}]}],
                "contents": [
                    {"role": "user", "parts": [{"text": "hi"}, {"inlineData": {"mimeType": "image/png", "data": "iVBORw"}}]},
                    {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
                    {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "42"}}}]}]}),
        ),
    ];
    for (dialect, body) in bodies {
        let view = View::read(dialect, &body);
        assert_eq!(view.user_text, "hi", "{dialect:?}");
        assert_eq!(view.tools, [Tool { name: "f".into(), schema: schema.clone() }]);
        assert_eq!(view.media, Some(png()), "{dialect:?}");
        assert_eq!(view.results.len(), 1, "{dialect:?}");
        assert!(view.results[0].contains("42"));
        assert!(view.prompt_tokens() > 200, "{dialect:?}");
    }
}

#[test]
fn cache_marks_do_not_change_the_prefix() {
    let body = |marked: bool| {
        let mut block = json!({"type": "text", "text": "hi"});
        if marked {
            block["cache_control"] = json!({"type": "ephemeral", "ttl": "1h"});
        }
        View::read(Dialect::Anthropic, &json!({"system": [block], "messages": []})).prompt[0]
    };
    assert_eq!(body(true).digest, body(false).digest);
    assert_eq!((body(true).mark, body(false).mark), (Some(true), None));
}
