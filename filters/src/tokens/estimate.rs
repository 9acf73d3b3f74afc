//! The estimate of a request's input tokens: rather a little too high, since clients use it to stay below a limit.

use crate::ir::{Block, BlockKind, Media, MediaSource, OutputFormat, Request, Tool, ToolKind};

/// Units of one token, so that sums stay whole numbers.
const UNITS: u64 = 12;
/// Four ASCII characters are one token: what vendors say of English text.
const ASCII_UNITS: u64 = UNITS / 4;
/// One and a half other characters are one token: Chinese, Japanese, Korean and other scripts.
const WIDE_UNITS: u64 = UNITS * 2 / 3;
/// What is added to texts, in percent: an estimate that is too low lets a client run over its limit.
const MARGIN_PERCENT: u64 = 15;

/// Tokens of a picture. OpenAI says 1,105 of one of 2048 × 4096 pixels (platform.openai.com, "Images and vision"),
/// Google 1,120 (ai.google.dev, "Media resolution"), Anthropic width × height / 750, at most about 1,600.
pub const IMAGE_TOKENS: u64 = 1_100;

/// Bytes of a document that make one token: a page of a PDF has some 75 KB, and 1,500 to 3,000 tokens
/// (docs.claude.com, "PDF support").
const DOCUMENT_BYTES: u64 = 30;
/// Tokens of a document that the gateway does not see (an address, an id).
const UNSEEN_DOCUMENT_TOKENS: u64 = 5_000;
/// Bytes of sound that make one token: 32 tokens a second (ai.google.dev, "Audio understanding") at 128 kbit/s.
const SOUND_BYTES: u64 = 500;
/// Bytes of a film that make one token: 290 tokens a second (ai.google.dev, "Video understanding") at 2 Mbit/s.
const FILM_BYTES: u64 = 850;
/// Tokens of sound or a film that the gateway does not see: a minute of sound.
const UNSEEN_SOUND_TOKENS: u64 = 1_920;

/// Tokens around each turn, call and result: OpenAI's cookbook counts three, and one for a name.
const TURN_TOKENS: u64 = 4;
/// Tokens around each tool's words.
const TOOL_TOKENS: u64 = 8;

/// Shortest run of base64 characters that is taken for a picture in a body that cannot be read, in bytes.
const BLOB_BYTES_MIN: usize = 1_024;

/// Pieces of a body that [`rough`] looks at.
const PIECES: usize = 64;
/// Bytes of each. A piece of text is hardly ever so long without a space or a quote; one of base64 always is.
const PIECE_BYTES: usize = 256;

/// A sum of texts and of what has a price of its own.
#[derive(Default)]
struct Sum {
    units: u64,
    tokens: u64,
}

/// Tokens of a request's input: turns, tools and schemas, pictures, sound and documents.
pub fn estimate(request: &Request<'_>) -> u64 {
    let mut sum = Sum::default();
    for turn in &request.turns {
        sum.tokens += TURN_TOKENS;
        sum.text(turn.name.as_deref().unwrap_or_default());
        turn.blocks.iter().for_each(|block| sum.block(block));
    }
    request.tools.iter().for_each(|tool| sum.tool(tool));
    if let Some(OutputFormat::JsonSchema { schema, description, .. }) = &request.output_format {
        sum.text(schema.get());
        sum.text(description.as_deref().unwrap_or_default());
    }
    sum.total()
}

/// Tokens of a body that cannot be read as a request. Long runs of base64 count as pictures.
pub fn estimate_body(body: &[u8]) -> u64 {
    let mut sum = Sum::default();
    sum.body(body);
    sum.total()
}

/// Tokens of a body, looked at in a few places only: what a budget needs before the request is sent. It costs the same for
/// a body of any size. Four bytes are one token; what looks like base64 is pictures, whose number cannot be told, so each
/// stretch of it counts as one.
pub fn rough(body: &[u8]) -> u64 {
    let whole = body.len() as u64;
    if body.len() < BLOB_BYTES_MIN {
        return whole.div_ceil(4);
    }
    let stride = (body.len() / PIECES).max(PIECE_BYTES);
    let (mut pieces, mut blobs, mut stretches, mut within) = (0_u64, 0_u64, 0_u64, false);
    for piece in body.chunks(stride) {
        let head = piece.get(..PIECE_BYTES).unwrap_or(piece);
        // Text ends this within a word or two.
        let is_blob = head.iter().copied().all(is_base64);
        pieces += 1;
        blobs += u64::from(is_blob);
        stretches += u64::from(is_blob && !within);
        within = is_blob;
    }
    let texts = whole * (pieces - blobs) / pieces.max(1);
    texts / 4 + stretches * IMAGE_TOKENS
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
}

