use proptest::prelude::*;

use super::*;

fn subset(schema: &Value) -> Value {
    gemini_subset(&Raw::from_value(schema).unwrap()).schema
}

#[test]
fn wire_070_references_are_inlined_at_any_depth() {
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"$ref": "#/$defs/A"}}, "b": {"$ref": "#/definitions/x~1y"}},
        "$defs": {"A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/B"}}}, "B": {"type": "integer"}},
        "definitions": {"x/y": {"type": "boolean"}},
    });
    let built = subset(&schema);
    assert_eq!(built["properties"]["a"]["items"]["properties"]["b"]["type"], "INTEGER");
    assert_eq!(built["properties"]["b"]["type"], "BOOLEAN");
}

#[test]
fn wire_070_cycles_end() {
    let schema = json!({
        "$ref": "#/$defs/Node",
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "id": {"type": "string"}}}},
    });
    let built = subset(&schema);
    assert_eq!(built["properties"]["id"]["type"], "STRING");
    assert_eq!(built["properties"]["next"]["type"], "OBJECT");
    assert!(built["properties"]["next"].get("properties").is_none());
    assert_eq!(subset(&json!({"$ref": "#"})), json!({"type": "OBJECT", "description": "(recursive: again a #)"}));
}

#[test]
fn wire_070_two_uses_of_one_definition_are_no_cycle() {
    let built = subset(&json!({
        "type": "object",
        "properties": {"from": {"$ref": "#/$defs/P"}, "to": {"$ref": "#/$defs/P"}},
        "$defs": {"P": {"type": "object", "properties": {"x": {"type": "number"}}}},
    }));
    assert_eq!(built["properties"]["from"], built["properties"]["to"]);
    assert_eq!(built["properties"]["to"]["properties"]["x"]["type"], "NUMBER");
}

#[test]
fn wire_070_all_of_is_merged() {
    let built = subset(&json!({"allOf": [
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"properties": {"b": {"type": "integer"}, "a": {"description": "first"}}, "required": ["b", "c", "a"]},
    ]}));
    assert_eq!(built["properties"]["a"], json!({"type": "STRING", "description": "first"}));
    assert_eq!(built["required"], json!(["a", "b"]));
}

