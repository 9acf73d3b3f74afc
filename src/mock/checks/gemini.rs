//! What Gemini refuses.

use super::gemini_schema::check_schema;
use super::{Context, Rule, Verdict, is_name, refuse_if};
use crate::mock::dialect::Dialect;
use crate::mock::refusal::Refusal;
use crate::mock::seal::{GEMINI_SENTINEL, Seal};
use crate::mock::view::{decode_base64, either, items, text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub(super) const RULES: &[Rule] =
    &[known, required, config, config_known, system, tools, calling, roles, parts, pairing, signatures];

const KNOWN: [(&str, &str); 11] = [
    ("contents", "contents"),
    ("systemInstruction", "system_instruction"),
    ("tools", "tools"),
    ("toolConfig", "tool_config"),
    ("safetySettings", "safety_settings"),
    ("generationConfig", "generation_config"),
    ("cachedContent", "cached_content"),
    ("labels", "labels"),
    ("model", "model"),
    ("serviceTier", "service_tier"),
    ("modelArmorConfig", "model_armor_config"),
];

const CONFIG: [&str; 27] = [
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "_responseJsonSchema",
    "responseModalities",
    "candidateCount",
    "maxOutputTokens",
    "temperature",
    "topP",
    "topK",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "enableEnhancedCivicAnswers",
    "speechConfig",
    "thinkingConfig",
    "imageConfig",
    "mediaResolution",
    "audioTimestamp",
    "routingConfig",
    "modelConfig",
    "enableAffectiveDialog",
    "responseFormat",
    "modelSelectionConfig",
];

/// Members of which a part holds exactly one.
const DATA: [(&str, &str); 9] = [
    ("text", "text"),
    ("inlineData", "inline_data"),
    ("fileData", "file_data"),
    ("functionCall", "function_call"),
    ("functionResponse", "function_response"),
    ("executableCode", "executable_code"),
    ("codeExecutionResult", "code_execution_result"),
    ("toolCall", "tool_call"),
    ("toolResponse", "tool_response"),
];

/// The digest by which a signed call is remembered.
pub(crate) fn call_digest(seal: Seal, name: &str, args: &Value) -> [u8; 32] {
    seal.digest("gemini-call", &[name, &args.to_string()])
}

/// A refusal about a member of the request message, in Google's form.
fn field(path: &str, why: &str) -> Refusal {
    Refusal::invalid(format!("* GenerateContentRequest.{path}: {why}\n"))
}

/// JSON that does not fit the protocol buffer.
pub(super) fn payload(path: &str, message: String) -> Refusal {
    let violation = json!({"field": path, "description": message});
    Refusal::invalid(message).detail(json!({
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [violation],
    }))
}

/// A member that the protocol buffer does not have.
pub(super) fn unknown_name(path: &str, name: &str) -> Refusal {
    let place = if path.is_empty() { String::new() } else { format!(" at '{path}'") };
    payload(path, format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."))
}

/// `camelCase` as `snake_case`: both are accepted.
pub(super) fn snake(camel: &str) -> String {
    camel.chars().fold(String::new(), |mut out, letter| {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
        out
    })
}

fn config_of<'a>(context: &Context<'a>) -> &'a Value {
    either(context.body, "generationConfig", "generation_config")
}

fn generation(context: &Context<'_>) -> u8 {
    let model = &context.view.model;
    if model.contains("gemini-3") {
        3
    } else if model.contains("gemini-2") || model.contains("gemini-1") {
        2
    } else {
        0
    }
}

fn contents<'a>(context: &Context<'a>) -> Vec<(usize, &'a str, &'a [Value])> {
    let one = std::slice::from_ref(&context.body["contents"]);
    let list = if context.body["contents"].is_object() { one } else { items(&context.body["contents"]) };
    list.iter().enumerate().map(|(at, content)| (at, text(&content["role"]), items(&content["parts"]))).collect()
}

