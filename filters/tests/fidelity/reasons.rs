//! Why a field cannot arrive as it was said: (field, the dialects that hear it, or none for all, reason).

use interlingua_filters::Dialect::{self, Anthropic, Gemini, OpenAiChat, OpenAiResponses};

/// Fields that need no word where they are heard, because they hold there anyway.
pub(crate) const IMPLIED: &[(&str, &[Dialect], &str)] = &[
    ("show the thoughts", &[OpenAiChat, Anthropic], "thoughts are always shown where there are any"),
    ("hide the thoughts", &[OpenAiResponses, Anthropic], "thoughts are shown to those only who ask for them"),
    ("hide the thoughts", &[OpenAiChat], "OpenAI shows no thoughts in Chat; of servers that do, a loss is reported"),
    ("JSON by a schema, strictly", &[Anthropic, Gemini], "answers always keep to the schema there"),
    ("service tier", &[Gemini], "the default tier is what a request gets that names none"),
    ("usage at the end of a stream", &[], "usage is always told"),
    (
        "several calls at a time",
        &[Anthropic, Gemini],
        "models call several functions at a time unless they are told not to",
    ),
    ("seal of the thoughts", &[OpenAiChat], CUSTODY),
    ("hidden thoughts", &[OpenAiChat], CUSTODY),
];

const CUSTODY: &str =
    "the gateway keeps the seal and puts it back when the call returns (`custody` in the configuration)";

/// Reasons of losses and refusals.
pub(crate) const REASONS: &[(&str, &[Dialect], &str)] = &[
    ("name of the speaker", &[], "turns have no names there"),
    (
        "system text in the middle",
        &[Anthropic, Gemini],
        "system text stands before the conversation only: later text of the system becomes the user's, in its place",
    ),
    ("detail of a picture", &[Anthropic], "there is no such setting"),
    ("detail of a picture", &[Gemini], "the stable API sets the resolution of media for all of a request at once"),
    (
        "picture by URL of unknown kind",
        &[Gemini],
        "a MIME type is demanded there; where nothing tells it, JPEG is said",
    ),
    ("name of a file", &[Gemini], "contents have no names there, except on Vertex AI"),
    ("picture by file id", &[], FILE),
    ("document by file id", &[], FILE),
    ("PDF by URL", &[OpenAiChat], "documents are taken as base64 or by id only, and the gateway fetches nothing"),
    (
        "sound",
        &[Anthropic],
        "there is no sound in this protocol: send a transcript; of an answer in sound the transcript arrives",
    ),
    ("film", &[], "Gemini alone takes films"),
    ("places in documents asked for", &[], "Anthropic alone cites places of the request's documents"),
    ("mark of the cache", &[], "the provider caches by itself, without marks"),
    (
        "strict function",
        &[Gemini],
        "functions are held to their schemas all at once there (mode `VALIDATED`), not one by one",
    ),
    ("other tool of the provider", &[], TOOL),
    ("tool that makes pictures", &[], TOOL),
    ("MCP servers of the provider", &[], TOOL),
    (
        "failed result",
        &[OpenAiChat, OpenAiResponses],
        "results have no mark of failure there: the text begins with `Error:`",
    ),
    ("picture in a result", &[OpenAiChat], MEDIA_CHAT),
    ("document in a result", &[OpenAiChat], MEDIA_CHAT),
    ("picture in a result", &[Gemini], MEDIA_GEMINI),
    ("document in a result", &[Gemini], MEDIA_GEMINI),
    ("tool choice: one of these", &[Anthropic], "a call of one function or of any can be demanded there, not of some"),
    ("one call at a time", &[Gemini], "there is no such switch"),
    ("temperature above 1", &[Anthropic], "1 is the highest there"),
    ("top_k", &[OpenAiChat, OpenAiResponses], "there is no such setting"),
    ("presence penalty", &[OpenAiResponses, Anthropic], "there is no such setting"),
    ("frequency penalty", &[OpenAiResponses, Anthropic], "there is no such setting"),
    ("seed", &[OpenAiResponses, Anthropic], "there is no such setting"),
    ("stop sequences", &[OpenAiResponses], "there is no such setting"),
    ("several alternatives", &[OpenAiResponses, Anthropic], "there is one answer only"),
    ("log probabilities", &[Anthropic], "they are not told there"),
    ("bias of tokens", &[], "Chat alone has it, and its numbers are those of one tokenizer"),
    (
        "any JSON object",
        &[Anthropic],
        "JSON is promised for a schema only: without one, an object of any members is asked for",
    ),
    (
        "effort of thinking",
        &[Gemini],
        "a model that is not known takes a budget that stands for the effort; one whose profile says so takes the level",
    ),
    ("budget of thinking", &[OpenAiChat, OpenAiResponses], "budgets become the effort they stand for"),
    (
        "no thinking",
        &[OpenAiChat, OpenAiResponses],
        "not every model knows the effort `none`: it is said where the model's profile knows it",
    ),
    (
        "earlier thoughts",
        &[],
        "a provider takes only thoughts that it sealed itself; servers that take any (`reasoning_content`) get them",
    ),
    ("answer with pictures", &[], "a model is chosen for it, or a tool, and no member of the request says it"),
    ("answer in sound", &[], "voices and formats are the provider's own"),
    ("end user", &[Gemini], "the provider is not told of end users"),
    ("safety identifier", &[Gemini], "the provider is not told of end users"),
    ("labels", &[OpenAiChat], "labels are taken of answers only that are stored (`store: true`)"),
    ("labels", &[Anthropic], "there are none"),
    ("labels", &[Gemini], "Vertex AI alone has labels"),
    ("key of the cache", &[Anthropic, Gemini], "the provider needs no such key"),
    ("cached contents", &[], "they are in Gemini's store"),
    ("verbosity", &[Anthropic, Gemini], "there is no such setting"),
    ("keep the answer", &[Anthropic, Gemini], "the provider keeps no answers"),
    ("earlier answer by id", &[], "the provider keeps no answers"),
    ("prediction", &[], "Chat alone has it"),
    ("safety settings", &[], "Gemini alone has them"),
    ("context management", &[], "Anthropic alone clears the context by such rules"),
    ("words of refusal", &[Gemini], "there is no place for them: they are text"),
    ("picture", &[Anthropic], MADE),
    ("file", &[OpenAiChat, OpenAiResponses, Anthropic], MADE),
    ("sound", &[OpenAiResponses], MADE),
    ("result of a provider's tool", &[], WORK),
    ("work of a provider's tool", &[], WORK),
    ("words quoted from a page", &[], "sources have an address and a title there, and no words"),
    (
        "place in a document",
        &[OpenAiChat, OpenAiResponses],
        "sources are pages or stored files there, not places of the request",
    ),
    ("place in a document", &[Gemini], "the words and the title arrive, the place does not"),
    ("end: pause", &[], "no other protocol knows a pause: it is a plain end"),
    ("end: stop sequence", &[], "that it ended is told, by which sequence is not"),
    ("tokens written to a cache", &[Gemini], "they are counted as input, and not told apart"),
];

const FILE: &str = "the file is in another provider's store: send it in base64 or by address";
const TOOL: &str = "the tool runs at its own provider, and what it does has no words elsewhere";
const WORK: &str = "what a provider's tool did on the way has no words elsewhere; what the model says of it arrives";
const MEDIA_CHAT: &str = "results are text there: the medium follows in the user's message, and the result says so";
const MEDIA_GEMINI: &str =
    "results hold media only for models whose profile says so: else the medium follows in the user's message";
const MADE: &str = "answers hold no such medium there: a note in the text stands for it, or nothing";
