//! What a stream is made of, and how it is put on the wire.

use serde_json::Value;

/// What a frame is, so that faults can leave it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Opens the answer or a part of it, or closes a part.
    Frame,
    /// Carries something that the model said.
    Content,
    /// Says why the answer ends, or what it cost.
    Finish,
    /// The last frame.
    Terminal,
}

/// One event of a stream, or a whole unary body.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// SSE event name (Anthropic, Responses).
    pub(crate) event: Option<String>,
    /// The data.
    pub(crate) data: String,
    /// What it is.
    pub(crate) role: Role,
}

impl Frame {
    /// A frame with an event name that is also its `type`.
    pub(crate) fn named(role: Role, data: &Value) -> Self {
        let event = data["type"].as_str().map(str::to_owned);
        Self { event, data: data.to_string(), role }
    }

    /// A frame without a name.
    pub(crate) fn data(role: Role, data: &Value) -> Self {
        Self { event: None, data: data.to_string(), role }
    }

    /// A frame of Google's: line and paragraph separators are escaped, because its own clients split lines at them.
    pub(crate) fn escaped(role: Role, data: &Value) -> Self {
        Self { event: None, data: escape_separators(&data.to_string()), role }
    }

    /// Chat's last frame, the only one that is no JSON.
    pub(crate) fn done() -> Self {
        Self { event: None, data: "[DONE]".into(), role: Role::Terminal }
    }
}

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON document.
    Unary,
    /// Server-sent events.
    Sse,
    /// Server-sent events, each in the envelope of Code Assist.
    Enveloped,
    /// Gemini's stream without `alt=sse`.
    JsonArray,
}

/// How lines end and whether comments come between events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ink {
    pub(crate) form: Form,
    pub(crate) line_end: &'static str,
    pub(crate) comments: bool,
}

impl Ink {
    /// The bytes of a frame; `first` of its body.
    pub(crate) fn write(self, frame: &Frame, first: bool) -> String {
        let end = self.line_end;
        match self.form {
            Form::Unary => frame.data.clone(),
            Form::JsonArray if first => format!("[{}", frame.data),
            Form::JsonArray => format!("\n,\r\n{}", frame.data),
            Form::Enveloped if !frame.data.starts_with("{\"error\"") => {
                format!("data: {{\"response\": {},\"traceId\": \"trace-of-the-mock\"}}{end}{end}", frame.data)
            }
            Form::Sse | Form::Enveloped => {
                let comment = if self.comments { format!(": heartbeat{end}{end}") } else { String::new() };
                let event = frame.event.as_ref().map(|name| format!("event: {name}{end}")).unwrap_or_default();
                format!("{comment}{event}data: {}{end}{end}", frame.data)
            }
        }
    }

    /// What comes after the last frame.
    pub(crate) fn tail(self, first: bool) -> &'static str {
        match (self.form, first) {
            (Form::JsonArray, true) => "[]",
            (Form::JsonArray, false) => "\n]\n",
            _ => "",
        }
    }
}

/// Writes U+0085, U+2028 and U+2029 as escapes; in JSON they can only be inside strings.
pub(crate) fn escape_separators(json: &str) -> String {
    json.replace('\u{85}', "\\u0085").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_three_forms() {
        let frame = Frame::named(Role::Content, &json!({"type": "ping"}));
        let ink = |form, line_end, comments| Ink { form, line_end, comments };
        assert_eq!(ink(Form::Sse, "\n", false).write(&frame, true), "event: ping\ndata: {\"type\":\"ping\"}\n\n");
        assert_eq!(
            ink(Form::Sse, "\r\n", true).write(&frame, true),
            ": heartbeat\r\n\r\nevent: ping\r\ndata: {\"type\":\"ping\"}\r\n\r\n"
        );
        let array = ink(Form::JsonArray, "\n", false);
        let whole = array.write(&frame, true) + &array.write(&frame, false) + array.tail(false);
        assert_eq!(serde_json::from_str::<Value>(&whole).unwrap(), json!([{"type": "ping"}, {"type": "ping"}]));
    }
}
