use super::*;
use crate::mock::seal::GEMINI_SENTINEL;

fn base() -> Value {
    json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {"temperature": 1, "stopSequences": ["a"], "max_output_tokens": 9},
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT",
            "properties": {"a": {"type": "string", "format": "date-time", "nullable": true}}, "required": ["a"]}}]}],
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [{"text": "I call."}, {"functionCall": {"name": "f", "args": {}}}, {"function_call": {"name": "f"}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"r": 1}}},
                {"functionResponse": {"name": "f", "response": {"r": 2}}}]},
        ],
    })
}

#[track_caller]
fn with(setting: &Setting, changes: &[(&str, Value)], fragment: &str) {
    refused(Dialect::Gemini, &changed(&base(), changes), setting, fragment);
}

#[track_caller]
fn case(changes: &[(&str, Value)], fragment: &str) {
    with(&Setting::default(), changes, fragment);
}

#[track_caller]
fn fine(changes: &[(&str, Value)]) {
    passes(Dialect::Gemini, &changed(&base(), changes), &Setting::default());
}

fn model(name: &'static str) -> Setting {
    Setting { model: Some(name), ..Setting::default() }
}

fn legacy() -> Setting {
    Setting { legacy: true, ..Setting::default() }
}

#[test]
fn a_valid_request_passes() {
    fine(&[]);
    fine(&[("/contents", json!([{"parts": [{"text": "hi"}]}]))]);
}

#[test]
fn required_and_unknown_members() {
    case(&[("/contents", json!([]))], "contents is not specified");
    case(&[("/messages", json!([]))], "Unknown name \"messages\": Cannot find field.");
    case(
        &[("/generationConfig/max_tokens", json!(1))],
        "Unknown name \"max_tokens\" at 'generation_config': Cannot find field.",
    );
    case(&[("/contents/0/parts/0/type", json!("text"))], "Unknown name \"type\" at 'contents[0].parts[0]'");
    case(&[("/tools/0/functionDeclarations/0/strict", json!(true))], "Unknown name \"strict\"");
}

#[test]
fn wire_078_to_080_generation_config() {
    let set = |name: &'static str, value: Value| [(name, value)];
    case(&set("/generationConfig/temperature", json!(2.5)), "range [0.0, 2.0]");
    case(&set("/generationConfig/topP", json!(1.5)), "range [0.0, 1.0]");
    case(&set("/generationConfig/max_output_tokens", json!(0)), "must be positive");
    case(&set("/generationConfig/candidateCount", json!(9)), "range [1, 8]");
    case(&set("/generationConfig/stopSequences", json!(["a", "b", "c", "d", "e", "f"])), "at most 5");
    case(
        &set("/generationConfig/thinkingConfig", json!({"thinkingBudget": 1, "thinkingLevel": "low"})),
        "only one of thinking budget",
    );
    let level = set("/generationConfig/thinkingConfig", json!({"thinkingLevel": "low"}));
    with(&model("gemini-2.5-pro"), &level, "Thinking level is not supported for this model.");
    case(&set("/generationConfig/responseMimeType", json!("text/html")), "allowed mimetypes are");
    case(&set("/generationConfig/responseSchema", json!({"type": "STRING"})), "only allowed for response mime type");
    let json = set("/generationConfig/responseMimeType", json!("application/json"));
    with(&model("gemini-2.5-flash"), &json, "Function calling with a response mime type");
    passes(
        Dialect::Gemini,
        &changed(
            &base(),
            &[
                ("/generationConfig/responseMimeType", json!("application/json")),
                ("/contents", json!([{"parts": [{"text": "hi"}]}])),
            ],
        ),
        &model("gemini-3-pro"),
    );
}

#[test]
fn wire_065_system_instruction_is_text() {
    case(&[("/systemInstruction", json!({"parts": []}))], "contents.parts must not be empty");
    case(&[("/systemInstruction/parts/0", json!({"inlineData": {}}))], "only supports text parts");
}