fn known(context: &Context<'_>) -> Verdict {
    let unknown = context
        .body
        .as_object()
        .into_iter()
        .flatten()
        .find(|(name, _)| !KNOWN.iter().any(|(camel, snake)| name.as_str() == *camel || name.as_str() == *snake));
    unknown.map_or(Ok(()), |(name, _)| Err(unknown_name("", name)))
}

fn required(context: &Context<'_>) -> Verdict {
    refuse_if(contents(context).is_empty(), || field("contents", "contents is not specified"))
}

fn config_known(context: &Context<'_>) -> Verdict {
    let unknown = config_of(context)
        .as_object()
        .into_iter()
        .flatten()
        .find(|(name, _)| !CONFIG.iter().any(|own| name.as_str() == *own || **name == snake(own)));
    unknown.map_or(Ok(()), |(name, _)| Err(unknown_name("generation_config", name)))?;
    let schema = either(config_of(context), "responseSchema", "response_schema");
    if schema.is_null() { Ok(()) } else { check_schema("generation_config.response_schema", schema, context.legacy) }
}

fn config(context: &Context<'_>) -> Verdict {
    let config = config_of(context);
    let number = |camel: &str, snake: &str| either(config, camel, snake).as_f64();
    refuse_if(number("temperature", "temperature").is_some_and(|value| !(0.0..=2.0).contains(&value)), || {
        field("generation_config.temperature", "temperature must be in the range [0.0, 2.0].")
    })?;
    refuse_if(number("topP", "top_p").is_some_and(|value| !(0.0..=1.0).contains(&value)), || {
        field("generation_config.top_p", "top_p must be in the range [0.0, 1.0].")
    })?;
    refuse_if(number("maxOutputTokens", "max_output_tokens").is_some_and(|value| value < 1.0), || {
        field("generation_config.max_output_tokens", "max_output_tokens must be positive.")
    })?;
    refuse_if(number("candidateCount", "candidate_count").is_some_and(|value| !(1.0..=8.0).contains(&value)), || {
        field("generation_config.candidate_count", "candidate_count must be in the range [1, 8].")
    })?;
    refuse_if(items(either(config, "stopSequences", "stop_sequences")).len() > 5, || {
        field("generation_config.stop_sequences", "the number of stop_sequences must be at most 5.")
    })?;
    let thinking = either(config, "thinkingConfig", "thinking_config");
    let level = either(thinking, "thinkingLevel", "thinking_level");
    let budget = either(thinking, "thinkingBudget", "thinking_budget");
    refuse_if(!level.is_null() && !budget.is_null(), || {
        Refusal::invalid("You can only set only one of thinking budget and thinking level.")
    })?;
    refuse_if(!level.is_null() && generation(context) == 2, || {
        Refusal::invalid("Thinking level is not supported for this model.")
    })?;
    let mime = text(either(config, "responseMimeType", "response_mime_type"));
    refuse_if(!["", "text/plain", "application/json", "text/x.enum"].contains(&mime), || {
        field(
            "generation_config.response_mime_type",
            "allowed mimetypes are `text/plain`, `application/json`, `application/xml`, `application/yaml` and `text/x.enum`.",
        )
    })?;
    let schema = !either(config, "responseSchema", "response_schema").is_null()
        || !either(config, "responseJsonSchema", "response_json_schema").is_null();
    refuse_if(schema && mime != "application/json" && mime != "text/x.enum", || {
        field(
            "generation_config.response_schema",
            "only allowed for response mime type `application/json` or `text/x.enum`.",
        )
    })?;
    refuse_if(mime == "application/json" && !context.view.tools.is_empty() && generation(context) == 2, || {
        Refusal::invalid("Function calling with a response mime type: 'application/json' is unsupported")
    })
}

