//! Loose wire structs: every member optional, both spellings of protobuf JSON (`inlineData`, `inline_data`), unknown
//! members kept.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::{Num, Raw, Str};
use crate::wire_object;

/// Like [`wire_object!`], with members that have two spellings: `field: Type = "camelCase" | "snake_case" @ BIT`. The
/// bit of every member that came in snake case is set in `snake`.
macro_rules! spelled_object {
    ($(#[$meta:meta])* pub(super) struct $name:ident<'a> {
        $($plain:ident : $plain_ty:ty = $key:literal,)*
        ;
        $($field:ident : $ty:ty = $camel:literal | $snake:literal @ $bit:expr,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        pub(super) struct $name<'a> {
            $(pub(super) $plain: Option<$plain_ty>,)*
            $(pub(super) $field: Option<$ty>,)*
            pub(super) rest: crate::json::Extra<'a>,
            pub(super) snake: u32,
        }

        impl<'de: 'a, 'a> Deserialize<'de> for $name<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor<'a>(PhantomData<$name<'a>>);
                impl<'de: 'a, 'a> Visitor<'de> for ObjectVisitor<'a> {
                    type Value = $name<'a>;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut object = <$name<'a>>::default();
                        while let Some(key) = map.next_key::<Str<'a>>()? {
                            match key.as_str() {
                                $($key => map.next_value_seed(crate::json::Field {
                                    key: $key, slot: &mut object.$plain, rest: &mut object.rest,
                                })?,)*
                                $($camel => map.next_value_seed(crate::json::Field {
                                    key: $camel, slot: &mut object.$field, rest: &mut object.rest,
                                })?,
                                $snake => {
                                    object.snake |= $bit;
                                    map.next_value_seed(crate::json::Field {
                                        key: $snake, slot: &mut object.$field, rest: &mut object.rest,
                                    })?;
                                })*
                                _ => crate::json::unknown(&mut map, key, &mut object.rest)?,
                            }
                        }
                        Ok(object)
                    }
                }
                deserializer.deserialize_map(ObjectVisitor(PhantomData))
            }
        }
    };
}

spelled_object! {
    /// The body of `generateContent`.
    pub(super) struct RequestWire<'a> {
        contents: Many<ContentWire<'a>> = "contents",
        tools: Many<ToolWire<'a>> = "tools",
        labels: Raw<'a> = "labels",
        ;
        tier: Raw<'a> = "serviceTier" | "service_tier" @ super::form::SERVICE_TIER_SNAKE,
        system: ContentWire<'a> = "systemInstruction" | "system_instruction" @ super::form::SYSTEM_SNAKE,
        generation: GenerationWire<'a> = "generationConfig" | "generation_config" @ super::form::GENERATION_SNAKE,
        tool_config: ToolConfigWire<'a> = "toolConfig" | "tool_config" @ super::form::TOOL_CONFIG_SNAKE,
    }
}

wire_object! {
    /// A turn.
    pub(super) struct ContentWire<'a> {
        /// `user` or `model`.
        role: Str<'a> = "role",
        /// What is said.
        parts: Many<PartWire<'a>> = "parts",
    }
}

spelled_object! {
    /// A part of a turn. Exactly one of its data members should be there.
    pub(super) struct PartWire<'a> {
        text: Str<'a> = "text",
        thought: bool = "thought",
        ;
        signature: Str<'a> = "thoughtSignature" | "thought_signature" @ u32::from(super::form::SIGNATURE_SNAKE),
        inline: MediaWire<'a> = "inlineData" | "inline_data" @ u32::from(super::form::MEMBER_SNAKE),
        file: MediaWire<'a> = "fileData" | "file_data" @ u32::from(super::form::MEMBER_SNAKE),
        call: CallWire<'a> = "functionCall" | "function_call" @ u32::from(super::form::MEMBER_SNAKE),
        answer: AnswerWire<'a> = "functionResponse" | "function_response" @ u32::from(super::form::MEMBER_SNAKE),
    }
}

spelled_object! {
    /// `inlineData` or `fileData`.
    pub(super) struct MediaWire<'a> {
        data: Str<'a> = "data",
        ;
        mime: Str<'a> = "mimeType" | "mime_type" @ u32::from(super::form::MIME_SNAKE),
        uri: Str<'a> = "fileUri" | "file_uri" @ u32::from(super::form::URI_SNAKE),
        name: Str<'a> = "displayName" | "display_name" @ u32::from(super::form::DISPLAY_NAME_SNAKE),
    }
}

wire_object! {
    /// `functionCall`; `partialArgs` and `willContinue` come only in streams.
    pub(super) struct CallWire<'a> {
        /// The call's id, where the endpoint has ids.
        id: Str<'a> = "id",
        /// The function.
        name: Str<'a> = "name",
        /// Arguments.
        args: Verbatim<'a> = "args",
    }
}

wire_object! {
    /// `functionResponse`.
    pub(super) struct AnswerWire<'a> {
        /// The call's id, where the endpoint has ids.
        id: Str<'a> = "id",
        /// The function.
        name: Str<'a> = "name",
        /// What the function answered.
        response: Verbatim<'a> = "response",
        /// Media of the answer.
        parts: Vec<PartWire<'a>> = "parts",
    }
}