#[test]
fn wire_074_and_075_tools() {
    let name = "/tools/0/functionDeclarations/0/name";
    fine(&[(name, json!("a.b:c-d")), ("/contents", json!([{"parts": [{"text": "hi"}]}]))]);
    case(&[(name, json!("1a"))], "Invalid function name. Must start with a letter or an underscore.");
    case(&[(name, json!("a b"))], "Invalid function name");
    with(&model("gemini-2.5-pro"), &[(name, json!("x".repeat(65)))], "maximum length of 64");
    case(&[("/tools/0/functionDeclarations/0/parametersJsonSchema", json!({}))], "only one of");
    let twice = json!([{"functionDeclarations": [{"name": "f"}, {"name": "f"}]}]);
    case(&[("/tools", twice)], "Duplicate function declaration found: f");
    let mixed = json!([{"googleSearch": {}}, {"functionDeclarations": [{"name": "f"}]}]);
    with(&model("gemini-2.5-pro"), &[("/tools", mixed)], "cannot be combined");
}

#[test]
fn wire_076_function_calling_config() {
    let calling = |config: Value| [("/toolConfig", json!({"functionCallingConfig": config}))];
    fine(&calling(json!({"mode": "ANY", "allowedFunctionNames": ["f"]})));
    case(&calling(json!({"mode": "REQUIRED"})), "FunctionCallingConfig.Mode");
    case(&calling(json!({"mode": "AUTO", "allowedFunctionNames": ["f"]})), "only when function calling mode is ANY");
    case(&calling(json!({"mode": "ANY", "allowedFunctionNames": ["g"]})), "`g` is not among the function declarations");
}

#[test]
fn wire_060_roles() {
    case(&[("/contents/0/role", json!("assistant"))], "Please use a valid role: user, model.");
    let twice = [(
        "/contents",
        json!([{"role": "user", "parts": [{"text": "a"}]}, {"role": "user", "parts": [{"text": "b"}]}]),
    )];
    fine(&twice);
    with(&legacy(), &twice, "alternate between user and model");
}

