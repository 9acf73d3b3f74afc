//! An error answer, and how each provider writes it.

use super::dialect::Dialect;
use serde_json::{Value, json};

/// What a provider answers instead of a reply.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// HTTP status.
    pub(crate) status: u16,
    /// The provider's error type; without it, the usual one for the status.
    pub(crate) kind: Option<&'static str>,
    /// The text.
    pub(crate) message: String,
    /// OpenAI's `param`.
    pub(crate) param: Option<Box<str>>,
    /// OpenAI's `code`.
    pub(crate) code: Option<&'static str>,
    /// Google's `details`.
    pub(crate) details: Vec<Value>,
    /// Headers that come with it, such as `retry-after`.
    pub(crate) headers: Box<[(&'static str, String)]>,
}

impl Refusal {
    /// An error with the usual type for its status.
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            kind: None,
            message: message.into(),
            param: None,
            code: None,
            details: Vec::new(),
            headers: Box::default(),
        }
    }

    /// A 400: the request itself is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// Names the wrong parameter (OpenAI).
    pub(crate) fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into().into_boxed_str());
        self
    }

    /// Sets the machine-readable code (OpenAI).
    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// Replaces the usual error type.
    pub(crate) fn kind(mut self, kind: &'static str) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Adds one of Google's typed details.
    pub(crate) fn detail(mut self, detail: Value) -> Self {
        self.details.push(detail);
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let own = std::mem::take(&mut self.headers).into_iter();
        self.headers = own.chain([(name, value.into())]).collect();
        self
    }

    /// The error type of this dialect.
    pub(crate) fn kind_in(&self, dialect: Dialect) -> &'static str {
        self.kind.unwrap_or(match dialect {
            Dialect::Chat | Dialect::Responses => openai_kind(self.status),
            Dialect::Anthropic => anthropic_kind(self.status),
            Dialect::Gemini => google_status(self.status),
        })
    }

    /// The body, as the provider writes it.
    pub(crate) fn body(&self, dialect: Dialect, request_id: &str) -> Value {
        let kind = self.kind_in(dialect);
        match dialect {
            Dialect::Chat | Dialect::Responses => {
                json!({"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}})
            }
            Dialect::Anthropic => {
                json!({"type": "error", "error": {"type": kind, "message": self.message}, "request_id": request_id})
            }
            Dialect::Gemini => {
                let mut error = json!({"code": self.status, "message": self.message, "status": kind});
                if !self.details.is_empty()
                    && let Some(object) = error.as_object_mut()
                {
                    object.insert("details".into(), Value::Array(self.details.clone()));
                }
                json!({ "error": error })
            }
        }
    }
}

fn openai_kind(status: u16) -> &'static str {
    match status {
        429 => "requests",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

fn anthropic_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

fn google_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        402 => "FAILED_PRECONDITION",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        500 => "INTERNAL",
        504 => "DEADLINE_EXCEEDED",
        501.. => "UNAVAILABLE",
        _ => "INVALID_ARGUMENT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_145_gemini_error_code_is_an_integer() {
        let body = Refusal::new(503, "x").body(Dialect::Gemini, "");
        assert_eq!(body, json!({"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}));
    }

    #[test]
    fn anthropic_529_is_overloaded_and_carries_the_request_id() {
        let body = Refusal::new(529, "Overloaded").body(Dialect::Anthropic, "req_1");
        assert_eq!(body["error"]["type"], "overloaded_error");
        assert_eq!(body["request_id"], "req_1");
    }
}
