use super::*;

fn base() -> Value {
    json!({
        "model": "claude-sonnet-4-5", "max_tokens": 4096, "system": [{"type": "text", "text": "Be brief."}],
        "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}],
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "text", "text": "I call."},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
                {"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "2"},
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "1", "is_error": true},
                {"type": "text", "text": "go on"}]},
        ],
    })
}

#[track_caller]
fn with(setting: &Setting, changes: &[(&str, Value)], fragment: &str) {
    refused(Dialect::Anthropic, &changed(&base(), changes), setting, fragment);
}

#[track_caller]
fn case(changes: &[(&str, Value)], fragment: &str) {
    with(&Setting::default(), changes, fragment);
}

#[track_caller]
fn fine(changes: &[(&str, Value)]) {
    passes(Dialect::Anthropic, &changed(&base(), changes), &Setting::default());
}

#[test]
fn a_valid_request_passes() {
    fine(&[]);
    fine(&[("/system", json!("x")), ("/tools/0", json!({"type": "web_search_20250305", "name": "web_search"}))]);
}

#[test]
fn wire_097_required_and_unknown_members() {
    case(&[("/model", json!(null))], "model: Field required");
    case(&[("/max_tokens", json!(null))], "max_tokens: Field required");
    let counting = Setting { counting: true, ..Setting::default() };
    passes(Dialect::Anthropic, &changed(&base(), &[("/max_tokens", json!(null))]), &counting);
    case(&[("/messages", json!(null))], "messages: Field required");
    case(&[("/messages", json!([]))], "at least one message is required");
    case(&[("/messages", json!({}))], "messages: Input should be a valid list");
    case(&[("/max_completion_tokens", json!(1))], "max_completion_tokens: Extra inputs are not permitted");
}

#[test]
fn wire_101_and_114_numbers_and_stops() {
    case(&[("/temperature", json!(1.5))], "temperature: range: 0..1");
    case(&[("/temperature", json!("1"))], "temperature: Input should be a valid number");
    case(&[("/top_p", json!(1.5))], "top_p: range: 0..1");
    case(&[("/temperature", json!(0.5)), ("/top_p", json!(0.5))], "cannot both be specified");
    case(&[("/max_tokens", json!(0))], "greater than or equal to 1");
    case(&[("/max_tokens", json!(1.5))], "valid integer");
    case(&[("/stop_sequences", json!(["a", " \n"]))], "each stop sequence must contain non-whitespace");
}

#[test]
fn system_holds_text_blocks() {
    case(&[("/system", json!(7))], "system: Input should be a valid list");
    case(&[("/system/0", json!({"type": "image"}))], "system.0.type");
    case(&[("/system/0/text", json!(""))], "system: text content blocks must be non-empty");
}

#[test]
fn wire_106_tools_and_their_schemas() {
    case(&[("/tools/0/name", json!(null))], "tools.0.custom.name: Field required");
    case(&[("/tools/0/name", json!("a.b"))], "^[a-zA-Z0-9_-]{1,128}$");
    case(&[("/tools/0/name", json!("x".repeat(129)))], "^[a-zA-Z0-9_-]{1,128}$");
    case(&[("/tools/0/input_schema", json!(null))], "input_schema: Field required");
    case(&[("/tools/0/input_schema/type", json!(null))], "input_schema.type: Field required");
    case(&[("/tools/0/input_schema/type", json!("array"))], "Input should be 'object'");
    case(&[("/tools/0/input_schema/anyOf", json!([]))], "does not support oneOf, allOf, or anyOf at the top level");
    let tool = json!({"name": "f", "input_schema": {"type": "object"}});
    case(&[("/tools", json!([tool, tool]))], "Tool names must be unique");
}

#[test]
fn tool_choice_fits_the_tools() {
    case(&[("/tool_choice", json!({"type": "required"}))], "Input tag 'required'");
    case(&[("/tool_choice", json!({"type": "tool", "name": "g"}))], "Tool 'g' not found in provided tools");
    case(
        &[("/tools", json!([])), ("/tool_choice", json!({"type": "auto"}))],
        "may only be specified while providing tools",
    );
}

