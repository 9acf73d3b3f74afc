//! A short look at a request: only what tells whose it is, and never far.

use interlingua_filters::Dialect;
use interlingua_filters::json::{Raw, Str, parse};
use serde::Deserialize;

/// Longest body that is looked at, in bytes. What agents ask for themselves is small, but for questions about the whole
/// conversation.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes at the beginning of a text that are looked at.
const TEXT_BYTES_MAX: usize = 1024;
/// Texts of a prompt or a turn that are looked at: agents put reminders before their words.
const TEXTS_MAX: usize = 16;

/// What is seen of a request.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The cap of output tokens.
    pub cap: Option<u64>,
    /// Whether it has tools.
    pub has_tools: bool,
    /// The beginnings of the system prompt's texts.
    pub system: Vec<String>,
    /// The beginnings of the last turn's texts, if that is the user's.
    pub user: Vec<String>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    tools: Option<Raw<'a>>,
    #[serde(borrow)]
    system: Option<Raw<'a>>,
    #[serde(borrow)]
    instructions: Option<Raw<'a>>,
    #[serde(borrow, rename = "systemInstruction", alias = "system_instruction")]
    system_instruction: Option<Raw<'a>>,
    #[serde(borrow)]
    messages: Option<Raw<'a>>,
    #[serde(borrow)]
    input: Option<Raw<'a>>,
    #[serde(borrow)]
    contents: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    role: Option<Str<'a>>,
    #[serde(borrow)]
    content: Option<Raw<'a>>,
    #[serde(borrow)]
    parts: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<Str<'a>>,
}

impl Look {
    /// Looks at the body of a client that speaks `client`, whose cap of output tokens is known. `None` if it is too long
    /// to be looked at, or not what that client would send.
    pub fn at(client: Dialect, body: &[u8], cap: Option<u64>) -> Option<Self> {
        if body.len() > BODY_BYTES_MAX {
            return None;
        }
        let body: Body<'_> = parse(body).ok()?;
        let mut look = Look { cap, ..Look::default() };
        look.has_tools = body.tools.is_some_and(|tools| !matches!(tools.get().trim(), "[]" | "null"));
        let (prompt, turns) = match client {
            Dialect::OpenAiChat => (None, body.messages),
            Dialect::OpenAiResponses => (body.instructions, body.input),
            Dialect::Anthropic => (body.system, body.messages),
            Dialect::Gemini => (body.system_instruction, body.contents),
        };
        if let Some(prompt) = &prompt {
            // Gemini's is a turn of its own.
            match prompt.read::<Turn<'_>>() {
                Some(Turn { parts: Some(parts), .. }) => texts(&parts, &mut look.system),
                _ => texts(prompt, &mut look.system),
            }
        }
        let Some(turns) = turns else { return Some(look) };
        match turns.read::<Vec<Raw<'_>>>() {
            Some(turns) => look.see_turns(&turns),
            None => texts(&turns, &mut look.user),
        }
        Some(look)
    }

    fn see_turns(&mut self, turns: &[Raw<'_>]) {
        let is_system = |turn: &Turn<'_>| matches!(turn.role.as_deref(), Some("system" | "developer"));
        for turn in turns.iter().take(TEXTS_MAX).map_while(Raw::read::<Turn<'_>>).take_while(is_system) {
            turn.texts(&mut self.system);
        }
        // Some agents put a word of the system's behind the user's.
        let last = turns.iter().rev().take(TEXTS_MAX).map_while(Raw::read::<Turn<'_>>).find(|turn| !is_system(turn));
        if let Some(turn) = last
            && (turn.role.as_deref() == Some("user") || turn.role.is_none() && turn.parts.is_some())
        {
            turn.texts(&mut self.user);
        }
    }
}

impl Turn<'_> {
    fn texts(&self, out: &mut Vec<String>) {
        if let Some(content) = self.content.as_ref().or(self.parts.as_ref()) {
            texts(content, out);
        }
    }
}

/// Adds the beginnings of the texts in `content`: one string, or a list of parts.
fn texts(content: &Raw<'_>, out: &mut Vec<String>) {
    if let Some(text) = content.read::<Str<'_>>() {
        return out.push(beginning(&text));
    }
    let parts: Vec<Raw<'_>> = content.read().unwrap_or_default();
    let text = |part: &Raw<'_>| Some(beginning(&part.read::<Part<'_>>()?.text?));
    out.extend(parts.iter().take(TEXTS_MAX).filter_map(text));
}

fn beginning(text: &str) -> String {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or(text).to_owned()
}