fn system(context: &Context<'_>) -> Verdict {
    let system = either(context.body, "systemInstruction", "system_instruction");
    if system.is_null() {
        return Ok(());
    }
    let parts = items(&system["parts"]);
    let one = system["parts"].is_object();
    refuse_if(parts.is_empty() && !one, || field("system_instruction.parts", "contents.parts must not be empty."))?;
    refuse_if(parts.iter().any(|part| !part["text"].is_string()), || {
        Refusal::invalid("System instruction only supports text parts.")
    })
}

fn tools(context: &Context<'_>) -> Verdict {
    let (mut functions, mut built_in) = (false, false);
    for (at, tool) in items(&context.body["tools"]).iter().enumerate() {
        let declarations = either(tool, "functionDeclarations", "function_declarations");
        functions |= !items(declarations).is_empty();
        built_in |= tool.as_object().is_some_and(|tool| tool.keys().any(|key| !key.starts_with("function")));
        for (n, function) in items(declarations).iter().enumerate() {
            check_function(context, &format!("tools[{at}].function_declarations[{n}]"), function)?;
        }
    }
    let names: Vec<&str> = context.view.tools.iter().map(|tool| tool.name.as_str()).collect();
    let twice = names.iter().enumerate().find(|(at, name)| names.iter().take(*at).any(|other| other == *name));
    twice.map_or(Ok(()), |(_, name)| Err(Refusal::invalid(format!("Duplicate function declaration found: {name}"))))?;
    refuse_if(functions && built_in && generation(context) == 2, || {
        Refusal::invalid(
            "Built-in tools and Function Calling cannot be combined in the same request. Please choose one of the two \
             approaches.",
        )
    })
}

fn check_function(context: &Context<'_>, here: &str, function: &Value) -> Verdict {
    const MEMBERS: [&str; 7] =
        ["name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior"];
    let unknown = function
        .as_object()
        .into_iter()
        .flatten()
        .find(|(name, _)| !MEMBERS.iter().any(|own| name.as_str() == *own || **name == snake(own)));
    unknown.map_or(Ok(()), |(name, _)| Err(unknown_name(here, name)))?;
    let name = text(&function["name"]);
    let most = if generation(context) == 2 { 64 } else { 128 };
    let starts = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    refuse_if(!starts || !is_name(name, "_.:-") || name.len() > most, || {
        field(
            &format!("{here}.name"),
            &format!(
                "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), \
                 underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of {most}."
            ),
        )
    })?;
    let json_schema = either(function, "parametersJsonSchema", "parameters_json_schema");
    let parameters = &function["parameters"];
    refuse_if(!json_schema.is_null() && !parameters.is_null(), || {
        field(here, "only one of `parameters` and `parameters_json_schema` may be set.")
    })?;
    if parameters.is_null() { Ok(()) } else { check_schema(&format!("{here}.parameters"), parameters, context.legacy) }
}

fn calling(context: &Context<'_>) -> Verdict {
    let config =
        either(either(context.body, "toolConfig", "tool_config"), "functionCallingConfig", "function_calling_config");
    let mode = text(&config["mode"]).to_ascii_uppercase();
    refuse_if(!["", "MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"].contains(&mode.as_str()), || {
        payload(
            "tool_config.function_calling_config.mode",
            format!(
                "Invalid value at 'tool_config.function_calling_config.mode' \
                 (type.googleapis.com/google.ai.generativelanguage.v1beta.FunctionCallingConfig.Mode), \"{mode}\""
            ),
        )
    })?;
    let allowed = items(either(config, "allowedFunctionNames", "allowed_function_names"));
    refuse_if(!allowed.is_empty() && mode != "ANY" && mode != "VALIDATED", || {
        Refusal::invalid("Please set allowed_function_names only when function calling mode is ANY.")
    })?;
    let declared = |name: &str| context.view.tools.iter().any(|tool| tool.name == name);
    let foreign = allowed.iter().map(text).find(|name| !declared(name));
    foreign.map_or(Ok(()), |name| {
        Err(Refusal::invalid(format!("The allowed function name `{name}` is not among the function declarations.")))
    })
}