#[test]
fn wire_102_and_104_thinking_and_what_it_forbids() {
    let budget = |tokens: i64| ("/thinking", json!({"type": "enabled", "budget_tokens": tokens}));
    let ask = ("/messages", json!([{"role": "user", "content": "hi"}]));
    fine(&[budget(1024), ask.clone()]);
    case(&[budget(1023), ask.clone()], "greater than or equal to 1024");
    case(&[budget(4096), ask.clone()], "`max_tokens` must be greater than `thinking.budget_tokens`");
    case(&[("/thinking", json!({"type": "enabled"})), ask.clone()], "budget_tokens: Field required");
    case(&[("/thinking", json!({"type": "on"})), ask.clone()], "Input tag 'on'");
    let any = ("/tool_choice", json!({"type": "any"}));
    case(&[budget(1024), ask.clone(), any.clone()], "Thinking may not be enabled when tool_choice forces tool use.");
    fine(&[("/thinking", json!({"type": "adaptive"})), ask.clone(), any]);
    case(&[budget(1024), ask.clone(), ("/temperature", json!(0.5))], "`temperature` may only be set to 1");
    case(&[budget(1024), ask.clone(), ("/top_k", json!(5))], "`top_k` must be unset");
    case(&[budget(1024), ask, ("/top_p", json!(0.5))], "`top_p` must be greater than or equal to 0.95");
}

#[test]
fn wire_099_and_158_roles() {
    case(&[("/messages/0/role", json!("system"))], "Unexpected role \"system\"");
    let beta = Setting { beta: Some("x,mid-conversation-system-2026-04-07"), ..Setting::default() };
    let turns = json!([{"role": "user", "content": "hi"}, {"role": "system", "content": "brief"}]);
    passes(Dialect::Anthropic, &changed(&base(), &[("/messages", turns)]), &beta);
    case(&[("/messages/0/role", json!("model"))], "messages.0.role: Input should be");
    case(&[("/messages", json!([{"role": "assistant", "content": "x"}]))], "first message must use the \"user\" role");
    let twice = [("/messages", json!([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]))];
    fine(&twice);
    with(&Setting { legacy: true, ..Setting::default() }, &twice, "roles must alternate");
}