#[test]
fn wire_063_and_066_parts() {
    let part = "/contents/0/parts/0";
    case(&[("/contents/0/parts", json!([]))], "contents.parts must not be empty");
    case(&[(part, json!({}))], "required oneof field 'data'");
    case(
        &[(part, json!({"text": "a", "inlineData": {"mimeType": "image/png", "data": PNG}}))],
        "oneof field 'data' is already set",
    );
    with(&legacy(), &[(part, json!({"text": ""}))], "empty text parameter");
    case(&[(part, json!({"inlineData": {"data": PNG}}))], "mime_type is not specified");
    case(&[(part, json!({"inlineData": {"mimeType": "image/png", "data": "!"}}))], "Base64 decoding failed for \"!\"");
    fine(&[(part, json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo-_w"}}))]);
    case(
        &[("/contents/2/parts/0/functionResponse/response", json!("x"))],
        "(type.googleapis.com/google.protobuf.Struct), \"x\"",
    );
    case(&[("/contents/1/parts/1/functionCall/args", json!([]))], "google.protobuf.Struct");
    case(&[("/contents/1/parts/1/functionCall/name", json!(""))], "Name cannot be empty");
    case(&[("/contents/2/parts/0/functionResponse/name", json!(""))], "Name cannot be empty");
}

#[test]
fn wire_062_and_067_calls_and_responses_are_paired() {
    case(
        &[("/contents/2/parts", json!([{"functionResponse": {"name": "f", "response": {}}}]))],
        "the number of function response parts is equal",
    );
    case(&[("/contents/2/parts", json!([{"text": "no"}]))], "the number of function response parts is equal");
    let call = json!({"role": "model", "parts": [{"functionCall": {"name": "f"}}]});
    let response = json!({"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]});
    case(&[("/contents", json!([call, response]))], "comes immediately after a user turn");
    case(&[("/contents", json!([response]))], "immediately after a function call turn");
    let user = json!({"role": "user", "parts": [{"text": "hi"}]});
    case(&[("/contents", json!([user, call]))], "followed by function response turns");
}

#[test]
fn wire_070_the_schema_subset() {
    let parameters = "/tools/0/functionDeclarations/0/parameters";
    let bad = |schema: Value, fragment: &str| case(&[(parameters, schema)], fragment);
    let property = |schema: Value| json!({"type": "object", "properties": {"a": schema}});
    bad(
        json!({"$schema": "x", "type": "object"}),
        "Unknown name \"$schema\" at 'tools[0].function_declarations[0].parameters'",
    );
    bad(json!({"type": "object", "additionalProperties": false}), "Unknown name \"additionalProperties\"");
    bad(
        property(json!({"const": 1})),
        "Unknown name \"const\" at 'tools[0].function_declarations[0].parameters.properties[a]'",
    );
    bad(property(json!({"type": ["string", "null"]})), "Proto field is not repeating, cannot start list.");
    bad(property(json!({"type": "text"})), "generativelanguage.v1beta.Type), \"text\"");
    bad(property(json!({"type": "array"})), "properties[a].items: missing field.");
    bad(property(json!({"type": "string", "enum": [1]})), "(TYPE_STRING), 1");
    bad(property(json!({"type": "string", "enum": [""]})), "enum[0]: cannot be empty");
    bad(property(json!({"type": "integer", "enum": ["1"]})), "only allowed for STRING type");
    bad(property(json!({"type": "string", "format": "uri"})), "only 'enum' and 'date-time' are supported");
    bad(property(json!({"anyOf": [{"type": "string"}, {"not": {}}]})), "Unknown name \"not\"");
    bad(
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]}),
        "required[0]: property is not defined",
    );
    bad(json!(true), "v1beta.Schema), true");
    let deep = (0..70).fold(json!({"type": "string"}), |inner, _| json!({"type": "array", "items": inner}));
    bad(property(deep), "maximum allowed nesting depth");
    with(
        &legacy(),
        &[(parameters, json!({"type": "object", "properties": {}}))],
        "should be non-empty for OBJECT type",
    );
    // Properties may have any name.
    fine(&[(
        parameters,
        json!({"type": "object", "properties": {"$ref": {"type": "string"}, "const": {"type": "string"}}}),
    )]);
    case(
        &[
            ("/generationConfig/responseMimeType", json!("application/json")),
            ("/generationConfig/responseSchema", json!({"oneOf": []})),
        ],
        "Unknown name \"oneOf\" at 'generation_config.response_schema'",
    );
}

fn signed(signature: Value) -> Value {
    let args = json!({"a": "b"});
    let call = changed(&json!({"functionCall": {"name": "f", "args": args}}), &[("/thoughtSignature", signature)]);
    changed(
        &base(),
        &[(
            "/contents",
            json!([
                {"role": "user", "parts": [{"text": "hi"}]},
                {"role": "model", "parts": [call, {"functionCall": {"name": "f", "args": args}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}, {"functionResponse": {"name": "f", "response": {}}}]},
            ]),
        )],
    )
}

#[test]
fn wire_081_and_082_signatures_come_back_on_the_first_call() {
    let seal = Seal::new(1);
    let own = json!(seal.sign(Dialect::Gemini, &seal.tag(1, 0), "f{\"a\":\"b\"}"));
    let other = json!(seal.sign(Dialect::Gemini, &seal.tag(1, 0), "f{}"));
    let strict = Setting { thinks: true, ..Setting::default() };
    let gemini3 = model("gemini-3-pro");
    for setting in [&strict, &gemini3] {
        passes(Dialect::Gemini, &signed(own.clone()), setting);
        refused(Dialect::Gemini, &signed(json!(null)), setting, "Function call is missing a thought_signature");
        refused(Dialect::Gemini, &signed(other.clone()), setting, "Thought signature is not valid");
        refused(Dialect::Gemini, &signed(json!("AAAA")), setting, "Corrupted thought signature.");
        // The sentinel is for calls that were made elsewhere.
        passes(Dialect::Gemini, &signed(json!(GEMINI_SENTINEL)), setting);
    }
    passes(Dialect::Gemini, &signed(json!(null)), &model("gemini-2.5-pro"));
    let mut memory = Memory::default();
    memory.signed_call(gemini_call_digest(seal, "f", &json!({"a": "b"})));
    let verdict = judge(Dialect::Gemini, &signed(json!(GEMINI_SENTINEL)), &strict, &memory);
    assert_eq!(verdict.unwrap_err().message, "Thought signature is not valid");
}