fn roles(context: &Context<'_>) -> Verdict {
    let mut before = "";
    for (_, role, _) in contents(context) {
        refuse_if(!["", "user", "model", "function"].contains(&role), || {
            Refusal::invalid("Please use a valid role: user, model.")
        })?;
        refuse_if(context.legacy && role == before && !role.is_empty(), || {
            Refusal::invalid("Please ensure that multiturn requests alternate between user and model.")
        })?;
        before = role;
    }
    Ok(())
}

fn parts(context: &Context<'_>) -> Verdict {
    for (at, _, parts) in contents(context) {
        let here = format!("contents[{at}].parts");
        refuse_if(parts.is_empty(), || field(&here, "contents.parts must not be empty."))?;
        for (n, part) in parts.iter().enumerate() {
            check_part(&format!("{here}[{n}]"), part, context.legacy)?;
        }
    }
    Ok(())
}

fn check_part(here: &str, part: &Value, legacy: bool) -> Verdict {
    const BESIDE: [&str; 5] = ["thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"];
    for name in part.as_object().into_iter().flatten().map(|(name, _)| name) {
        let is_data = DATA.iter().any(|(camel, snake)| name == camel || name == snake);
        refuse_if(!is_data && !BESIDE.iter().any(|own| name == own || *name == snake(own)), || {
            unknown_name(here, name)
        })?;
    }
    let given = DATA.iter().filter(|(camel, snake)| !either(part, camel, snake).is_null()).count();
    refuse_if(given > 1, || {
        payload(
            here,
            format!("Invalid value at '{here}' (oneof), oneof field 'data' is already set. Cannot set another field."),
        )
    })?;
    let signed = !either(part, "thoughtSignature", "thought_signature").is_null();
    refuse_if(given == 0 && !signed, || {
        field(&format!("{here}.data"), "required oneof field 'data' must have one initialized field")
    })?;
    refuse_if(legacy && part["text"] == "" && !signed, || {
        Refusal::invalid(
            "Unable to submit request because it has an empty text parameter. Add a value to the parameter and try again.",
        )
    })?;
    let data = either(part, "inlineData", "inline_data");
    if data.is_object() {
        refuse_if(text(either(data, "mimeType", "mime_type")).is_empty(), || {
            field(&format!("{here}.inline_data.mime_type"), "mime_type is not specified")
        })?;
        let encoded = text(&data["data"]);
        refuse_if(decode_base64(encoded).is_none(), || {
            let shown: String = encoded.chars().take(20).collect();
            let path = format!("{here}.inline_data.data");
            let message = format!("Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed for \"{shown}\"");
            payload(&path, message)
        })?;
    }
    check_function_data(here, part)
}

fn check_function_data(here: &str, part: &Value) -> Verdict {
    let must_be_struct = |path: String, value: &Value| {
        refuse_if(!value.is_null() && !value.is_object(), || {
            payload(&path, format!("Invalid value at '{path}' (type.googleapis.com/google.protobuf.Struct), {value}"))
        })
    };
    let call = either(part, "functionCall", "function_call");
    if call.is_object() {
        refuse_if(text(&call["name"]).is_empty(), || {
            field(&format!("{here}.function_call.name"), "Name cannot be empty.")
        })?;
        must_be_struct(format!("{here}.function_call.args"), &call["args"])?;
    }
    let response = either(part, "functionResponse", "function_response");
    if response.is_object() {
        refuse_if(text(&response["name"]).is_empty(), || {
            field(&format!("{here}.function_response.name"), "Name cannot be empty.")
        })?;
        must_be_struct(format!("{here}.function_response.response"), &response["response"])?;
    }
    Ok(())
}

fn count(parts: &[Value], camel: &str, snake: &str) -> usize {
    parts.iter().filter(|part| either(part, camel, snake).is_object()).count()
}