#[test]
fn wire_100_empty_contents() {
    case(&[("/messages/0/content", json!(null))], "messages.0.content: Field required");
    case(&[("/messages/0/content", json!(7))], "messages.0.content: Input should be a valid list");
    case(&[("/messages/0/content", json!(""))], "all messages must have non-empty content");
    case(&[("/messages/0/content", json!([{"type": "text", "text": ""}]))], "text content blocks must be non-empty");
    case(&[("/messages/0/content", json!([{"type": "text", "text": " \n"}]))], "must contain non-whitespace text");
    let prefill =
        |text: &str| ("/messages", json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": text}]));
    fine(&[prefill("b")]);
    case(&[prefill("b ")], "cannot end with trailing whitespace");
    case(&[prefill("b"), ("/model", json!("claude-opus-4-6"))], "does not support assistant message prefill");
}

#[test]
fn wire_109_blocks_ids_and_places() {
    case(&[("/messages/1/content/0/type", json!("input_text"))], "Input tag 'input_text'");
    case(&[("/messages/1/content/1/id", json!("a:b"))], "tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'");
    case(&[("/messages/1/content/1/id", json!(null))], "tool_use.id: Field required");
    case(&[("/messages/1/content/1/input", json!("{}"))], "tool_use.input: Input should be a valid dictionary");
    case(&[("/messages/1/content/1/name", json!("a.b"))], "tool_use.name");
    case(&[("/messages/2/content/0/tool_use_id", json!("é"))], "tool_result.tool_use_id");
    case(&[("/messages/2/role", json!("assistant"))], "`tool_result` blocks can only be in `user` messages");
    case(&[("/messages/1/role", json!("user"))], "`tool_use` blocks can only be in `assistant` messages");
    case(
        &[("/messages/0/content", json!([{"type": "thinking", "thinking": "x", "signature": "y"}]))],
        "can only be in `assistant`",
    );
}

#[test]
fn wire_110_images_are_what_they_say() {
    let image = |kind: &str, data: &str| {
        (
            "/messages/0/content",
            json!([{"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}]),
        )
    };
    fine(&[image("image/png", PNG)]);
    case(&[image("image/jpeg", PNG)], "appears to be a image/png image");
    case(&[image("image/tiff", PNG)], "media_type: Input should be");
    case(&[image("image/png", "iVBORw0KGgo-_")], "invalid base64 data");
    case(&[("/messages/0/content", json!([{"type": "image", "source": {"type": "data"}}]))], "image.source");
}

#[test]
fn wire_099_calls_and_results_are_paired() {
    case(
        &[("/messages/2/content/0/tool_use_id", json!("toolu_3"))],
        "without `tool_result` blocks immediately after: toolu_2",
    );
    case(&[("/messages/2/content", json!("no"))], "without `tool_result` blocks immediately after: toolu_1, toolu_2");
    let text_first = json!([{"type": "text", "text": "x"}, {"type": "tool_result", "tool_use_id": "toolu_1", "content": "1"},
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": "2"}]);
    case(&[("/messages/2/content", text_first)], "without `tool_result` blocks immediately after");
    let orphan =
        json!([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_9", "content": "x"}]}]);
    case(&[("/messages", orphan)], "unexpected `tool_use_id` found in `tool_result` blocks: toolu_9");
    let mut cut = base();
    cut["messages"].as_array_mut().unwrap().truncate(2);
    refused(Dialect::Anthropic, &cut, &Setting::default(), "messages.1: `tool_use` ids were found");
}

fn thought(thinks: bool) -> Value {
    let seal = Seal::new(1);
    let tag = seal.tag(1, 0);
    let id = seal.call_id(Dialect::Anthropic, &tag, thinks);
    let signature = seal.sign(Dialect::Anthropic, &tag, "I think");
    changed(
        &base(),
        &[(
            "/messages",
            json!([
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "I think", "signature": signature},
                    {"type": "tool_use", "id": id, "name": "f", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "1"}]},
            ]),
        )],
    )
}

#[test]
fn wire_103_thinking_comes_back_byte_exact_at_the_head_of_the_turn() {
    let strict = Setting { thinks: true, ..Setting::default() };
    let body = thought(true);
    passes(Dialect::Anthropic, &body, &strict);
    let edit = |changes: &[(&str, Value)]| changed(&body, changes);
    let first = "/messages/1/content/0";
    refused(
        Dialect::Anthropic,
        &edit(&[("/messages/1/content/0/thinking", json!("I think."))]),
        &strict,
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    );
    refused(
        Dialect::Anthropic,
        &edit(&[("/messages/1/content/0/signature", json!(null))]),
        &strict,
        "thinking.signature: Field required",
    );
    refused(
        Dialect::Anthropic,
        &edit(&[("/messages/1/content/0/thinking", json!(null))]),
        &strict,
        "thinking.thinking: Field required",
    );
    refused(
        Dialect::Anthropic,
        &edit(&[(first, json!({"type": "redacted_thinking", "data": "AAAA"}))]),
        &strict,
        "Invalid `data` in `redacted_thinking`",
    );
    let without = edit(&[(first, json!({"type": "text", "text": "x"}))]);
    refused(Dialect::Anthropic, &without, &strict, "Expected `thinking` or `redacted_thinking`, but found `text`");
    // Another request's thinking is valid, but not this turn's.
    let seal = Seal::new(1);
    let other = seal.sign(Dialect::Anthropic, &seal.tag(2, 0), "I think");
    refused(
        Dialect::Anthropic,
        &edit(&[("/messages/1/content/0/signature", json!(other))]),
        &strict,
        "cannot be modified",
    );
}

#[test]
fn wire_103_with_thinking_on_a_tool_turn_starts_with_thinking() {
    let on = ("/thinking", json!({"type": "enabled", "budget_tokens": 1024}));
    case(std::slice::from_ref(&on), "Expected `thinking` or `redacted_thinking`, but found `text`");
    passes(Dialect::Anthropic, &changed(&thought(false), std::slice::from_ref(&on)), &Setting::default());
    // Once the user has spoken again, older turns may lack it.
    let mut later = changed(&base(), &[on]);
    let more = [json!({"role": "assistant", "content": "ok"}), json!({"role": "user", "content": "more"})];
    later["messages"].as_array_mut().unwrap().extend(more);
    passes(Dialect::Anthropic, &later, &Setting::default());
}

#[test]
fn wire_107_cache_marks() {
    let mark = |ttl: &str| json!({"type": "ephemeral", "ttl": ttl});
    let block = |ttl: &str| json!({"type": "text", "text": "x", "cache_control": mark(ttl)});
    let blocks = |ttls: &[&str]| ("/system", Value::Array(ttls.iter().map(|ttl| block(ttl)).collect()));
    fine(&[blocks(&["1h", "1h", "5m", "5m"])]);
    case(&[blocks(&["5m"; 5])], "A maximum of 4 blocks with cache_control may be provided. Found 5.");
    case(&[blocks(&["5m", "1h"])], "system.1.cache_control.ttl: a ttl='1h' cache_control block must not come after");
    let body = changed(&thought(true), &[("/messages/1/content/0/cache_control", mark("5m"))]);
    refused(Dialect::Anthropic, &body, &Setting::default(), "thinking.cache_control: Extra inputs are not permitted");
}
