"""What the model says reaches every client whole: text, usage, images, refusals, caps, structured answers."""

from __future__ import annotations

import hashlib
import json

import limits
from conversation import Conversation
from drivers.neutral import Ask
from plan import UPSTREAMS

TEXT = (
    "Hello 👩\u200d💻, this is 世界 and 日本語. Café, cafe\u0301, שלום. Line\u2028separator. 🇨🇭 done."
)
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8cfc0f01f0005050102d84f"
    "11420000000049454e44ae426082"
)
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}


def check_bill(talk: Conversation, usage: object) -> None:
    """What the client is told equals what the provider billed."""
    bill = talk.stack.bill()
    paid = bill["uncached"] + bill["cached"] + bill["written_5m"] + bill["written_1h"]
    assert (usage.input, usage.cached) == (paid, bill["cached"])
    assert usage.output == bill["output"] + bill["reasoning"]
    if usage.reasoning is not None and talk.cell.upstream != "anthropic":  # Anthropic tells only the sum.
        assert usage.reasoning == bill["reasoning"]


def test_text_of_every_script_arrives_unchanged(talk: Conversation) -> None:
    model = talk.cell.model("text")
    said = talk.say(model, Ask("Say something. 請用中文 🙏", system="Be brief. 简洁"))
    assert said.text == TEXT
    assert (said.stop, said.calls, said.thoughts, said.refusal) == ("end", [], "", "")
    assert said.model == (model.split("/")[1] if talk.cell.pair in limits.SPLICED else model)
    check_bill(talk, said.usage)


def test_what_the_user_says_arrives_unchanged(talk: Conversation) -> None:
    text = "Zeichen: 👩\u200d👩\u200d👧 漢字 \"quoted\" \\ back\tslash\n\u2028 end"
    said = talk.say(talk.cell.model("echo"), Ask(text))
    assert said.text == f"You said: {text}"
    assert talk.bodies()[0].get("model", UPSTREAMS[talk.cell.upstream].model + "+echo").endswith("+echo")


def test_every_bucket_of_the_bill_arrives(talk: Conversation) -> None:
    said = talk.say(talk.cell.model("usage"), Ask("Count."))
    check_bill(talk, said.usage)
    assert said.usage.cached == 1024


def test_thinking_is_told_apart_from_the_answer(talk: Conversation) -> None:
    said = talk.say(talk.cell.model("think"), Ask("Why is the sky blue? 空", thinking=True))
    assert said.text == "You said: Why is the sky blue? 空"
    assert said.thoughts.startswith("The user said “Why is the sky blue? 空”.")
    assert said.stop == "end"
    check_bill(talk, said.usage)


def test_an_image_arrives_byte_for_byte(talk: Conversation) -> None:
    said = talk.say(talk.cell.model("image"), Ask("What is this?", png=PNG))
    digest = hashlib.sha256(PNG).hexdigest()[:16]
    assert said.text == f"I received image/png, {len(PNG)} bytes, sha256 {digest}"


def test_a_refusal_is_a_refusal(talk: Conversation) -> None:
    said = talk.say(talk.cell.model("refusal"), Ask("Do harm."))
    assert said.stop == "refusal"
    words = "" if talk.cell.upstream in limits.REFUSES_WITHOUT_WORDS else "I can't help with that request."
    assert words in said.refusal + said.text


def test_the_cap_of_output_tokens_is_told(talk: Conversation) -> None:
    said = talk.say(talk.cell.model("max_tokens"), Ask("Write a long text.", max_tokens=20))
    assert said.text == "This answer is cut off at the token"
    assert said.stop == "length"
    assert 20 in leaves(talk.bodies()[0])


def test_a_structured_answer_fits_its_schema(talk: Conversation) -> None:
    said = talk.say(talk.cell.model("json"), Ask("Where, and for how long? Answer in JSON.", schema=SCHEMA))
    assert json.loads(said.text) == {"city": "mock city", "days": 7}
    assert (said.stop, said.calls) == ("end", [])


def leaves(value: object) -> list[object]:
    """All leaves of a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]