/// Calls follow the user; responses follow calls, in the same number. Turns of one role in a row are joined.
fn pairing(context: &Context<'_>) -> Verdict {
    let mut turns: Vec<(bool, Vec<Value>)> = Vec::new();
    for (_, role, parts) in contents(context) {
        let model = role == "model";
        match turns.last_mut() {
            Some((own, joined)) if *own == model => joined.extend_from_slice(parts),
            _ => turns.push((model, parts.to_vec())),
        }
    }
    let mut open = 0;
    for (at, (model, parts)) in turns.iter().enumerate() {
        let calls = count(parts, "functionCall", "function_call");
        let responses = count(parts, "functionResponse", "function_response");
        refuse_if(*model && calls > 0 && at == 0, || {
            Refusal::invalid(
                "Please ensure that function call turn comes immediately after a user turn or after a function response turn.",
            )
        })?;
        refuse_if(!*model && responses > 0 && open == 0, || {
            Refusal::invalid("Please ensure that function response turn comes immediately after a function call turn.")
        })?;
        refuse_if(!*model && responses != open, || {
            Refusal::invalid(
                "Please ensure that the number of function response parts is equal to the number of function call parts of \
                 the function call turn.",
            )
        })?;
        open = if *model { calls } else { 0 };
    }
    refuse_if(open > 0, || {
        Refusal::invalid("Please ensure that function call turns are followed by function response turns.")
    })
}

/// Signatures have to be ours, or the sentinel; calls of the current turn have to carry one (Gemini 3, `think-tool`).
fn signatures(context: &Context<'_>) -> Verdict {
    let all = contents(context);
    let said = |parts: &[Value]| parts.iter().any(|part| !text(&part["text"]).is_empty());
    let current = all.iter().rposition(|(_, role, parts)| *role != "model" && said(parts)).unwrap_or(0);
    for (at, role, parts) in all.iter().filter(|(_, role, _)| *role == "model") {
        let mut first = true;
        for (n, part) in parts.iter().enumerate() {
            let signature = either(part, "thoughtSignature", "thought_signature").as_str();
            let call = either(part, "functionCall", "function_call");
            refuse_if(signature.is_some_and(|signature| !is_acceptable(context, signature)), || {
                Refusal::invalid("Corrupted thought signature.")
            })?;
            if !call.is_object() {
                continue;
            }
            if first && *at >= current {
                check_call(context, (*role, n), signature, call)?;
            }
            first = false;
        }
    }
    Ok(())
}

fn is_sentinel(signature: &str) -> bool {
    signature == GEMINI_SENTINEL || signature == STANDARD.encode(GEMINI_SENTINEL)
}

fn is_acceptable(context: &Context<'_>, signature: &str) -> bool {
    is_sentinel(signature) || context.seal.tag_of(Dialect::Gemini, signature).is_some()
}

fn check_call(context: &Context<'_>, place: (&str, usize), signature: Option<&str>, call: &Value) -> Verdict {
    let (name, args) = (text(&call["name"]), &call["args"]);
    let demanded = context.thinks || generation(context) == 3;
    let Some(signature) = signature else {
        return refuse_if(demanded, || {
            Refusal::invalid(format!(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to work \
                 correctly, and missing thought_signature may lead to degraded model performance. Additional data, \
                 function call `default_api:{name}` , position {}. Please refer to \
                 https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
                place.1 + 1
            ))
        });
    };
    let ours = context.memory.is_signed_call(&call_digest(context.seal, name, args));
    let exact = context.seal.verify(Dialect::Gemini, signature, &format!("{name}{args}")).is_some();
    // A call that was made here comes back with its own signature, not with the sentinel.
    let wrong = if is_sentinel(signature) { context.thinks && ours } else { !exact };
    refuse_if(wrong, || Refusal::invalid("Thought signature is not valid"))
}
