use super::*;

fn base() -> Value {
    json!({
        "model": "mock", "store": false, "include": ["reasoning.encrypted_content"],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}],
        "input": [
            {"role": "developer", "content": "Be brief."},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "1"},
        ],
    })
}

#[track_caller]
fn case(changes: &[(&str, Value)], fragment: &str) -> Refusal {
    refused(Dialect::Responses, &changed(&base(), changes), &Setting::default(), fragment)
}

#[track_caller]
fn fine(changes: &[(&str, Value)]) {
    passes(Dialect::Responses, &changed(&base(), changes), &Setting::default());
}

#[test]
fn a_valid_request_passes() {
    fine(&[]);
    fine(&[("/input", json!("hi"))]);
    fine(&[("/tools", json!([{"type": "web_search"}, {"type": "namespace", "name": "n", "tools": []}]))]);
}

#[test]
fn required_moved_and_unknown_members() {
    case(&[("/model", json!(null))], "Missing required parameter: 'model'.");
    case(&[("/input", json!(null))], "must be provided");
    case(&[("/input", json!(7))], "Invalid type for 'input'");
    case(&[("/messages", json!([]))], "this parameter has moved to 'input'");
    case(&[("/response_format", json!({}))], "moved to 'text.format'");
    case(&[("/max_tokens", json!(5))], "moved to 'max_output_tokens'");
    assert_eq!(case(&[("/n", json!(2))], "Unknown parameter: 'n'.").code, Some("unknown_parameter"));
}

#[test]
fn numbers_and_model_families() {
    case(&[("/temperature", json!(3))], "'temperature'");
    case(&[("/max_output_tokens", json!(15))], "Expected a value >= 16");
    case(&[("/max_output_tokens", json!("x"))], "expected an integer");
    let gpt5 = ("/model", json!("gpt-5"));
    case(&[gpt5.clone(), ("/temperature", json!(0.5))], "'temperature' is not supported with this model");
    fine(&[gpt5, ("/temperature", json!(0.5)), ("/reasoning", json!({"effort": "none"}))]);
    let gpt4 = ("/model", json!("gpt-4o"));
    case(&[gpt4.clone(), ("/reasoning", json!({"effort": "low"}))], "'reasoning.effort' is not supported");
    case(&[gpt4], "Encrypted content is not supported with this model.");
}

#[test]
fn wire_055_tools_are_flat() {
    case(&[("/tools/0", json!({"type": "function", "function": {"name": "f"}}))], "tools[0].name");
    case(&[("/tools/0/type", json!(null))], "tools[0].type");
    case(&[("/tool_choice", json!({"type": "function", "function": {"name": "f"}}))], "'tool_choice.function'");
    case(&[("/tool_choice", json!({"type": "function", "name": "g"}))], "Tool choice 'g' not found");
    fine(&[("/tool_choice", json!({"type": "function", "name": "f"}))]);
    case(&[("/text", json!({"format": {"type": "json_schema", "schema": {}}}))], "text.format.name");
}

#[test]
fn items_ids_and_parts() {
    case(&[("/input/1/type", json!("tool"))], "Invalid value: 'tool'");
    case(&[("/input/1/role", json!("model"))], "Invalid value: 'model'");
    case(&[("/input/2/id", json!("call_1"))], "Expected an ID that begins with 'fc'");
    case(&[("/input/2/call_id", json!("x".repeat(65)))], "maximum length 64");
    case(&[("/input/1/content/0/type", json!("text"))], "Invalid value: 'text'");
    case(&[("/input/1/content", json!(null))], "input[1].content");
    case(
        &[("/input/1", json!({"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}))],
        "'output_text' and 'refusal'",
    );
    case(&[("/input/1", json!({"type": "reasoning", "id": "rs_1"}))], "input[1].summary");
    case(
        &[("/input/1/content/0", json!({"type": "input_image", "image_url": "data:image/png;base64,!"}))],
        "Invalid base64",
    );
}

#[test]
fn calls_and_outputs_are_paired() {
    case(&[("/input/3/call_id", json!("call_2"))], "No tool call found for function call output with call_id call_2.");
    case(&[("/input/3/call_id", json!(null))], "input[3].call_id");
    case(&[("/input/3/output", json!(null))], "input[3].output");
    case(&[("/input/3", json!({"role": "user", "content": "x"}))], "No tool output found for function call call_1.");
    case(&[("/input/2/arguments", json!({}))], "input[2].arguments");
    case(&[("/input/2/arguments", json!(null))], "input[2].arguments");
    case(&[("/input", json!([{"type": "function_call", "name": "f", "arguments": "{}"}]))], "input[0].call_id");
}

fn thought() -> (Value, Value) {
    let seal = Seal::new(1);
    let tag = seal.tag(1, 0);
    let item = json!({"type": "reasoning", "id": "rs_1", "summary": [], "content": null,
        "encrypted_content": seal.sign(Dialect::Responses, &tag, "rs_1")});
    let call = json!({"type": "function_call", "id": "fc_1", "name": "f", "arguments": "{}",
        "call_id": seal.call_id(Dialect::Responses, &tag, true)});
    (item, call)
}

fn conversation(reasoning: Option<Value>) -> Value {
    let (_, call) = thought();
    let output = json!({"type": "function_call_output", "call_id": call["call_id"], "output": "1"});
    let user = json!({"role": "user", "content": "hi"});
    let input: Vec<Value> = [user].into_iter().chain(reasoning).chain([call, output]).collect();
    changed(&base(), &[("/input", Value::Array(input))])
}

#[test]
fn wire_047_reasoning_comes_back_byte_exact_before_its_call() {
    let (item, _) = thought();
    let judged = |item: Option<Value>, fragment: Option<&str>| match fragment {
        None => passes(Dialect::Responses, &conversation(item), &Setting::default()),
        Some(fragment) => drop(refused(Dialect::Responses, &conversation(item), &Setting::default(), fragment)),
    };
    judged(Some(item.clone()), None);
    judged(None, Some("of type 'function_call' was provided without its required 'reasoning' item"));
    let mut unnamed_call = conversation(None);
    unnamed_call["input"][1].as_object_mut().unwrap().shift_remove("id");
    passes(Dialect::Responses, &unnamed_call, &Setting::default());
    let mut nameless = item.clone();
    nameless.as_object_mut().unwrap().shift_remove("id");
    judged(Some(nameless), None);
    let foreign = changed(&item, &[("/encrypted_content", json!("gAAAAABforeign="))]);
    judged(Some(foreign), Some("could not be verified"));
    judged(Some(changed(&item, &[("/id", json!("rs_2"))])), Some("could not be verified"));
    judged(
        Some(changed(&item, &[("/encrypted_content", json!(null))])),
        Some("Items are not persisted when `store` is set to false"),
    );
}

#[test]
fn wire_047_reasoning_needs_its_follower() {
    let (item, _) = thought();
    let input = json!([{"role": "user", "content": "hi"}, item, {"role": "user", "content": "again"}]);
    let refusal =
        case(&[("/input", input)], "'rs_1' of type 'reasoning' was provided without its required following item.");
    assert_eq!(refusal.param.as_deref(), Some("input"));
}

#[test]
fn a_stored_reasoning_item_may_be_named_by_its_id() {
    let (item, call) = thought();
    let mut memory = Memory::default();
    memory.store("resp_1", "k", vec![item, call]);
    let reference = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    let body = changed(&conversation(Some(reference)), &[("/store", json!(true))]);
    assert!(judge(Dialect::Responses, &body, &Setting::default(), &memory).is_ok());
}
