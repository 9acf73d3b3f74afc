//! Tools: what a model may call, and what it calls.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::{Error, Extra};

/// A tool that a model may call.
///
/// ```
/// use interlingua_client::Tool;
/// use serde_json::json;
///
/// let weather = Tool::function("weather")
///     .description("The weather of a city, now.")
///     .parameters(json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}));
/// # let _ = weather;
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tool {
    /// `function`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<Function>,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it does, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON schema of its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// Whether arguments must fit the schema exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Tool {
    /// A function without a description, that takes an empty object.
    pub fn function(name: impl Into<String>) -> Self {
        let parameters = Some(json!({"type": "object", "properties": {}}));
        let function = Function { name: name.into(), description: None, parameters, strict: None, extra: Extra::new() };
        Tool { kind: "function".to_owned(), function: Some(function), extra: Extra::new() }
    }

    /// Says what it does.
    #[must_use]
    pub fn description(self, text: impl Into<String>) -> Self {
        self.with(|function| function.description = Some(text.into()))
    }

    /// JSON schema of its arguments.
    #[must_use]
    pub fn parameters(self, schema: Value) -> Self {
        self.with(|function| function.parameters = Some(schema))
    }

    /// Whether arguments must fit the schema exactly.
    #[must_use]
    pub fn strict(self, strict: bool) -> Self {
        self.with(|function| function.strict = Some(strict))
    }

    fn with(mut self, change: impl FnOnce(&mut Function)) -> Self {
        self.function.as_mut().map(change);
        self
    }
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolCall {
    /// What its result refers to.
    pub id: String,
    /// `function`.
    #[serde(rename = "type", default = "function")]
    pub kind: String,
    /// Which function with which arguments.
    #[serde(default)]
    pub function: FunctionCall,
    /// All else, such as seals that must travel back with it.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Name and arguments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FunctionCall {
    /// The function's name.
    #[serde(default)]
    pub name: String,
    /// Its arguments as JSON, as the model wrote them.
    #[serde(default)]
    pub arguments: String,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ToolCall {
    pub(crate) fn empty() -> Self {
        ToolCall { id: String::new(), kind: function(), function: FunctionCall::default(), extra: Extra::new() }
    }

    /// The function's name.
    pub fn name(&self) -> &str {
        &self.function.name
    }

    /// Its arguments. Nothing written counts as an empty object.
    ///
    /// # Errors
    /// When the model wrote something else: best told to it as the call's result.
    pub fn arguments<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let text = self.function.arguments.trim();
        serde_json::from_str(if text.is_empty() { "{}" } else { text })
            .map_err(Error::unreadable("arguments of a tool call"))
    }
}

fn function() -> String {
    "function".to_owned()
}

/// Which tool is to be called.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ToolChoice {
    /// As the model likes.
    Auto,
    /// None.
    None,
    /// Some.
    Required,
    /// This function.
    Function(String),
    /// One that this version does not know.
    Other(Value),
}

impl Serialize for ToolChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ToolChoice::Auto => serializer.serialize_str("auto"),
            ToolChoice::None => serializer.serialize_str("none"),
            ToolChoice::Required => serializer.serialize_str("required"),
            ToolChoice::Function(name) => json!({"type": "function", "function": {"name": name}}).serialize(serializer),
            ToolChoice::Other(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ToolChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(match (value.as_str(), value["function"]["name"].as_str()) {
            (Some("auto"), _) => ToolChoice::Auto,
            (Some("none"), _) => ToolChoice::None,
            (Some("required"), _) => ToolChoice::Required,
            (_, Some(name)) => ToolChoice::Function(name.to_owned()),
            _ => ToolChoice::Other(value),
        })
    }
}
