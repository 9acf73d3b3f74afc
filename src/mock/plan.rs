//! The answer, before it is written in a dialect: pieces, how it ends, and what it costs.

use super::chunks::{Chunks, piece_tokens};
use super::dialect::Dialect;
use super::sample;
use super::scenario::{Scenario, Spelled};
use super::seal::{Seal, hexadecimal};
use super::view::{Choice, Media, Tool, View};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Longest quotation of what the user said or a tool returned, in characters.
const QUOTE_MAX: usize = 4_000;

/// Chunks of a text whose beginning is recognised in a request.
const BEGUN_CHUNKS_MAX: u64 = 100_000;

/// Text of the `text` scenario: an emoji of several code points, CJK, combining characters, right-to-left, separators.
pub(crate) const TEXT: &str =
    "Hello 👩\u{200d}💻, this is 世界 and 日本語. Café, cafe\u{301}, שלום. Line\u{2028}separator. 🇨🇭 done.";

/// One piece of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its text as streamed: prose, or the JSON of arguments.
    pub(crate) chunks: Chunks,
    /// Its id: of the item (Responses).
    pub(crate) id: String,
    /// The signature that must come back with it.
    pub(crate) signature: Option<String>,
}

/// What a piece is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Visible thinking.
    Thought,
    /// Thinking that is only sent as cipher text.
    Redacted,
    /// Prose.
    Text,
    /// A refusal in words.
    Refusal,
    /// A tool call.
    Call { call_id: String, name: String, arguments: Map<String, Value> },
}

/// Why an answer ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    MaxTokens,
    StopSequence(String),
    Calls,
    Refused,
    /// Held back by the provider, prompt or answer: not a word is said.
    Blocked,
}

/// What an answer costs. The buckets do not overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Input that was not cached.
    pub(crate) uncached: u64,
    /// Input read from the cache.
    pub(crate) cached: u64,
    /// Input written to the cache for five minutes, and for an hour (Anthropic only).
    pub(crate) written: [u64; 2],
    /// Visible output.
    pub(crate) output: u64,
    /// Thinking.
    pub(crate) reasoning: u64,
}

impl Usage {
    /// All input.
    pub(crate) fn input(&self) -> u64 {
        self.uncached + self.cached + self.written.iter().sum::<u64>()
    }

    /// Adds another bill to this one.
    pub(crate) fn add(&mut self, other: Self) {
        self.uncached += other.uncached;
        self.cached += other.cached;
        self.written = [self.written[0] + other.written[0], self.written[1] + other.written[1]];
        self.output += other.output;
        self.reasoning += other.reasoning;
    }

    /// Everything.
    pub(crate) fn total(&self) -> u64 {
        self.input() + self.output + self.reasoning
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) model: String,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) finish: Finish,
    pub(crate) usage: Usage,
    /// When it was made, in seconds since the epoch.
    pub(crate) created: i64,
    pub(crate) include_usage: bool,
    pub(crate) thoughts_hidden: bool,
    pub(crate) encrypted: bool,
}

/// What composing an answer needs besides the request.
pub(crate) struct Composer<'a> {
    pub(crate) seal: Seal,
    pub(crate) dialect: Dialect,
    pub(crate) view: &'a View,
    /// Number of the request; every id derives from it.
    pub(crate) number: u64,
    /// The calls that the request spells out.
    pub(crate) calls: &'a [Spelled],
    /// Characters at the end of a begun answer that are said again.
    pub(crate) repeats: usize,
}