#[test]
fn wire_070_null_unions_become_nullable() {
    let string = json!({"type": "STRING", "nullable": true});
    assert_eq!(subset(&json!({"anyOf": [{"type": "string"}, {"type": "null"}]})), string);
    assert_eq!(subset(&json!({"type": ["null", "string"]})), string);
    assert_eq!(subset(&json!({"oneOf": [{"type": "null"}, {"anyOf": [{"type": "string"}]}]})), string);
    let several = subset(&json!({"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}));
    assert_eq!(
        several,
        json!({"anyOf": [{"type": "STRING", "nullable": true}, {"type": "INTEGER", "nullable": true}]})
    );
    assert_eq!(subset(&json!({"type": ["string", "number"]}))["anyOf"][1]["type"], "NUMBER");
}

#[test]
fn wire_070_const_and_enums() {
    assert_eq!(subset(&json!({"const": "x"})), json!({"type": "STRING", "enum": ["x"]}));
    assert_eq!(
        subset(&json!({"type": "integer", "enum": [1, 2]})),
        json!({"type": "INTEGER", "description": "(one of 1, 2)"})
    );
    assert_eq!(subset(&json!({"enum": ["a", null]})), json!({"type": "STRING", "nullable": true, "enum": ["a"]}));
    assert!(subset(&json!({"type": "string", "enum": ["", "a"]})).get("enum").is_none());
}

#[test]
fn wire_070_arrays_get_items_and_booleans_have_a_shape() {
    assert_eq!(subset(&json!({"type": "array"})), json!({"type": "ARRAY", "items": {"type": "STRING"}}));
    let built = subset(&json!({"type": "object", "properties": {"a": true, "b": false}, "required": ["a", "b"]}));
    assert_eq!(built, json!({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a"]}));
}

#[test]
fn wire_150_dropped_constraints_are_told() {
    let built = gemini_subset(
        &Raw::from_value(&json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "string", "description": "A code",
            "pattern": "^[a-z]+$", "minLength": 2, "format": "uri", "title": "Code",
        }))
        .unwrap(),
    );
    assert!(built.lossy);
    let text = built.schema["description"].as_str().unwrap();
    assert!(text.starts_with("A code (") && text.contains("^[a-z]+$") && text.contains("minLength: 2"), "{text}");
    assert!(text.contains("format: uri"), "{text}");
}

#[test]
fn wire_072_properties_named_like_keywords_survive() {
    let names = ["default", "title", "format", "$ref", "type", "enum", "properties", "required", "const", "items"];
    let properties: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
    let built = subset(&json!({"type": "object", "properties": properties, "required": names}));
    for name in names {
        assert_eq!(built["properties"][name], json!({"type": "STRING"}), "{name}");
    }
    assert_eq!(built["required"], json!(names));
}

#[test]
fn upper_and_lower_case_types_are_read() {
    assert_eq!(subset(&json!({"type": "STRING"})), subset(&json!({"type": "string"})));
}

#[test]
fn standard_turns_gemini_words_into_json_schema() {
    let gemini = json!({
        "type": "OBJECT", "propertyOrdering": ["type"],
        "properties": {"type": {"type": "STRING", "nullable": true, "format": "enum", "enum": ["A"]},
                       "nullable": {"type": "ARRAY", "minItems": "1", "items": {"type": "INTEGER"}}},
    });
    let standard = standard(&Raw::from_value(&gemini).unwrap()).unwrap().to_value();
    assert_eq!(
        standard,
        json!({
            "type": "object",
            "properties": {"type": {"type": ["string", "null"], "enum": ["A", null]},
                           "nullable": {"type": "array", "minItems": 1, "items": {"type": "integer"}}},
        })
    );
    assert_eq!(super::standard(&Raw::from_value(&standard).unwrap()), None);
}

#[test]
fn depth_and_size_are_bounded() {
    let mut deep = json!({"type": "string"});
    for _ in 0..100 {
        deep = json!({"type": "array", "items": deep});
    }
    check(&subset(&deep), 0);
    // Each definition uses the next one twice: 2^40 uses when nothing stops it.
    let mut defs = Map::new();
    for n in 0..40 {
        let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
        defs.insert(format!("d{n}"), json!({"type": "object", "properties": {"l": next, "r": next}}));
    }
    let wide = subset(&json!({"$ref": "#/$defs/d0", "$defs": defs}));
    assert!(wide.to_string().len() < 1 << 20);
    check(&wide, 0);
}

const ALLOWED: [&str; 13] = [
    "type",
    "title",
    "description",
    "nullable",
    "format",
    "enum",
    "items",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "properties",
    "required",
];

/// Every keyword is one that all versions take, and `anyOf` stands alone.
fn check(schema: &Value, depth: usize) {
    assert!(depth <= DEPTH_MAX + 1);
    let members = schema.as_object().unwrap();
    if let Some(branches) = members.get("anyOf") {
        assert_eq!(members.len(), 1, "{schema}");
        branches.as_array().unwrap().iter().for_each(|branch| check(branch, depth + 1));
        return;
    }
    assert!(members.keys().all(|key| ALLOWED.contains(&key.as_str())), "{schema}");
    assert!(members["type"].as_str().unwrap().chars().all(|letter| letter.is_ascii_uppercase()));
    if members["type"] == "ARRAY" {
        check(&members["items"], depth + 1);
    }
    let properties = members.get("properties").and_then(Value::as_object);
    for value in properties.into_iter().flat_map(Map::values) {
        check(value, depth + 1);
    }
    for name in members.get("required").and_then(Value::as_array).into_iter().flatten() {
        assert!(properties.unwrap().contains_key(name.as_str().unwrap()));
    }
    for value in members.get("enum").and_then(Value::as_array).into_iter().flatten() {
        assert!(!value.as_str().unwrap().is_empty());
    }
}

fn any_schema() -> impl Strategy<Value = Value> {
    let keyword = prop::sample::select(vec![
        "type",
        "properties",
        "items",
        "anyOf",
        "oneOf",
        "allOf",
        "$ref",
        "$defs",
        "definitions",
        "enum",
        "const",
        "required",
        "format",
        "default",
        "not",
        "additionalProperties",
        "patternProperties",
        "title",
        "description",
        "minimum",
        "prefixItems",
        "nullable",
        "if",
        "a",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec![
            "string",
            "OBJECT",
            "null",
            "array",
            "#",
            "#/$defs/a",
            "#/properties/a",
            "#/items",
            "integer",
            "",
            "x",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keyword.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_gives_an_allowed_schema(schema in any_schema()) {
        check(&subset(&schema), 0);
    }

    #[test]
    fn any_json_is_standardised_once(schema in any_schema()) {
        if let Some(once) = standard(&Raw::from_value(&schema).unwrap()) {
            prop_assert_eq!(standard(&once), None);
        }
    }
}

#[test]
fn wire_150_property_names_and_other_keywords_without_a_word_go() {
    let built = gemini_subset(
        &Raw::from_value(&json!({
            "type": "object", "propertyNames": {"pattern": "^[a-z]"}, "patternProperties": {"^x": {"type": "string"}},
            "properties": {"propertyNames": {"type": "string"}, "bag": {"type": "object", "properties": {}}},
            "if": {"required": ["bag"]}, "then": {}, "unevaluatedProperties": false,
        }))
        .unwrap(),
    );
    assert!(built.lossy);
    assert_eq!(
        built.schema,
        json!({"type": "OBJECT", "properties": {"propertyNames": {"type": "STRING"}, "bag": {"type": "OBJECT"}}})
    );
}

#[test]
fn wire_070_references_inside_of_unions_and_merged_parts_are_inlined() {
    let built = subset(&json!({
        "type": "object",
        "properties": {"a": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]}, "b": {"allOf": [{"$ref": "#/$defs/A"}]}},
        "$defs": {"A": {"type": "object", "properties": {"x": {"$ref": "#/definitions/X"}}}},
        "definitions": {"X": {"enum": ["p", "q"]}},
    }));
    let x = json!({"type": "STRING", "enum": ["p", "q"]});
    assert_eq!(built["properties"]["a"]["properties"]["x"], x);
    assert_eq!(built["properties"]["a"]["nullable"], true);
    assert_eq!(built["properties"]["b"]["properties"]["x"], x);
}