/// Tokens of a text.
pub fn text(text: &str) -> u64 {
    let mut sum = Sum::default();
    sum.text(text);
    sum.total()
}

/// Tokens of a text without the margin: of what was said, not of what may be.
pub fn plain(text: &str) -> u64 {
    let mut sum = Sum::default();
    sum.text(text);
    sum.units.div_ceil(UNITS)
}

impl Sum {
    fn total(&self) -> u64 {
        let texts = self.units.saturating_mul(100 + MARGIN_PERCENT).div_ceil(UNITS * 100);
        texts.saturating_add(self.tokens)
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Characters of UTF-8: every byte but those that go on with one.
    fn bytes(&mut self, bytes: &[u8]) {
        let ascii = bytes.iter().filter(|byte| byte.is_ascii()).count() as u64;
        let wide = bytes.iter().filter(|byte| **byte >= 0xC0).count() as u64;
        // A stray piece of a character alone still counts.
        let wide = if ascii + wide == 0 && !bytes.is_empty() { 1 } else { wide };
        self.units = self.units.saturating_add(ascii * ASCII_UNITS + wide * WIDE_UNITS);
    }

    fn body(&mut self, body: &[u8]) {
        for run in body.chunk_by(|left, right| is_base64(*left) == is_base64(*right)) {
            match run.first() {
                Some(first) if is_base64(*first) && run.len() >= BLOB_BYTES_MIN => self.tokens += IMAGE_TOKENS,
                _ => self.bytes(run),
            }
        }
    }

    fn block(&mut self, block: &Block<'_>) {
        match &block.kind {
            BlockKind::Text { text, .. } | BlockKind::Refusal { text } => self.text(text),
            BlockKind::Image(_) => self.tokens += IMAGE_TOKENS,
            BlockKind::Audio(media) => self.media(media, SOUND_BYTES, UNSEEN_SOUND_TOKENS),
            BlockKind::Video(media) => self.media(media, FILM_BYTES, UNSEEN_SOUND_TOKENS),
            BlockKind::File(media) => self.media(media, DOCUMENT_BYTES, UNSEEN_DOCUMENT_TOKENS),
            BlockKind::ToolUse(call) => {
                self.tokens += TURN_TOKENS;
                self.text(&call.name);
                self.text(&call.input);
            }
            BlockKind::ToolResult(result) => {
                self.tokens += TURN_TOKENS;
                self.text(result.name.as_deref().unwrap_or_default());
                result.content.iter().for_each(|block| self.block(block));
            }
            BlockKind::Reasoning(reasoning) => reasoning.text.iter().for_each(|text| self.text(text)),
            BlockKind::Opaque { raw, .. } => self.body(raw.get().as_bytes()),
        }
    }

    fn media(&mut self, media: &Media<'_>, bytes_a_token: u64, unseen: u64) {
        self.text(media.name.as_deref().unwrap_or_default());
        match &media.source {
            MediaSource::Text(text) => self.text(text),
            MediaSource::Base64(data) => {
                let bytes = data.len() as u64 / 4 * 3;
                let is_text = media.mime.as_deref().is_some_and(|mime| mime.starts_with("text/"));
                if is_text {
                    self.units = self.units.saturating_add(bytes * ASCII_UNITS);
                } else {
                    self.tokens += bytes / bytes_a_token + 1;
                }
            }
            MediaSource::Url(_) | MediaSource::FileId(_) => self.tokens += unseen,
        }
    }

    fn tool(&mut self, tool: &Tool<'_>) {
        self.tokens += TOOL_TOKENS;
        self.text(&tool.name);
        self.text(tool.description.as_deref().unwrap_or_default());
        match &tool.kind {
            ToolKind::Function { parameters } => self.text(parameters.as_ref().map_or("", |schema| schema.get())),
            ToolKind::Custom { format } => self.text(format.as_ref().map_or("", |format| format.get())),
            ToolKind::Hosted { raw } => self.text(raw.get()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Dialect;
    use crate::dialects::{Endpoint, decode_request};
    use crate::ir::{Role, Turn};

    fn said(text: &str) -> Request<'_> {
        let mut request = Request::new(Dialect::OpenAiChat, "m".into());
        request.turns.push(Turn::new(Role::User, vec![Block::text(text)]));
        request
    }

    fn anthropic(body: &str) -> u64 {
        estimate(&decode_request(Dialect::Anthropic, body.as_bytes(), &Endpoint::default()).unwrap())
    }

    #[test]
    fn scripts_have_their_weights() {
        // 400 characters: 100 tokens and 15 %.
        assert_eq!(text(&"word".repeat(100)), 115);
        // 150 characters: 100 tokens and 15 %.
        assert_eq!(text(&"字".repeat(150)), 115);
        assert_eq!((text(""), text("a"), text("é")), (0, 1, 1));
    }

    #[test]
    fn wire_112_a_picture_costs_the_same_however_large_it_is() {
        let body = |data: &str| {
            format!(
                r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"image","source":{{"type":"base64",
                "media_type":"image/png","data":"{data}"}}}}]}}]}}"#
            )
        };
        let small = anthropic(&body("iVBORw0KGgo="));
        assert_eq!(small, IMAGE_TOKENS + TURN_TOKENS);
        assert_eq!(anthropic(&body(&"iVBORw0K".repeat(100_000))), small);
    }

    #[test]
    fn a_rough_estimate_is_near_and_sees_pictures() {
        let words = "A word, and another word of the conversation. ";
        for times in [1, 100, 1_000, 100_000] {
            let body = words.repeat(times);
            let (rough, bytes) = (rough(body.as_bytes()), body.len() as u64);
            assert!(rough.abs_diff(bytes / 4) <= bytes / 100 + 1, "{times}: {rough} of {bytes} bytes");
        }
        let picture = "iVBORw0K".repeat(100_000);
        let body = format!("{}{picture}{}", words.repeat(2_000), words.repeat(2_000));
        let text = words.len() as u64 * 1_000;
        let found = rough(body.as_bytes());
        assert!(found.abs_diff(text + IMAGE_TOKENS) < text / 5, "{found} near {text} and a picture");
        let small = format!("{{\"data\":\"{}\"}}", "iVBORw0K".repeat(200));
        assert!((IMAGE_TOKENS..IMAGE_TOKENS + 150).contains(&rough(small.as_bytes())));
        assert_eq!((rough(b""), rough(b"abcd")), (0, 1));
    }

    #[test]
    fn tools_and_results_are_counted() {
        let plain = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
        let tools = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"name":"read","description":
            "Reads a file and gives its lines.","input_schema":{"type":"object","properties":{"path":{"type":"string"}}}}]}"#;
        assert!(anthropic(tools) > anthropic(plain) + 25);
        let call = r#"{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":
            "tool_use","id":"toolu_1","name":"read","input":{"path":"/a"}}]},{"role":"user","content":[{"type":
            "tool_result","tool_use_id":"toolu_1","content":"one line and another line of the file"}]}]}"#;
        assert!(anthropic(call) > anthropic(plain) + 20);
    }

    #[test]
    fn documents_are_counted_by_size() {
        let body = |bytes: usize| {
            format!(
                r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"document","source":{{"type":"base64",
                "media_type":"application/pdf","data":"{}"}}}}]}}]}}"#,
                "AAAA".repeat(bytes / 3)
            )
        };
        let page = anthropic(&body(75_000));
        assert!((2_000..3_000).contains(&page), "{page}");
        assert!(anthropic(&body(750_000)) > page * 9);
    }

    #[test]
    fn pictures_in_a_body_that_cannot_be_read_are_not_counted_as_text() {
        let body = format!("{{\"what\": \"{}\", \"text\": \"hello there\"}}", "iVBORw0K".repeat(50_000));
        assert!((IMAGE_TOKENS..IMAGE_TOKENS + 30).contains(&estimate_body(body.as_bytes())));
        assert_eq!(estimate_body(b""), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn more_text_is_never_fewer_tokens(before in "\\PC{0,40}", added in "\\PC{0,40}") {
            let whole = format!("{before}{added}");
            prop_assert!(text(&whole) >= text(&before));
            prop_assert!(text(&whole) >= text(&added));
            prop_assert!(estimate(&said(&whole)) >= estimate(&said(&before)));
            prop_assert!(estimate_body(whole.as_bytes()) >= estimate_body(before.as_bytes()));
        }

        #[test]
        fn something_is_never_nothing(some in "\\PC{1,20}", bytes in proptest::collection::vec(any::<u8>(), 1..20)) {
            prop_assert!(text(&some) > 0);
            prop_assert!(estimate(&said(&some)) > TURN_TOKENS);
            prop_assert!(estimate_body(&bytes) > 0);
        }
    }
}