impl Composer<'_> {
    /// The pieces of an answer, and how it ends. Where the request ends in the beginning of its text, what is left of it.
    pub(crate) fn compose(&self, scenario: Scenario) -> (Vec<Piece>, Finish) {
        let (pieces, finish) = self.answer(scenario);
        let is_bounded = |piece: &Piece| piece.chunks.len() <= BEGUN_CHUNKS_MAX;
        let rest = self.view.begun.as_ref().and_then(|begun| {
            let at = pieces.iter().position(|piece| matches!(piece.kind, Kind::Text) && is_bounded(piece))?;
            let whole = pieces.get(at)?.chunks.whole();
            let rest = whole.strip_prefix(begun.as_str())?;
            let again = begun.char_indices().rev().take(self.repeats).last().map_or(begun.len(), |(from, _)| from);
            let said = format!("{}{rest}", begun.get(again..).unwrap_or_default());
            Some((at, self.piece(0, Kind::Text, Chunks::of_words(&said, 2))))
        });
        match rest {
            // What came before the text was said before it.
            Some((at, rest)) => (std::iter::once(rest).chain(pieces.into_iter().skip(at + 1)).collect(), finish),
            None => (pieces, finish),
        }
    }

    fn answer(&self, scenario: Scenario) -> (Vec<Piece>, Finish) {
        let scenario = self.effective(scenario);
        let answered = !self.view.results.is_empty();
        match scenario {
            Scenario::Echo | Scenario::Usage if answered => (vec![self.text(0, &self.quote_results())], Finish::Stop),
            Scenario::Echo | Scenario::Usage => (vec![self.text(0, &self.quote_user())], Finish::Stop),
            Scenario::Text => (vec![self.piece(0, Kind::Text, Chunks::of_characters(TEXT, 7))], Finish::Stop),
            Scenario::Tool | Scenario::TextTool | Scenario::Parallel | Scenario::ThinkTool if answered => {
                (vec![self.text(0, &self.quote_results())], Finish::Stop)
            }
            Scenario::Tool => self.calls(self.forethought(), 1),
            Scenario::TextTool => {
                let mut pieces = self.forethought();
                pieces.push(self.text(pieces.len() as u64, "I will call a tool for this."));
                self.calls(pieces, 1)
            }
            Scenario::Parallel => self.calls(self.forethought(), 2),
            Scenario::Think => (vec![self.thought(0), self.text(1, &self.quote_user())], Finish::Stop),
            Scenario::ThinkTool => self.calls(vec![self.thought(0)], 1),
            Scenario::Redacted => (vec![self.redacted(0), self.text(1, &self.quote_user())], Finish::Stop),
            Scenario::Image => (vec![self.text(0, &self.describe_media())], Finish::Stop),
            Scenario::Refusal => {
                let said = "I can't help with that request.";
                (vec![self.piece(0, Kind::Refusal, Chunks::of_words(said, 2))], Finish::Refused)
            }
            Scenario::MaxTokens => (vec![self.text(0, "This answer is cut off at the token")], Finish::MaxTokens),
            Scenario::StopSequence => {
                let stop = self.view.stop.clone().unwrap_or_else(|| "STOP".into());
                (vec![self.text(0, "This answer ends before the stop sequence: ")], Finish::StopSequence(stop))
            }
            Scenario::Json => {
                let value = self.view.schema.as_ref().map_or_else(|| serde_json::json!({"ok": true}), sample::sample);
                (vec![self.piece(0, Kind::Text, Chunks::of_characters(&value.to_string(), 11))], Finish::Stop)
            }
            Scenario::Long(n) => (vec![self.piece(0, Kind::Text, Chunks::Counted(n))], Finish::Stop),
            Scenario::Empty => (Vec::new(), Finish::Stop),
            Scenario::Blocked => (Vec::new(), Finish::Blocked),
        }
    }

    /// A model that is forced to call a tool or to write JSON does so, whatever it was going to say.
    fn effective(&self, scenario: Scenario) -> Scenario {
        let view = self.view;
        let forced = matches!(view.choice, Choice::Any | Choice::Named(_)) && !view.tools.is_empty();
        match scenario {
            Scenario::Echo if forced => Scenario::Tool,
            Scenario::Echo if view.schema.is_some() || view.json => Scenario::Json,
            other => other,
        }
    }

    fn calls(&self, mut pieces: Vec<Piece>, wanted: usize) -> (Vec<Piece>, Finish) {
        let thought = pieces.iter().any(|piece| matches!(piece.kind, Kind::Thought));
        if let Some(missing) = self.calls.iter().find(|call| self.declared(&call.name).is_none()) {
            let at = pieces.len() as u64;
            pieces.push(self.text(at, &format!("No tool `{}` was declared.", missing.name)));
            return (pieces, Finish::Stop);
        }
        let tools = self.chosen_tools(wanted);
        if tools.is_empty() {
            let at = pieces.len() as u64;
            pieces.push(self.text(at, "No tool was declared that I may call."));
            return (pieces, Finish::Stop);
        }
        for (n, (name, arguments)) in tools.into_iter().enumerate() {
            let at = pieces.len() as u64;
            let tag = self.seal.tag(self.number, n as u64);
            let written = Value::Object(arguments.clone()).to_string();
            let signed = self.dialect == Dialect::Gemini && n == 0;
            let call_id = self.seal.call_id(self.dialect, &tag, thought);
            let signature = signed.then(|| self.seal.sign(self.dialect, &tag, &format!("{name}{written}")));
            let chunks = Chunks::of_characters(&written, 9);
            let mut piece = self.piece(at, Kind::Call { call_id, name, arguments }, chunks);
            piece.signature = signature;
            pieces.push(piece);
        }
        (pieces, Finish::Calls)
    }

    fn declared(&self, name: &str) -> Option<&Tool> {
        self.view.tools.iter().find(|tool| tool.name == name)
    }

    /// The calls that are spelled out, or the tool that is forced, or those that the user's text names, or the first ones.
    fn chosen_tools(&self, wanted: usize) -> Vec<(String, Map<String, Value>)> {
        let view = self.view;
        if view.choice == Choice::None {
            return Vec::new();
        }
        if !self.calls.is_empty() {
            let made_up = |name: &str| self.declared(name).map(|tool| sample::arguments(&tool.schema));
            let spelled = |call: &Spelled| call.arguments.clone().or_else(|| made_up(&call.name)).unwrap_or_default();
            return self.calls.iter().map(|call| (call.name.clone(), spelled(call))).collect();
        }
        let forced = view.tools.iter().filter(|tool| Choice::Named(tool.name.clone()) == view.choice);
        let named = view.tools.iter().filter(|tool| view.user_text.contains(&tool.name));
        let pool: Vec<_> = match (forced.collect::<Vec<_>>(), named.collect::<Vec<_>>()) {
            (forced, _) if !forced.is_empty() => forced,
            (_, named) if named.len() >= wanted => named,
            _ => view.tools.iter().collect(),
        };
        let cycled = pool.iter().cycle().take(if pool.is_empty() { 0 } else { wanted });
        cycled.map(|tool| (tool.name.clone(), sample::arguments(&tool.schema))).collect()
    }

    /// What comes before a call: a model whose provider demands thinking in front of it has to think.
    fn forethought(&self) -> Vec<Piece> {
        if self.view.must_think { vec![self.thought(0)] } else { Vec::new() }
    }

    fn thought(&self, at: u64) -> Piece {
        let said: String = self.view.user_text.chars().take(60).collect();
        let text = format!("The user said “{said}”. I consider it step by step, then I answer.");
        let tag = self.seal.tag(self.number, 0);
        let mut piece = self.piece(at, Kind::Thought, Chunks::of_words(&text, 3));
        // OpenAI's cipher text is bound to the item; Anthropic's signature to the text. Gemini signs the calls, and where
        // there is none, the text that follows.
        let signed = if self.dialect.is_openai() { piece.id.clone() } else { text };
        piece.signature = Some(self.seal.sign(self.dialect, &tag, &signed));
        piece
    }

    fn redacted(&self, at: u64) -> Piece {
        if self.dialect != Dialect::Anthropic {
            return self.thought(at);
        }
        let mut piece = self.piece(at, Kind::Redacted, Chunks::of_words("thinking that is not shown", 9));
        piece.signature = Some(self.seal.sign(self.dialect, &self.seal.tag(self.number, 0), "redacted"));
        piece
    }

    fn text(&self, at: u64, text: &str) -> Piece {
        self.piece(at, Kind::Text, Chunks::of_words(text, 3))
    }

    fn piece(&self, at: u64, kind: Kind, chunks: Chunks) -> Piece {
        let prefix = match kind {
            Kind::Thought | Kind::Redacted => "rs",
            Kind::Text | Kind::Refusal => "msg",
            Kind::Call { .. } => "fc",
        };
        let id = format!("{prefix}_{}", self.seal.hex(prefix, self.number, at, 50));
        Piece { kind, chunks, id, signature: None }
    }

    fn quote_user(&self) -> String {
        format!("You said: {}", self.view.user_text.chars().take(QUOTE_MAX).collect::<String>())
    }

    fn quote_results(&self) -> String {
        let all = self.view.results.join(" | ");
        format!("The tool returned: {}", all.chars().take(QUOTE_MAX).collect::<String>())
    }

    fn describe_media(&self) -> String {
        match &self.view.media {
            None => "I received no image.".into(),
            Some(Media::Url(url)) => format!("I received the address {url}"),
            Some(Media::Broken { mime }) => format!("I received {mime} that is no base64."),
            Some(Media::Inline { mime, bytes }) => {
                let digest: String = hexadecimal(&Sha256::digest(bytes)).chars().take(16).collect();
                format!("I received {mime}, {} bytes, sha256 {digest}", bytes.len())
            }
        }
    }
}

