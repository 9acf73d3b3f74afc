use super::*;

fn base() -> Value {
    json!({
        "model": "gpt-4o", "temperature": 1.5,
        "tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "object",
            "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false}}}],
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "call_2", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "call_2", "content": "2"},
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "1"}]},
        ],
    })
}

#[track_caller]
fn case(changes: &[(&str, Value)], fragment: &str) -> Refusal {
    refused(Dialect::Chat, &changed(&base(), changes), &Setting::default(), fragment)
}

#[track_caller]
fn fine(changes: &[(&str, Value)]) {
    passes(Dialect::Chat, &changed(&base(), changes), &Setting::default());
}

#[test]
fn a_valid_request_passes() {
    fine(&[]);
    fine(&[("/messages", json!([{"role": "user", "content": ""}]))]);
}

#[test]
fn required_and_unknown_members() {
    case(&[("/model", json!(null))], "you must provide a model parameter");
    assert_eq!(
        case(&[("/messages", json!(null))], "Missing required parameter: 'messages'.").param.as_deref(),
        Some("messages")
    );
    case(&[("/messages", json!([]))], "empty array");
    case(&[("/messages", json!("hi"))], "Invalid type for 'messages'");
    case(&[("/max_output_tokens", json!(1))], "Unrecognized request argument supplied: max_output_tokens");
    case(&[("/stream_options", json!({"include_usage": true}))], "only allowed when 'stream' is enabled");
}

#[test]
fn numbers_have_bounds() {
    case(&[("/temperature", json!(2.5))], "Expected a value <= 2, but got 2.5");
    case(&[("/temperature", json!("1"))], "Invalid type for 'temperature'");
    case(&[("/top_p", json!(-0.5))], "Expected a value >= 0");
    case(&[("/frequency_penalty", json!(3))], "'frequency_penalty'");
    case(&[("/max_tokens", json!(0))], "integer below minimum value");
    case(&[("/stop", json!(["a", "b", "c", "d", "e"]))], "maximum length 4");
}

#[test]
fn wire_123_and_157_reasoning_models_refuse_sampling_max_tokens_and_stop() {
    let gpt5 = ("/model", json!("gpt-5-mini"));
    let plain = ("/temperature", json!(null));
    fine(&[gpt5.clone(), plain.clone(), ("/max_completion_tokens", json!(9))]);
    fine(&[gpt5.clone(), ("/reasoning_effort", json!("none"))]);
    case(&[gpt5.clone(), plain.clone(), ("/max_tokens", json!(9))], "Use 'max_completion_tokens' instead.");
    case(std::slice::from_ref(&gpt5), "'temperature' does not support 1.5");
    case(&[gpt5.clone(), plain.clone(), ("/stop", json!("x"))], "'stop' is not supported");
    case(&[gpt5, plain.clone(), ("/logprobs", json!(true))], "'logprobs' is not supported");
    fine(&[("/model", json!("o3-mini")), plain, ("/stop", json!("x"))]);
}

#[test]
fn tools_and_their_schemas() {
    let name = "/tools/0/function/name";
    case(&[("/tools/0/type", json!("web"))], "Supported values are: 'function' and 'custom'");
    case(&[("/tools/0/type", json!(null))], "tools[0].type");
    case(&[("/tools/0/function", json!(null))], "tools[0].function");
    case(&[("/tools", json!([]))], "empty array");
    case(&[(name, json!("a.b"))], "^[a-zA-Z0-9_-]+$");
    case(&[(name, json!("x".repeat(65)))], "maximum length 64");
    let parameters = "/tools/0/function/parameters";
    case(&[(parameters, json!([]))], "expected an object");
    case(&[(parameters, json!({"type": "array"}))], "schema must be a JSON Schema of 'type: \"object\"'");
    case(&[("/tools/0/function/parameters/additionalProperties", json!(true))], "'additionalProperties' is required");
    case(&[("/tools/0/function/parameters/required", json!([]))], "Missing 'a'");
    case(&[("/tools/0/function/parameters/properties/a", json!({"type": "array"}))], "array schema missing items");
}