spelled_object! {
    /// `generationConfig`.
    pub(super) struct GenerationWire<'a> {
        temperature: Num<'a> = "temperature",
        seed: Num<'a> = "seed",
        logprobs: Num<'a> = "logprobs",
        ;
        wants_logprobs: bool = "responseLogprobs" | "response_logprobs" @ super::form::LOGPROBS_SNAKE,
        top_p: Num<'a> = "topP" | "top_p" @ super::form::TOP_P_SNAKE,
        top_k: Num<'a> = "topK" | "top_k" @ super::form::TOP_K_SNAKE,
        max_output_tokens: Num<'a> = "maxOutputTokens" | "max_output_tokens" @ super::form::MAX_OUTPUT_SNAKE,
        stop: Vec<Str<'a>> = "stopSequences" | "stop_sequences" @ super::form::STOP_SNAKE,
        presence_penalty: Num<'a> = "presencePenalty" | "presence_penalty" @ super::form::PRESENCE_SNAKE,
        frequency_penalty: Num<'a> = "frequencyPenalty" | "frequency_penalty" @ super::form::FREQUENCY_SNAKE,
        candidates: Num<'a> = "candidateCount" | "candidate_count" @ super::form::CANDIDATES_SNAKE,
        mime: Str<'a> = "responseMimeType" | "response_mime_type" @ super::form::MIME_TYPE_SNAKE,
        schema: Raw<'a> = "responseSchema" | "response_schema" @ super::form::SCHEMA_SNAKE,
        json_schema: Raw<'a> = "responseJsonSchema" | "response_json_schema" @ super::form::JSON_SCHEMA_SNAKE,
        thinking: ThinkingWire<'a> = "thinkingConfig" | "thinking_config" @ super::form::THINKING_SNAKE,
    }
}

spelled_object! {
    /// `thinkingConfig`.
    pub(super) struct ThinkingWire<'a> {
        ;
        budget: Num<'a> = "thinkingBudget" | "thinking_budget" @ super::form::BUDGET_SNAKE,
        level: Str<'a> = "thinkingLevel" | "thinking_level" @ super::form::LEVEL_SNAKE,
        visible: bool = "includeThoughts" | "include_thoughts" @ super::form::INCLUDE_SNAKE,
    }
}

spelled_object! {
    /// `toolConfig`.
    pub(super) struct ToolConfigWire<'a> {
        ;
        calling: Raw<'a> = "functionCallingConfig" | "function_calling_config" @ super::form::CALLING_SNAKE,
    }
}

spelled_object! {
    /// `functionCallingConfig`.
    pub(super) struct CallingWire<'a> {
        mode: Str<'a> = "mode",
        ;
        names: Vec<Str<'a>> = "allowedFunctionNames" | "allowed_function_names" @ super::form::ALLOWED_SNAKE,
    }
}

spelled_object! {
    /// One object of `tools`: function declarations, or members that name hosted tools, or both.
    pub(super) struct ToolWire<'a> {
        ;
        functions: Many<FunctionWire<'a>> = "functionDeclarations" | "function_declarations"
            @ u32::from(super::form::DECLARATIONS_SNAKE),
    }
}

spelled_object! {
    /// A function declaration.
    pub(super) struct FunctionWire<'a> {
        name: Str<'a> = "name",
        description: Str<'a> = "description",
        parameters: Raw<'a> = "parameters",
        ;
        json_schema: Raw<'a> = "parametersJsonSchema" | "parameters_json_schema"
            @ u32::from(super::form::PARAMETERS_SNAKE),
    }
}

wire_object! {
    /// An answer, or a chunk of one.
    pub(super) struct ResponseWire<'a> {
        /// Alternatives.
        candidates: Vec<CandidateWire<'a>> = "candidates",
        /// Tokens.
        usage: Raw<'a> = "usageMetadata",
        /// The model.
        model: Str<'a> = "modelVersion",
        /// The answer's id.
        id: Str<'a> = "responseId",
        /// Why the prompt was blocked.
        feedback: Raw<'a> = "promptFeedback",
        /// An error in place of an answer.
        error: Raw<'a> = "error",
    }
}

wire_object! {
    /// An alternative.
    pub(super) struct CandidateWire<'a> {
        /// What was said.
        content: ContentWire<'a> = "content",
        /// Why it ended.
        finish: Str<'a> = "finishReason",
        /// Its number.
        index: Num<'a> = "index",
    }
}

wire_object! {
    /// `promptFeedback`.
    pub(super) struct FeedbackWire<'a> {
        /// Why the prompt was blocked.
        reason: Str<'a> = "blockReason",
        /// In words.
        message: Str<'a> = "blockReasonMessage",
    }
}

/// A repeated field. Google's parser takes a single object in place of an array of one, and clients use that.
#[derive(Clone, Debug)]
pub(super) struct Many<T> {
    /// The values.
    pub(super) items: Vec<T>,
    /// Whether it was written without brackets.
    pub(super) single: bool,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ManyVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ManyVisitor<T> {
            type Value = Many<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of objects")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Many { items, single: false })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let item = T::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Many { items: vec![item], single: true })
            }
        }
        deserializer.deserialize_any(ManyVisitor(PhantomData))
    }
}

/// JSON text of an object, borrowed from the body whatever it holds: call arguments and tool responses.
#[derive(Clone, Debug)]
pub(super) struct Verbatim<'a>(pub(super) &'a str);

impl<'de: 'a, 'a> Deserialize<'de> for Verbatim<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with('{') { Ok(Verbatim(raw)) } else { Err(serde::de::Error::custom("expected an object")) }
    }
}