/// Output and thinking tokens of an answer of `model`.
pub(crate) fn output_tokens(model: &str, pieces: &[Piece]) -> (u64, u64) {
    pieces.iter().fold((0, 0), |(output, reasoning), piece| match piece.kind {
        Kind::Thought | Kind::Redacted => (output, reasoning + piece.chunks.tokens(model)),
        _ => (output + piece.chunks.tokens(model), reasoning),
    })
}

/// One step of telling an answer.
pub(crate) enum Event<'a> {
    /// The answer begins.
    Start,
    /// Piece `at` begins.
    Open { at: usize, piece: &'a Piece },
    /// A part of its text, and what it costs.
    Delta { at: usize, piece: &'a Piece, text: &'a str },
    /// Piece `at` is complete.
    Close { at: usize, piece: &'a Piece },
    /// The answer is complete.
    Finish,
}

/// Walks an answer step by step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    piece: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    #[default]
    Start,
    Open,
    Delta(u64),
    Done,
}

impl Cursor {
    /// Tells the next step to `tell`; the tokens billed for it, or `None` after the last.
    pub(crate) fn step<R>(&mut self, plan: &Plan, tell: impl FnOnce(&Event<'_>) -> R) -> Option<(R, u64)> {
        let at = self.piece;
        let piece = plan.pieces.get(at);
        match (self.stage, piece) {
            (Stage::Done, _) => None,
            (Stage::Start, _) => {
                self.stage = Stage::Open;
                Some((tell(&Event::Start), 0))
            }
            (Stage::Open | Stage::Delta(_), None) => {
                self.stage = Stage::Done;
                Some((tell(&Event::Finish), 0))
            }
            (Stage::Open, Some(piece)) => {
                self.stage = Stage::Delta(0);
                Some((tell(&Event::Open { at, piece }), 0))
            }
            (Stage::Delta(n), Some(piece)) if n < piece.chunks.len() => {
                self.stage = Stage::Delta(n + 1);
                let text = piece.chunks.get(n);
                Some((tell(&Event::Delta { at, piece, text: &text }), piece_tokens(&plan.model, &text)))
            }
            (Stage::Delta(_), Some(piece)) => {
                *self = Self { piece: at + 1, stage: Stage::Open };
                Some((tell(&Event::Close { at, piece }), 0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_begun_answer_is_gone_on_with_and_any_other_text_is_not() {
        let said = |begun: Option<&str>, scenario: Scenario, repeats: usize| {
            let begun = begun.map(str::to_owned);
            let view = View { user_text: "one two three".into(), begun, ..View::default() };
            let seal = Seal::new(1);
            let composer = Composer { seal, dialect: Dialect::Chat, view: &view, number: 1, calls: &[], repeats };
            let (pieces, _) = composer.compose(scenario);
            let tokens = output_tokens("m", &pieces);
            (pieces.iter().map(|piece| piece.chunks.whole()).collect::<Vec<_>>(), tokens.0 + tokens.1)
        };
        let (whole, cost) = said(None, Scenario::Echo, 0);
        let (rest, less) = said(Some("You said: one"), Scenario::Echo, 0);
        assert_eq!((whole[0].as_str(), rest[0].as_str()), ("You said: one two three", " two three"));
        assert!(less < cost, "the rest alone is billed");
        assert_eq!(said(Some("You said: one"), Scenario::Echo, 4).0, [" one two three"]);
        assert_eq!(said(Some("word0 wo"), Scenario::Long(2), 0).0, ["rd1 "]);
        assert_eq!(
            said(Some("You said: one"), Scenario::Think, 0).0,
            [" two three"],
            "what was thought is not thought again"
        );
        assert_eq!(said(Some("Something else"), Scenario::Echo, 0).0, whole);
    }
}