#[test]
fn wire_122_tool_options_need_tools() {
    case(&[("/tools", json!(null)), ("/tool_choice", json!("auto"))], "'tool_choice' is only allowed when 'tools'");
    case(&[("/tools", json!(null)), ("/parallel_tool_calls", json!(true))], "'parallel_tool_calls' is only allowed");
    case(&[("/tool_choice", json!("any"))], "Supported values are: 'none', 'auto', and 'required'");
    case(&[("/tool_choice", json!({"type": "function", "function": {"name": "g"}}))], "'g' not found");
}

#[test]
fn structured_answers() {
    case(&[("/response_format", json!({"type": "json_object"}))], "must contain the word 'json'");
    case(&[("/response_format", json!({"type": "xml"}))], "'json_object', 'json_schema', and 'text'");
    let format = |schema: Value| ("/response_format", json!({"type": "json_schema", "json_schema": schema}));
    case(&[format(json!({"schema": {}}))], "response_format.json_schema.name");
    case(&[format(json!({"name": "a b", "schema": {}}))], "^[a-zA-Z0-9_-]+$");
    case(
        &[format(json!({"name": "x", "strict": true, "schema": {"type": "object", "properties": {"a": {}}}}))],
        "additionalProperties",
    );
    case(&[format(json!({"name": "x", "strict": true, "schema": {"type": "array"}}))], "'type: \"object\"'");
}

#[test]
fn roles_and_contents() {
    case(&[("/messages/1/role", json!("model"))], "Supported values are: 'system', 'assistant'");
    case(&[("/messages/1/role", json!(null))], "messages[1].role");
    case(&[("/messages/1/content", json!(null))], "expected a string, got null");
    case(&[("/messages/1/content", json!(7))], "messages[1].content");
    case(&[("/messages/1/content/0", json!({"type": "input_text", "text": "x"}))], "Invalid value: 'input_text'");
    case(&[("/messages/1/content/0", json!({"type": "text"}))], "messages[1].content[0].text");
    let image = json!([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]);
    fine(&[("/messages/1/content", image.clone())]);
    case(&[("/messages/4/content", image)], "only allowed for messages with role 'user'");
    let broken = json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,!"}}]);
    case(&[("/messages/1/content", broken)], "Invalid base64");
    let bad = json!([{"type": "image_url", "image_url": {"url": "file:///x"}}]);
    case(&[("/messages/1/content", bad)], "Invalid image URL");
}

#[test]
fn calls_are_well_formed() {
    let call = "/messages/2/tool_calls/0";
    case(&[("/messages/2/tool_calls", json!([]))], "empty array");
    case(&[("/messages/2/tool_calls/0/id", json!(null))], "messages[2].tool_calls[0].id");
    case(&[("/messages/2/tool_calls/0/id", json!("x".repeat(41)))], "maximum length 40");
    case(&[("/messages/2/tool_calls/0/type", json!(null))], "tool_calls[0].type");
    case(&[("/messages/2/tool_calls/0/function/arguments", json!({}))], "expected a string, but got an object");
    case(&[("/messages/2/tool_calls/0/function/arguments", json!(null))], "function.arguments");
    case(&[(call, json!({"id": "call_1", "type": "function", "function": {"arguments": "{}"}}))], "function.name");
}

#[test]
fn wire_134_calls_and_results_are_paired() {
    case(&[("/messages/3/tool_call_id", json!("call_9"))], "was not found in 'tool_calls'");
    case(&[("/messages/3/tool_call_id", json!(null))], "messages[3].tool_call_id");
    case(&[("/messages/3", json!({"role": "user", "content": "x"}))], "did not have response messages: call_1, call_2");
    case(
        &[(
            "/messages",
            json!([{"role": "user", "content": "x"}, {"role": "tool", "tool_call_id": "a", "content": "x"}]),
        )],
        "must be a response to a preceeding message",
    );
    let mut cut = base();
    cut["messages"].as_array_mut().unwrap().truncate(4);
    refused(Dialect::Chat, &cut, &Setting::default(), "did not have response messages: call_1");
}

#[test]
fn deepseek_wants_its_reasoning_back() {
    let setting = Setting { thinks: true, ..Setting::default() };
    let body = changed(&base(), &[("/model", json!("deepseek-mock"))]);
    refused(
        Dialect::Chat,
        &body,
        &setting,
        "Missing `reasoning_content` field in the assistant message at message index 2",
    );
    passes(Dialect::Chat, &changed(&body, &[("/messages/2/reasoning_content", json!("because"))]), &setting);
    passes(Dialect::Chat, &base(), &setting);
}
