"""What the vendors' SDKs ask beside a model's answer, on every provider dialect that has it."""

from __future__ import annotations

import io

import anthropic
import openai
import pytest
from google import genai
from google.genai import types
from plan import UPSTREAMS
from stack import Stack

KEY = "any"
TEXT = "How many tokens has this sentence?"


@pytest.fixture
def oai(stack: Stack) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{stack.url}/v1", api_key=KEY, max_retries=0)


@pytest.fixture
def claude(stack: Stack) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=stack.url, api_key=KEY, max_retries=0)


@pytest.fixture
def google(stack: Stack) -> genai.Client:
    return genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=stack.url))


def model(upstream: str, suffix: str = "") -> str:
    return f"{UPSTREAMS[upstream].short}/{UPSTREAMS[upstream].model}{suffix}"


every_upstream = pytest.mark.parametrize("upstream", UPSTREAMS)
with_vectors = pytest.mark.parametrize("upstream", ["openai_chat", "gemini"])
without_vectors = pytest.mark.parametrize("upstream", ["openai_responses", "anthropic"])


@every_upstream
def test_tokens_are_counted_for_every_client(
    upstream: str, oai: openai.OpenAI, claude: anthropic.Anthropic, google: genai.Client
) -> None:
    turn = [{"role": "user", "content": TEXT}]
    assert claude.messages.count_tokens(model=model(upstream), messages=turn).input_tokens > 3
    assert oai.responses.input_tokens.count(model=model(upstream), input=TEXT).input_tokens > 3
    assert google.models.count_tokens(model=model(upstream), contents=TEXT).total_tokens > 3


@every_upstream
def test_counting_never_fails_because_a_provider_fails(upstream: str, claude: anthropic.Anthropic) -> None:
    turn = [{"role": "user", "content": TEXT}]
    raw = claude.messages.with_raw_response.count_tokens(model=model(upstream, "+fault=500"), messages=turn)
    assert raw.headers["x-interlingua-estimate"] == "true"
    assert raw.parse().input_tokens > 3


@with_vectors
def test_vectors(upstream: str, oai: openai.OpenAI, google: genai.Client) -> None:
    made = oai.embeddings.create(model=model(upstream), input=["one", "two"])  # The SDK asks for base64.
    assert [len(item.embedding) for item in made.data] == [8, 8]
    assert len(oai.embeddings.create(model=model(upstream), input="one", dimensions=3).data[0].embedding) == 3
    both = google.models.embed_content(model=model(upstream), contents=["one", "two"])
    assert [len(item.values) for item in both.embeddings] == [8, 8]


@without_vectors
def test_who_has_no_vectors_says_where_they_are(upstream: str, oai: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Gemini"):
        oai.embeddings.create(model=model(upstream), input="one")


@every_upstream
def test_legacy_completions(upstream: str, oai: openai.OpenAI) -> None:
    made = oai.completions.create(model=model(upstream), prompt="one two", max_tokens=50)
    assert (made.object, made.choices[0].text, made.choices[0].finish_reason) == (
        "text_completion",
        "You said: one two",
        "stop",
    )
    chunks = list(oai.completions.create(model=model(upstream), prompt="one two", max_tokens=50, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == "You said: one two"


@with_vectors
def test_pictures(upstream: str, oai: openai.OpenAI) -> None:
    made = oai.images.generate(model=model(upstream), prompt="a cat")
    assert made.data and made.data[0].b64_json.startswith("iVBOR")
    edited = oai.images.edit(model=model(upstream), prompt="a hat", image=("cat.png", b"\x89PNG\r\n\x1a\n", "image/png"))
    assert edited.data and edited.data[0].b64_json


@with_vectors
def test_speech_and_transcriptions(upstream: str, oai: openai.OpenAI) -> None:
    said = oai.audio.speech.create(model=model(upstream), input="hello", voice="alloy", response_format="wav")
    assert len(said.read()) > 44
    heard = oai.audio.transcriptions.create(model=model(upstream), file=("a.wav", io.BytesIO(b"RIFF0000WAVE")))
    assert heard.text


def test_files_of_openai(oai: openai.OpenAI) -> None:
    made = oai.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    assert oai.files.retrieve(made.id).id == made.id
    assert oai.files.content(made.id).read() == b"{}"
    assert made.id in [file.id for file in oai.files.list()]
    batch = oai.batches.create(input_file_id=made.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert oai.batches.cancel(batch.id).status == "cancelled"
    assert oai.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError, match="No such File object"):
        oai.files.retrieve(made.id)


def test_files_of_anthropic(claude: anthropic.Anthropic) -> None:
    made = claude.beta.files.upload(file=("a.txt", b"hello", "text/plain"))
    assert claude.beta.files.retrieve_metadata(made.id).filename == "a.txt"
    assert claude.beta.files.delete(made.id).id == made.id
    with pytest.raises(anthropic.NotFoundError):
        claude.beta.files.retrieve_metadata(made.id)


def test_files_of_gemini(google: genai.Client) -> None:
    made = google.files.upload(file=io.BytesIO(b"hello"), config={"mime_type": "text/plain"})
    assert google.files.get(name=made.name).name == made.name
    google.files.delete(name=made.name)


def test_stored_answers(oai: openai.OpenAI) -> None:
    made = oai.responses.create(model=model("openai_responses"), input="hello")
    assert oai.responses.retrieve(made.id).id == made.id
    oai.responses.delete(made.id)


def test_moderations(oai: openai.OpenAI) -> None:
    assert not oai.moderations.create(input="hello").results[0].flagged
